"""Heads: from what is known of a spot to one score a gene, many runs at once.

A head is a class and a row of `HEADS`: `HEADS[name](dimension, n_genes, **options)`. It has

- `start(generator)`: the first parameters of one run, a dict of tensors on the generator's device;
  those whose name says `running_` or `tracked` are kept but not trained;
- `score(parameters, x, place, generator=None)`: parameters with a leading axis of runs, spots
  `x (n_spots, dimension)` and their `place (n_spots, 2)` in µm, to scores
  `(runs, n_spots, n_genes)`; a generator is given in training only;
- or, in place of training, `solve(train, validation, monitor)`: the parameters at once.

`sees` says what `x` is: 'embeddings', 'patches' (uint8 `(n_spots, px, px, 3)`), or 'either';
`slides` that a batch has to be a whole slide; `alone` that it takes one run at a time; `trunk` that
genes share some of its weights; `training` is what it was published with. Options are checked
before torch is imported.
"""

import math
from functools import partial
from types import MappingProxyType

from spotrank.store import InputError


class Head:
    sees, slides, alone, trunk = "embeddings", False, False, True
    training = MappingProxyType({})

    def __init__(self, dimension, n_genes):
        self.dimension, self.n_genes = dimension, n_genes

    def hidden(self):
        """Numbers a spot and run that training keeps besides the scores."""
        return 0


class Linear(Head):
    """A weight a feature and gene."""

    trunk = False

    def start(self, generator):
        return _affine("", self.dimension, self.n_genes, generator)

    def score(self, parameters, x, place, generator=None):
        return _apply(parameters, "", x.expand(len(parameters["weight"]), -1, -1))


class LowRank(Linear):
    """Genes share `rank` linear features of the embedding, and so borrow strength."""

    trunk = True

    def __init__(self, dimension, n_genes, rank=8):
        super().__init__(dimension, n_genes)
        self.rank = _at_least(1, rank, "low_rank", "rank")

    def start(self, generator):
        trunk = _affine("trunk_", self.dimension, self.rank, generator)
        return trunk | _affine("", self.rank, self.n_genes, generator)

    def score(self, parameters, x, place, generator=None):
        x = x.expand(len(parameters["weight"]), -1, -1)
        return _apply(parameters, "", _apply(parameters, "trunk_", x))

    def hidden(self):
        return self.rank


class MLP(Head):
    """Layers of affine map, batch norm, ReLU and dropout, then a linear one (STRank)."""

    def __init__(self, dimension, n_genes, width=256, layers=2, dropout=0.5):
        super().__init__(dimension, n_genes)
        self.width = _at_least(1, width, "mlp", "width")
        self.layers = _at_least(1, layers, "mlp", "layers")
        self.dropout = _share(dropout, "mlp", "dropout")

    def start(self, generator):
        import torch

        start, dimension = {}, self.dimension
        for layer in range(self.layers):
            own = _affine(f"layer{layer}_", dimension, self.width, generator)
            del own[f"layer{layer}_bias"]  # batch norm would take it out again
            ones = torch.ones(1, self.width, device=generator.device)
            start |= own | {
                f"layer{layer}_scale": ones,
                f"layer{layer}_shift": ones * 0,
                f"layer{layer}_running_mean": ones * 0,
                f"layer{layer}_running_variance": ones.clone(),
            }
            dimension = self.width
        return start | _affine("", dimension, self.n_genes, generator)

    def score(self, parameters, x, place, generator=None):
        x = x.expand(len(parameters["weight"]), -1, -1)
        for layer in range(self.layers):
            own = {
                key.removeprefix(f"layer{layer}_"): value
                for key, value in parameters.items()
                if key.startswith(f"layer{layer}_")
            }
            x = _batch_norm(own, x.bmm(own["weight"]), training=generator is not None).relu()
            if generator is not None and self.dropout:
                # the same for all runs of a seed
                uniform = x.new_empty(x.shape[1:]).uniform_(generator=generator)
                x = x * (uniform >= self.dropout) / (1 - self.dropout)
        return _apply(parameters, "", x)

    def hidden(self):
        return 5 * self.layers * self.width


