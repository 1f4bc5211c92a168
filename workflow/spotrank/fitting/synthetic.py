"""The synthetic study of STRank: which loss finds the mean behind counts of two patients?

Counts are drawn along x in [0, 1] from a known mean, once for a shallow patient and once for a deep
one, who may be seen in a window of x only. A small network from x to a score is trained with each
loss; its score's Spearman correlation with the mean tells what the loss has found. Functions,
patients and settings are those of arXiv 2512.06612 and of its released code.
"""

import logging
import math
import time
from itertools import pairwise

import numpy as np
import pandas as pd
import torch

from spotrank.fitting.losses import ALL, Batch
from spotrank.scoring import metrics

# A, B, C, D of the mean A sin(Cx) + B sin(Dx) − min, a row a function
FUNCTIONS = np.array(
    [(0.2, 0.3, 25, 7), (0.25, 0.25, 3, 50), (0.25, 0.25, 15, 32), (0.25, 0.25, 20, 23)]
)
PATIENTS = np.array([(1, 0), (10, 10)])  # α, β of the mean αμ + β of a patient's counts
DISPERSION = 100  # r: the variance of a count of mean m is m + m²/r
WINDOW = 0.2  # width, where sampling is imbalanced
TESTED = 10_000  # points
DRAWN = np.linspace(0, 1, 501)  # where curves are kept
BATCH, RATE, LOWEST_RATE = 256, 1e-3, 1e-4
TRAIN, VALIDATION, TEST, PLACE = range(1, 5)  # streams of random numbers of a seed
THIN, POINTS = 3, 4  # and within the parts, beside the patients


def mean(x):
    """μ of each function at `x` `(...)`: `(n_functions, ...)`, its lowest value in [0, 1] is 0."""

    def raw(x):
        a, b, c, d = FUNCTIONS.T.reshape(4, -1, *[1] * np.ndim(x))
        return a * np.sin(c * x) + b * np.sin(d * x)

    lowest = raw(np.linspace(0, 1, 100_001)).min(1)
    return (raw(x) - lowest.reshape(-1, *[1] * np.ndim(x))).clip(0)


def generator(seed, *stream):
    """A stream of random numbers of its own (all numbers of `stream` from 1)."""
    return np.random.default_rng([seed, *stream])


def draw(seed, part, spots, sampling="uniform", window="drawn", thinning=1):
    """Counts of two patients, `spots` each: `x (n,)`, `counts (n_functions, n)`, `patient (n,)`.

    sampling: 'uniform' over [0, 1], or 'imbalanced': the second patient from a window only;
    window: where it begins, or 'drawn', once a seed; thinning: chance of a count to be kept.
    A seed's points are the same whatever the thinning, and the first patient's are so besides
    whatever the sampling.
    """
    windows = [(0, 1), (0, 1)]
    if sampling == "imbalanced":
        start = generator(seed, PLACE).uniform(0, 1 - WINDOW) if window == "drawn" else window
        windows[1] = start, WINDOW
    x, counts = [], []
    for stream, ((low, width), (a, b)) in enumerate(zip(windows, PATIENTS, strict=True), 1):
        rng = generator(seed, part, stream)
        x.append(low + width * rng.random(spots))
        expected = a * mean(x[-1]) + b
        counts.append(rng.negative_binomial(DISPERSION, DISPERSION / (DISPERSION + expected)))
    thin = generator(seed, part, THIN)
    counts = thin.binomial(np.concatenate(counts, 1), thinning)
    return np.concatenate(x), counts, np.repeat([0, 1], spots)


class Side:
    """Training or validation points of all functions and seeds, as tensors on the device.

    x, tissue: `(seeds, n)`; per_spot: what a `losses.Batch` holds, each `(functions, seeds, n)`.
    """

    def __init__(self, draws, device):
        x, counts, patient = map(np.stack, zip(*draws, strict=True))
        self.x = torch.tensor(x, dtype=torch.float32, device=device)
        self.tissue = torch.tensor(patient, device=device)
        counts = torch.tensor(counts.swapaxes(0, 1), dtype=torch.float32)
        rank = torch.empty_like(counts)
        for own in range(len(PATIENTS)):
            mine = torch.tensor(patient[0] == own)
            within = metrics.ranks(counts[..., mine, None])[..., 0]
            rank[..., mine] = (within - 0.5) / mine.sum()
        self.per_spot = {
            key: value.to(device)
            for key, value in (("counts", counts), ("target", counts.log1p()), ("rank", rank))
        }

    def batches(self, size, order):
        """`(x (seeds, n), Batch)` of each `size` points in `order` `(seeds, n)`.

        The batch's runs are functions × seeds.
        """
        n_functions = len(FUNCTIONS)
        parts = {
            key: value.gather(2, order.expand(n_functions, *order.shape)).split(size, 2)
            for key, value in self.per_spot.items()
        }
        x, tissue = (value.gather(1, order).split(size, 1) for value in (self.x, self.tissue))
        for i, own in enumerate(tissue):
            tissues = own.repeat(n_functions, 1)
            yield (
                x[i],
                Batch(
                    **{key: value[i].flatten(0, 1)[:, :, None] for key, value in parts.items()},
                    size=x[i].new_ones(()).expand(tissues.shape),
                    tissue=tissues,
                    n_tissues=len(PATIENTS),
                ),
            )


