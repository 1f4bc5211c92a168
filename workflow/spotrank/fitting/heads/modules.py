"""Heads that are torch modules, one run at a time."""

import math
from types import MappingProxyType

from spotrank.base.store import InputError
from spotrank.fitting.heads.head import Head, at_least, share

WAVES = 16


class Module(Head):
    """A torch module as a head, one run at a time; subclasses `build()` it and say what is `fed`.

    Everything random in it, first weights and dropout too, follows the run's seed.
    """

    alone = True

    def start(self, generator):
        import torch

        torch.manual_seed(generator.initial_seed())
        self.module = self.build().to(generator.device)
        return {key: value.detach().clone() for key, value in self.module.state_dict().items()}

    def score(self, parameters, x, place, generator=None, **around):
        import torch

        if not hasattr(self, "module"):
            self.module = self.build().to(x.device)
        self.module.train(generator is not None)
        own = {key: value[0] for key, value in parameters.items()}
        fed = self.fed(x, place, generator, **around)
        return torch.func.functional_call(self.module, own, fed)[None]


class HisToGene(Module):
    """A transformer over the spots of a slide, after HisToGene (Pang et al. 2021).

    Positions are sines and cosines of the place, of wavelengths from 200 µm to 20 mm, where
    HisToGene learns a vector for each row and column of an array. Patches go in pixel by pixel.
    """

    sees, slides, whole = "either", True, True
    training = MappingProxyType({"learning_rate": 5e-5})

    def __init__(self, dimension, n_genes, width=1024, layers=4, heads=16, dropout=0.1):
        super().__init__(dimension, n_genes)
        self.width = at_least(1, width, "histogene", "width")
        self.layers = at_least(1, layers, "histogene", "layers")
        self.heads = at_least(1, heads, "histogene", "heads")
        self.dropout = share(dropout, "histogene", "dropout")
        if width % heads:
            raise InputError(
                f"config: heads: the width {width} of 'histogene' is no multiple of its {heads} "
                "heads; change one."
            )

    def build(self):
        import torch
        from torch import nn

        torch.backends.mha.set_fastpath_enabled(False)  # it rounds otherwise than training does
        layer = nn.TransformerEncoderLayer(
            self.width, self.heads, 2 * self.width, self.dropout, "gelu",
            batch_first=True, norm_first=True,
        )  # fmt: skip
        return nn.Sequential(
            nn.Linear(self.dimension + 4 * WAVES, self.width),
            nn.TransformerEncoder(layer, self.layers, enable_nested_tensor=False),
            nn.LayerNorm(self.width),
            nn.Linear(self.width, self.n_genes),
        )

    def fed(self, x, place, generator):
        import torch

        if x.dtype == torch.uint8:
            x = x / 127.5 - 1
        return torch.cat((x.flatten(1), waves(place)), 1)


def waves(place):
    """Sines and cosines of places `(n, 2)` from their mean, `(n, 4 WAVES)`."""
    import torch

    lengths = torch.logspace(math.log10(200), math.log10(20_000), WAVES, device=place.device)
    angle = 2 * math.pi * (place - place.mean(0))[:, :, None] / lengths
    return torch.cat((angle.sin().flatten(1), angle.cos().flatten(1)), 1)


class FineTune(Module):
    """A timm network trained end to end on patches, with a linear layer on top (AGL).

    In training each patch is turned and mirrored at random, one of the eight ways of a square.
    network: function that gives the network and its data config, see `loading.network`.
    """

    sees = "patches"
    training = MappingProxyType(
        {"learning_rate": 3e-5, "weight_decay": 0.0, "batch_size": 128, "patience": 20}
    )

    def __init__(self, dimension, n_genes, network=None):
        super().__init__(dimension, n_genes)
        self.network = network

    def build(self):
        import torch
        from torch import nn

        network, self.config = self.network()
        with torch.no_grad():
            dimension = network(torch.zeros(1, *self.config["input_size"])).shape[1]
        return nn.Sequential(network, nn.Linear(dimension, self.n_genes))

    def fed(self, x, place, generator):
        import torch

        if generator is not None:
            way = torch.randint(8, (len(x),), generator=generator, device=x.device)
            turned = torch.empty_like(x)
            for number in range(8):
                patches = torch.rot90(x[way == number], number % 4, (1, 2))
                turned[way == number] = patches.flip(1) if number >= 4 else patches
            x = turned
        mean, std = (x.new_tensor(self.config[key], dtype=torch.float32) for key in ("mean", "std"))
        return ((x / 255 - mean) / std).permute(0, 3, 1, 2)