class Ridge(Head):
    """Ridge regression of the target in closed form, every alpha from one decomposition.

    Features are standardised on the spots that it is fitted to, and reduced to `pca` principal
    components if given.

    alpha: penalty, 'validation' to choose it there by the study's `monitor`, or 'hest', 100 /
    (components × genes). A given alpha needs no validation, so validation spots train as well.
    """

    trunk = False
    ALPHAS = tuple(10 ** (step / 4) for step in range(-24, 17))  # × the mean squared singular value

    def __init__(
        self,
        dimension,
        n_genes,
        pca: int | None = None,
        alpha: float | str = "validation",
        intercept=True,
    ):
        super().__init__(dimension, n_genes)
        self.pca = pca if pca is None else _at_least(1, pca, "ridge", "pca")
        if alpha not in ("validation", "hest") and (isinstance(alpha, str) or alpha < 0):
            raise InputError(
                f"config: heads: the option 'alpha' of 'ridge' is {alpha!r}; "
                "give a number from 0 on, 'validation' or 'hest'."
            )
        self.alpha, self.intercept = alpha, intercept

    def solve(self, train, validation, monitor):
        """Parameters `(1, …)` in float64.

        train, validation: with `x` and `target` as tensors; monitor: `monitor(score, validation)`
        gives `(runs,)`, the lower the better.
        """
        import torch

        x, y = train.x.double(), train.target.double()
        if self.alpha != "validation":
            x = torch.cat((x, validation.x.double()))
            y = torch.cat((y, validation.target.double()))
        centre, spread = x.mean(0), x.std(0, correction=0)
        spread[spread <= 1e-12 * centre.abs()] = 1
        offset = y.mean(0) * self.intercept
        left, size, right = torch.linalg.svd((x - centre) / spread, full_matrices=False)
        rank = int((size > size[0] * 1e-12).sum())
        k = min(self.pca or rank, rank)
        left, size, right = left[:, :k], size[:k], right[:k]
        projected = left.mT @ (y - offset)

        def weights(alpha):
            return right.mT @ ((size / (size.square() + alpha))[:, None] * projected)

        if self.alpha == "validation":
            x = (validation.x.double() - centre) / spread
            alphas = [alpha * float(size.square().mean()) for alpha in self.ALPHAS]
            worth = [
                float(monitor((x @ weights(alpha) + offset)[None], validation)) for alpha in alphas
            ]
            alpha = alphas[worth.index(min(worth))]
        else:
            alpha = 100 / (k * self.n_genes) if self.alpha == "hest" else self.alpha
        weight = weights(alpha) / spread[:, None]
        return {"weight": weight[None], "bias": (offset - centre @ weight)[None, None]}

    def score(self, parameters, x, place, generator=None):
        return _apply(parameters, "", x.to(parameters["weight"].dtype)[None])


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

    def score(self, parameters, x, place, generator=None):
        import torch

        if not hasattr(self, "module"):
            self.module = self.build().to(x.device)
        self.module.train(generator is not None)
        own = {key: value[0] for key, value in parameters.items()}
        return torch.func.functional_call(self.module, own, self.fed(x, place, generator))[None]


class HisToGene(Module):
    """A transformer over the spots of a slide, after HisToGene (Pang et al. 2021).

    Positions are sines and cosines of the place, of wavelengths from 200 µm to 20 mm, where
    HisToGene learns a vector for each row and column of an array. Patches go in pixel by pixel.
    """

    sees, slides, training = "either", True, MappingProxyType({"learning_rate": 5e-5})
    WAVES = 16

    def __init__(self, dimension, n_genes, width=1024, layers=4, heads=16, dropout=0.1):
        super().__init__(dimension, n_genes)
        self.width = _at_least(1, width, "histogene", "width")
        self.layers = _at_least(1, layers, "histogene", "layers")
        self.heads = _at_least(1, heads, "histogene", "heads")
        self.dropout = _share(dropout, "histogene", "dropout")
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
            nn.Linear(self.dimension + 4 * self.WAVES, self.width),
            nn.TransformerEncoder(layer, self.layers, enable_nested_tensor=False),
            nn.LayerNorm(self.width),
            nn.Linear(self.width, self.n_genes),
        )

    def fed(self, x, place, generator):
        import torch

        if x.dtype == torch.uint8:
            x = x / 127.5 - 1
        lengths = torch.logspace(math.log10(200), math.log10(20_000), self.WAVES, device=x.device)
        angle = 2 * math.pi * (place - place.mean(0))[:, :, None] / lengths
        return torch.cat((x.flatten(1), angle.sin().flatten(1), angle.cos().flatten(1)), 1)


class FineTune(Module):
    """A timm network trained end to end on patches, with a linear layer on top (AGL).

    In training each patch is turned and mirrored at random, one of the eight ways of a square.
    network: function that gives the network and its data config, see `encoders.network`.
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


HEADS = {
    "linear": Linear,
    "low_rank": LowRank,
    "mlp": MLP,
    "ridge": Ridge,
    "hest_bench": partial(Ridge, pca=256, alpha="hest", intercept=False),
    "histogene": HisToGene,
    "finetune": FineTune,
}


def _affine(prefix, dimension, n_outputs, generator):
    """Uniform in ±1/√dimension, as torch.nn.Linear."""
    import torch

    def draw(*shape):
        start = torch.empty(shape, device=generator.device)
        return start.uniform_(-(dimension**-0.5), dimension**-0.5, generator=generator)

    return {f"{prefix}weight": draw(dimension, n_outputs), f"{prefix}bias": draw(1, n_outputs)}


def _apply(parameters, prefix, x):
    return parameters[f"{prefix}bias"].baddbmm(x, parameters[f"{prefix}weight"])


def _batch_norm(own, x, training, momentum=0.1, tiny=1e-5):
    """As torch.nn.BatchNorm1d, a layer of each run: `x (runs, n_spots, width)`."""
    mean, variance = own["running_mean"], own["running_variance"]
    if training:
        mean_now, variance_now = x.mean(1, keepdim=True), x.var(1, keepdim=True, correction=0)
        unbiased = variance_now.detach() * (x.shape[1] / max(x.shape[1] - 1, 1))
        mean.lerp_(mean_now.detach(), momentum)
        variance.lerp_(unbiased, momentum)
        mean, variance = mean_now, variance_now
    return (x - mean) * (variance + tiny).rsqrt() * own["scale"] + own["shift"]


def _at_least(least, value, head, option):
    if value < least:
        raise InputError(
            f"config: heads: the option '{option}' of '{head}' is {value}; give at least {least}."
        )
    return value


def _share(value, head, option):
    if not 0 <= value < 1:
        raise InputError(
            f"config: heads: the option '{option}' of '{head}' is {value}; give a number from 0 on "
            "and below 1."
        )
    return value