def start(seed, width, layers, device):
    """First weights of a network 1 → `layers` times `width` → 1, as PyTorch's `Linear` draws."""
    weights = torch.Generator().manual_seed(seed)
    sizes = [1, *[width] * layers, 1]
    shapes = [shape for a, b in pairwise(sizes) for shape in ((a, b), (1, b))]
    return [
        (2 * torch.rand(shape, generator=weights) - 1).to(device) * fan_in**-0.5
        for shape, fan_in in zip(shapes, np.repeat(sizes[:-1], 2).tolist(), strict=True)
    ]


def score(parameters, x):
    """Scores `(runs, n, 1)` of networks, `[weight (runs, a, b), bias (runs, 1, b), …]`, at `x`
    `(runs, n, 1)`."""
    *hidden, weight, bias = parameters
    for inner, inner_bias in zip(hidden[::2], hidden[1::2], strict=True):
        x = torch.baddbmm(inner_bias, x, inner).relu_()
    return torch.baddbmm(bias, x, weight)


class Runs:
    """Networks of all losses × functions × seeds that train as one program.

    parameters: one tensor each, `(losses, functions × seeds, …)`, that the optimiser moves;
    of_loss: views of them for each loss. The networks of one loss at a time fit in the cache.
    """

    def __init__(self, losses, seeds, width, layers, device):
        self.losses, self.seeds = losses, seeds
        n, starts = len(losses), [start(seed, width, layers, device) for seed in seeds]
        self.parameters = [
            torch.stack(own).repeat(n, len(FUNCTIONS), 1, 1) for own in zip(*starts, strict=True)
        ]
        log_theta = torch.zeros(n, len(FUNCTIONS) * len(seeds), 1, device=device)
        trained = [*self.parameters, log_theta]
        for value in trained:
            value.grad = torch.zeros_like(value)
        self.of_loss = [[value[i].requires_grad_() for value in trained] for i in range(n)]
        for i, own in enumerate(self.of_loss):
            for view, value in zip(own, trained, strict=True):
                view.grad = value.grad[i]
        self.order = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self.noise = [[torch.Generator(device) for _ in seeds] for _ in losses]
        self.optimiser = torch.optim.AdamW(trained, lr=RATE, fused=True)

    def reseed(self, epoch):
        """Begin the random numbers of the losses anew: they hang on seed and epoch alone."""
        for own in self.noise:
            for generator, seed in zip(own, self.seeds, strict=True):
                generator.manual_seed(seed * 1_000_003 + epoch)

    def spread(self, x):
        """Points `(seeds, n)` for the runs of one loss `(functions × seeds, n, 1)`."""
        return x.repeat(len(FUNCTIONS), 1)[:, :, None]

    def loss(self, i, x, batch):
        """Loss `i` of each of its runs `(functions × seeds,)`, at `x` as `spread` gives it."""

        def uniform(k):
            own = [
                torch.rand(k, x.shape[1], generator=generator, device=x.device)
                for generator in self.noise[i]
            ]
            return torch.stack(own).repeat(len(FUNCTIONS), 1, 1)

        *parameters, batch.log_theta = self.of_loss[i]
        batch.uniform = uniform
        name, options = self.losses[i]
        return ALL[name](score(parameters, x), batch, **options)[:, 0]

    def epoch(self, side, epoch):
        """Train on `side` once."""
        self.reseed(epoch)
        n = side.x.shape[1]
        order = [torch.randperm(n, generator=own, device=own.device) for own in self.order]
        for x, batch in side.batches(BATCH, torch.stack(order)):
            x = self.spread(x)
            self.optimiser.zero_grad(set_to_none=False)
            for i in range(len(self.losses)):
                self.loss(i, x, batch).sum().backward()
            self.optimiser.step()


@torch.no_grad()
def validation_loss(runs, side):
    """Each run's own loss on `side`, lower is better `(losses, functions × seeds)`."""
    runs.reseed(0)  # the same pairs each time
    order = torch.arange(side.x.shape[1], device=side.x.device).expand(side.x.shape)
    x, batch = next(side.batches(len(order[0]), order))
    x = runs.spread(x)
    return torch.stack([runs.loss(i, x, batch) for i in range(len(runs.losses))])


