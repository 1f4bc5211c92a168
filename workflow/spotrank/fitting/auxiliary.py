"""Auxiliary genes: genes outside the panel that a head learns to predict beside it.

A strategy is a class and a row of `STRATEGIES`, made by `STRATEGIES[name](n_panel, n_auxiliary,
**options)`. Genes are ordered: the panel first, then auxiliary genes by a prior, the most promising
first. It has

- `start(device)`: parameters of one run besides the head's, a dict of tensors; those of
  `trained` learn with the head's;
- `combine(loss, parameters)`: what a run minimises, `(runs,)`, from the loss of each gene
  `(runs, n_genes)` and the parameters with a leading axis of runs;
- `step(grid, train, validation)`: called before each epoch but the first;
- `retained(parameters)`: number of auxiliary genes in use `(runs,)`.
"""

from spotrank.base.store import InputError

# the lowest value of a loss, for what needs positive ones; Poisson's and NB's depend on the
# counts, and that of one's own is not known
LOWEST = {"pearson": -1, "pearson_within": -1, "spearman_within": -1}
UNBOUNDED = ("poisson", "negative_binomial", "own")


class Equal:
    """The mean over all genes: AGL where there are auxiliary genes, PGL where there are none."""

    trained = ()
    passes = 1  # passes through the head whose memory is held at a time

    def __init__(self, n_panel, n_auxiliary):
        self.n_panel, self.n_auxiliary = n_panel, n_auxiliary

    def start(self, device):
        return {}

    def combine(self, loss, parameters, lowest=0):
        return loss.mean(1)

    def step(self, grid, train, validation):
        pass

    def retained(self, parameters):
        return parameters["log_theta"].new_full((len(parameters["log_theta"]),), self.n_auxiliary)


class Uncertainty(Equal):
    """Homoscedastic uncertainty: e^−s L + s, a learnt s for each gene (Kendall et al. 2018, eq. 7).

    L is the loss above its lowest value.
    """

    trained = ("log_variance",)

    def start(self, device):
        import torch

        return {"log_variance": torch.zeros(self.n_panel + self.n_auxiliary, device=device)}

    def combine(self, loss, parameters, lowest=0):
        s = parameters["log_variance"]
        return ((-s).exp() * (loss - lowest) + s).mean(1)


