"""Spot, surroundings and slide fused."""

from types import MappingProxyType

from spotrank.base.store import InputError
from spotrank.fitting.heads.context import relative
from spotrank.fitting.heads.head import at_least, share
from spotrank.fitting.heads.modules import WAVES, Module, waves


class Triplex(Module):
    """A spot, its neighbours and its slide fused by attention, after TRIPLEX (Chung et al. 2024).

    The spot, its neighbours (a transformer over them with their relative places) and all spots of
    the slide that a batch holds (another, with waves of their places) each have an output of their
    own beside the fused one. In training each of these takes `1 − distillation` of the loss, and
    `distillation` of its squared distance from the fused scores. TRIPLEX encodes patches of the
    spot by a network that trains as well, and knows places by a grid.
    """

    slides, training = True, MappingProxyType({"learning_rate": 1e-4})
    RINGS = 4

    def __init__(
        self, dimension, n_genes, width=256, layers=1, heads=8, neighbours=24, radius_um=400.0,
        dropout=0.1, distillation=0.3,
    ):  # fmt: skip
        super().__init__(dimension, n_genes)
        self.width = at_least(1, width, "triplex", "width")
        self.layers = at_least(1, layers, "triplex", "layers")
        self.heads = at_least(1, heads, "triplex", "heads")
        self.neighbours = at_least(1, neighbours, "triplex", "neighbours")
        self.radius_um = at_least(1, radius_um, "triplex", "radius_um")
        self.dropout = share(dropout, "triplex", "dropout")
        self.distillation = share(distillation, "triplex", "distillation")
        if width % heads:
            raise InputError(
                f"config: heads: the width {width} of 'triplex' is no multiple of its {heads} "
                "heads; change one."
            )

    def build(self):
        import torch
        from torch import nn

        torch.backends.mha.set_fastpath_enabled(False)  # it rounds otherwise than training does
        d, width = self.dimension, self.width

        def transformer():
            layer = nn.TransformerEncoderLayer(
                width, self.heads, 2 * width, self.dropout, "gelu", batch_first=True,
                norm_first=True,
            )  # fmt: skip
            return nn.TransformerEncoder(layer, self.layers, enable_nested_tensor=False)

        class Network(nn.Module):
            def __init__(self, n_genes, heads, of_place, of_slide, dropout):
                super().__init__()
                self.of_spot = nn.Linear(d, width)
                self.of_near = nn.Linear(d + of_place, width)
                self.of_slide = nn.Linear(d + of_slide, width)
                self.near, self.slide = transformer(), transformer()
                self.fuse = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
                self.norm = nn.LayerNorm(width)
                self.out = nn.ModuleList(nn.Linear(width, n_genes) for _ in range(4))

            def forward(self, x, near, away, x_and_place):
                spot = self.of_spot(x)
                near = self.near(self.of_near(near), src_key_padding_mask=away)
                slide = self.slide(self.of_slide(x_and_place)[None])[0]
                tokens = torch.cat((spot[:, None], near), 1)
                away = torch.cat((away[:, :1] & False, away), 1)
                fused = self.fuse(slide[:, None], tokens, tokens, away, need_weights=False)[0]
                fused = self.norm(spot + slide + fused[:, 0])
                there = ~away[:, 1:, None]
                near = (near * there).sum(1) / there.sum(1)
                features = fused, spot, near, slide
                return torch.stack([out(own) for out, own in zip(self.out, features, strict=True)])

        of_place = 3 + self.RINGS
        return Network(self.n_genes, self.heads, of_place, 4 * WAVES, self.dropout)

    def fed(self, x, place, generator, around):
        import torch

        near = torch.cat((around.x, relative(around.place, self.radius_um, self.RINGS)), -1)
        # the spot itself is among them, so that none is without
        centre = relative(place.new_zeros(len(x), 1, 2), self.radius_um, self.RINGS)
        near = torch.cat((torch.cat((x[:, None], centre), -1), near), 1)
        away = torch.cat((around.there[:, :1] & False, ~around.there), 1)
        return x, near, away, torch.cat((x, waves(place)), 1)

    def score(self, parameters, x, place, generator=None, around=None):
        scores = super().score(parameters, x, place, generator, around=around)[0]
        self.branches = scores[1:, None] if generator is not None else ()
        return scores[:1]

    def asides(self):
        return [(own, 1 - self.distillation, self.distillation) for own in self.branches]