@torch.no_grad()
def spearman(parameters, x, truth):
    """Spearman of scores and truth `(losses, functions × seeds)`; NaN where a score is constant.

    x: `(functions × seeds, n, 1)`; truth: ranks of the mean there, as `x`.
    """
    rho = [
        metrics.pearson(metrics.ranks(score(own, x)), truth)[:, 0]
        for own in zip(*parameters, strict=True)
    ]
    return torch.stack(rho)


def noise_free(seeds, part, device):
    """New points of [0, 1] and the ranks of the mean there, each `(functions × seeds, n, 1)`."""
    x = np.stack([generator(seed, part, POINTS).random(TESTED) for seed in seeds])
    truth = metrics.ranks(torch.tensor(mean(x)).flatten(0, 1)[:, :, None])
    x = torch.tensor(x, dtype=torch.float32).repeat(len(FUNCTIONS), 1)[:, :, None]
    return x.to(device), truth.to(device)


def rate(epoch, restart):
    """Learning rate of `epoch` (from 1): a cosine from RATE to LOWEST_RATE over `restart` epochs,
    then over twice as many, and so on (Loshchilov & Hutter 2017)."""
    epoch -= 1
    while epoch >= restart:
        epoch, restart = epoch - restart, 2 * restart
    return LOWEST_RATE + (RATE - LOWEST_RATE) * (1 + math.cos(math.pi * epoch / restart)) / 2


def fit(
    losses,
    seeds,
    width,
    layers,
    epochs,
    restart,
    sampling="uniform",
    window="drawn",
    thinning=1,
    select_on="noisy",
    spots=50_000,
):
    """Train all losses × functions × seeds on the counts of one sampling and thinning.

    losses: `[(name, options)]`; width, layers, epochs, restart: as in
    `resources/synthetic.yaml`;
    select_on: keep the epoch of the lowest loss on as many 'noisy' counts as there are test points,
    drawn as the training's, or, 'noise_free', of the best Spearman with the mean itself at points
    of all of [0, 1] (released).
    Returns DataFrames `scores`, with the columns `loss` (its number), `function, seed, spearman,
    epoch`, and `curves`, with `x, score, mean` in place of the last two.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"

    def side(part, spots):
        how = {"sampling": sampling, "window": window, "thinning": thinning}
        return Side([draw(seed, part, spots, **how) for seed in seeds], device)

    train, validation = side(TRAIN, spots), side(VALIDATION, TESTED // len(PATIENTS))
    known = noise_free(seeds, VALIDATION, device)
    runs = Runs(losses, seeds, width, layers, device)
    best = [value.clone() for value in runs.parameters]
    shape = best[0].shape[:2]
    lowest = torch.full(shape, torch.inf, dtype=torch.float64, device=device)
    chosen = torch.zeros(shape, dtype=torch.long, device=device)
    began = said = time.monotonic()
    for epoch in range(1, epochs + 1):
        for group in runs.optimiser.param_groups:
            group["lr"] = rate(epoch, restart)
        runs.epoch(train, epoch)
        if select_on == "noisy":
            value = validation_loss(runs, validation)
        else:
            value = -spearman(runs.parameters, *known)
        better = value < lowest
        lowest[better], chosen[better] = value[better].double(), epoch
        for kept, value in zip(best, runs.parameters, strict=True):
            kept[better] = value[better]
        if time.monotonic() > said + 20 or epoch in (1, epochs):
            said = time.monotonic()
            left = (said - began) / epoch * (epochs - epoch)
            logging.info("epoch %d of %d, %.0f s left", epoch, epochs, left)
    rho = spearman(best, *noise_free(seeds, TEST, device))
    rho[chosen == 0] = torch.nan  # no epoch had a finite loss
    index = pd.MultiIndex.from_product(
        [range(len(losses)), range(len(FUNCTIONS)), seeds], names=["loss", "function", "seed"]
    )
    result = {"spearman": rho, "epoch": chosen}
    result = {key: value.flatten().cpu().numpy() for key, value in result.items()}
    points = torch.tensor(DRAWN, dtype=torch.float32, device=device)
    drawn = score([value.flatten(0, 1) for value in best], points.expand(len(index), -1)[..., None])
    curves = pd.DataFrame(drawn[..., 0].cpu().numpy(), index, pd.Index(DRAWN, name="x"))
    curves = curves.stack().rename("score").reset_index()
    at = curves["x"].map({x: i for i, x in enumerate(DRAWN)})
    curves["mean"] = mean(DRAWN)[curves["function"], at]
    return pd.DataFrame(result, index).reset_index(), curves
