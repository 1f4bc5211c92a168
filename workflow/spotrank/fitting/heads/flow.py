"""From noise to the expression of a slide."""

from types import MappingProxyType

from spotrank.base.store import InputError
from spotrank.fitting.heads.head import at_least, share
from spotrank.fitting.heads.modules import Module
from spotrank.fitting.heads.places import around


class Flow(Module):
    """Flow matching over a slide's expression, after STFlow (Huang et al. 2025).

    A network tells the expression of all spots of a slide, in standard deviations, from their
    embeddings and a mixture of it and noise; trained by squared error at random shares of both, it
    leads from noise to expression in `steps` steps. The score is the mean of `draws`, whose noise
    is the same each time, and half of it the other half's negative: what is odd in it leaves the
    mean. Layers of attention between a spot and its neighbours know of places the distances only,
    and so a slide may be shifted, turned or mirrored. STFlow averages over frames instead, begins
    with zero-inflated counts in place of Gaussian noise, and draws once. It has an objective of its
    own, so it is a run of loss 'mse' and no other.
    """

    slides, trunk, labels = True, False, ("mse",)
    training = MappingProxyType({"learning_rate": 1e-3})

    def __init__(
        self, dimension, n_genes, width=128, layers=2, heads=4, neighbours=36, dropout=0.2,
        steps=4, draws=4,
    ):  # fmt: skip
        super().__init__(dimension, n_genes)
        for option, value in (
            ("width", width), ("layers", layers), ("heads", heads), ("neighbours", neighbours),
            ("steps", steps), ("draws", draws),
        ):  # fmt: skip
            at_least(1, value, "flow", option)
        self.width, self.layers, self.heads, self.k = width, layers, heads, neighbours
        self.steps, self.draws = steps, draws
        self.dropout = share(dropout, "flow", "dropout")
        if width % heads:
            raise InputError(
                f"config: heads: the width {width} of 'flow' is no multiple of its {heads} heads; "
                "change one."
            )

    def build(self):
        from spotrank.fitting.heads.flow_network import Network

        return Network(
            self.dimension, self.n_genes, self.width, self.layers, self.heads, self.dropout
        )

    def objective(self, parameters, side, spots, generator):
        """Mean squared error at `spots` of what is told of the slide's expression from a mixture of
        it with noise `(1,)`."""
        import torch

        centre, spread = (own[0] for own in self.known(parameters, side).values())
        seen, rows = side.slide_of(spots)
        target = (side.target[seen] - centre) / spread
        noise = torch.empty_like(target).normal_(generator=generator)
        share = torch.rand((), generator=generator, device=target.device)
        tell = self._network(parameters, side.x[seen], side.place[seen], training=True)
        error = tell(torch.lerp(noise, target, share), share) - target
        return error[rows].square().mean()[None]

    def known(self, parameters, train):
        """Mean and standard deviation of the targets, each `(runs, 1, n_genes)`."""
        n_runs = len(next(iter(parameters.values())))
        spread = train.target.std(0, correction=0)
        found = {
            "target_mean": train.target.mean(0),
            "target_deviation": spread.masked_fill(spread < 1e-6, 1),
        }
        return {key: own.expand(n_runs, 1, -1) for key, own in found.items()}

    def score(self, parameters, x, place, generator=None):
        import torch

        tell = self._network(parameters, x, place, training=False)
        half, chance = -(-self.draws // 2), torch.Generator().manual_seed(0)
        noise = torch.empty(half, len(x), self.n_genes).normal_(generator=chance).to(x.device)
        mixed = torch.cat((noise, -noise))[: self.draws]
        for step in range(self.steps):
            told = tell(mixed, mixed.new_tensor(step / self.steps))
            mixed = mixed + (told - mixed) / (self.steps - step)
        return mixed.mean(0) * parameters["target_deviation"][0] + parameters["target_mean"]

    def _network(self, parameters, x, place, training):
        """`tell(mixed (…, n, n_genes), share of expression in it)`."""
        from torch.func import functional_call

        if not hasattr(self, "module"):
            self.module = self.build().to(x.device)
        self.module.train(training)
        own = {key: parameters[key][0] for key in self.module.state_dict()}
        where = around(place, self.k)
        return lambda mixed, share: functional_call(self.module, own, (x, mixed, share, where))