class DkGSB(Equal):
    """Differentiable top-k gene selection by bi-level optimisation (AGL, arXiv 2511.18336).

    An auxiliary gene weighs softmax([t, r] / τ)₁, r its rank by the prior, scaled to 0 … 1; a panel
    gene weighs 1. Before each epoch but the first, t takes one step of Adam on the validation loss
    of the panel after `inner_steps` steps of Adam of a copy of the head, with the gradient through
    them.

    inner_steps: H, 2 in the paper, 12 in its code; temperature: τ; threshold_rate: learning rate
    of t. t starts at the mean rank and stays in 0 … 1.
    """

    def __init__(self, n_panel, n_auxiliary, inner_steps=2, temperature=0.01, threshold_rate=3e-3):
        super().__init__(n_panel, n_auxiliary)
        for key, value in (
            ("inner_steps", inner_steps),
            ("temperature", temperature),
            ("threshold_rate", threshold_rate),
        ):
            if value <= 0:
                raise InputError(
                    f"config: auxiliary: the option '{key}' of 'dkgsb' is {value}; "
                    "give a positive number."
                )
        self.inner_steps, self.temperature = inner_steps, temperature
        self.threshold_rate = threshold_rate
        self.passes = 2 * (inner_steps + 1)  # a graph of a gradient is about twice its pass

    def start(self, device):
        import torch

        zero = torch.zeros((), device=device)
        return {"threshold": zero + 0.5, "threshold_moments": torch.zeros(3, device=device)}

    def weights(self, threshold):
        """Weight of each gene `(runs, n_genes)`, from thresholds `(runs,)`."""
        import torch

        rank = torch.linspace(0, 1, self.n_auxiliary, device=threshold.device)
        pair = torch.broadcast_tensors(threshold[:, None], rank)
        mask = (torch.stack(pair, -1) / self.temperature).softmax(-1)[..., 0]
        return torch.cat((mask.new_ones(len(mask), self.n_panel), mask), 1)

    def weighted(self, loss, weights):
        return (loss * weights).sum(1) / weights.detach().sum(1)

    def combine(self, loss, parameters, lowest=0):
        return self.weighted(loss, self.weights(parameters["threshold"].detach()))

    def hypergradient(self, threshold, parameters, rate, inner, outer):
        """Derivative of the validation loss of the panel by each run's threshold `(runs,)`.

        parameters: `{name: (runs, …)}`, what the inner steps train; rate: of the inner Adam;
        inner: functions of parameters that give the training loss of each gene, `(runs, n_genes)`,
        one a step; outer: the same of the validation loss, `(runs, n_panel)`.
        """
        import torch

        threshold = threshold.detach().requires_grad_()
        weights = self.weights(threshold)
        theta = {key: value.detach().requires_grad_() for key, value in parameters.items()}
        first = second = dict.fromkeys(theta, 0)
        for step, loss in enumerate(inner, start=1):
            total = self.weighted(loss(theta), weights).sum()
            gradients = torch.autograd.grad(
                total, theta.values(), create_graph=True, materialize_grads=True
            )
            theta, first, second = adam(
                theta, dict(zip(theta, gradients, strict=True)), first, second, step, rate
            )
        return torch.autograd.grad(outer(theta).mean(1).sum(), threshold)[0]

    def step(self, grid, train, validation):
        import torch

        def loss(side):
            spots = grid.draw(side)[0]
            return lambda theta: grid.loss_of(kept | theta, side, spots)

        # running means of a copy are not the head's
        kept = {
            key: value.detach().clone()
            for key, value in grid.parameters.items()
            if key not in grid.trained
        }

        inner = [loss(train) for _ in range(self.inner_steps)]
        held_out = loss(validation)
        gradient = self.hypergradient(
            grid.parameters["threshold"],
            {key: grid.parameters[key] for key in grid.trained},
            grid.rate,
            inner,
            lambda theta: held_out(theta)[:, : self.n_panel],
        )
        threshold, moments = (grid.parameters[key] for key in ("threshold", "threshold_moments"))
        step = moments[:, 2] + 1
        moved, first, second = adam(
            {"": threshold}, {"": gradient}, {"": moments[:, 0]}, {"": moments[:, 1]}, step,
            self.threshold_rate,
        )  # fmt: skip
        threshold.copy_(moved[""].clamp(0, 1))
        moments.copy_(torch.stack((first[""], second[""], step), 1))

    def retained(self, parameters):
        return (parameters["threshold"] * self.n_auxiliary).floor()


STRATEGIES = {"none": Equal, "all": Equal, "uncertainty": Uncertainty, "dkgsb": DkGSB}


def adam(theta, gradients, first, second, step, rate, betas=(0.9, 0.999), tiny=1e-8):
    """One step of Adam that can be differentiated (Kingma & Ba 2015, the form at the end of §2).

    Dicts of tensors; step: from 1. Returns the new `theta, first, second`. `tiny` is added before
    the bias is corrected, as in the code of AGL: hypergradients of faint genes depend on it.
    """
    a, b = betas
    first = {key: a * first[key] + (1 - a) * g for key, g in gradients.items()}
    second = {key: b * second[key] + (1 - b) * g.square() for key, g in gradients.items()}
    rate = rate * (1 - b**step) ** 0.5 / (1 - a**step)
    theta = {
        # the root of 0 has no derivative
        key: value - rate * (first[key] / (second[key].clamp(min=1e-38).sqrt() + tiny))
        for key, value in theta.items()
    }
    return theta, first, second
