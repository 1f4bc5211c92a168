"""Fit a head on frozen embeddings: all losses and seeds of a fold in one batched training."""

import logging
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from spotrank import expression, metrics
from spotrank.heads import HEADS
from spotrank.losses import LOSSES, Batch
from spotrank.split import outer_share
from spotrank.store import InputError

CLIP = 10  # standard deviations


@dataclass
class Spots:
    """Spots of some samples: embeddings `x (n, d)`, raw `counts (n, g)` of the panel, `library`,
    the counts over all genes `(n,)`, number of the `tissue`, `place` in µm `(n, 2)`, and ids."""

    x: np.ndarray
    counts: np.ndarray
    library: np.ndarray
    tissue: np.ndarray
    place: np.ndarray
    sample: np.ndarray
    barcode: np.ndarray

    def __getitem__(self, chosen):
        return Spots(*(value[chosen] for value in vars(self).values()))


def assemble(samples, spots, embeddings, genes):
    """Join counts and embeddings by barcode; spots without an embedding are left out.

    samples: ids; spots: their AnnData of `pair`; embeddings: their `(barcodes, vectors)`;
    genes: the panel. Raises `InputError` where nothing is in common, a gene is missing, or the
    dimensions of the embeddings differ.
    """
    parts = []
    for tissue, (sample, adata, (barcodes, vectors)) in enumerate(
        zip(samples, spots, embeddings, strict=True)
    ):
        row = {barcode: i for i, barcode in enumerate(barcodes)}
        found = np.array([barcode in row for barcode in adata.obs_names])
        if not found.any():
            raise InputError(
                f"the embeddings of '{sample}' have no barcode in common with its spots; "
                "they are of different samples."
            )
        if not found.all():
            logging.info("%s: %d spots have no embedding and are left out", sample, (~found).sum())
        if missing := set(genes) - set(adata.var_names):
            raise InputError(
                f"the sample '{sample}' lacks the panel's gene '{min(missing)}'; "
                "choose genes that every sample has."
            )
        adata = adata[found]
        parts.append(
            Spots(
                x=vectors[[row[barcode] for barcode in adata.obs_names]],
                counts=adata[:, list(genes)].X.toarray().astype(np.float32),
                library=adata.obs["library"].to_numpy(np.float32),
                tissue=np.full(adata.n_obs, tissue),
                place=adata.obsm["spatial"] * adata.uns["pixel_size_um"],
                sample=np.full(adata.n_obs, sample, object),
                barcode=adata.obs_names.to_numpy(object),
            )
        )
    dimensions = {sample: part.x.shape[1] for sample, part in zip(samples, parts, strict=True)}
    if len(set(dimensions.values())) > 1:
        raise InputError(f"the embeddings of a cohort differ in dimension: {dimensions}.")
    return Spots(
        *(np.concatenate(values) for values in zip(*(vars(p).values() for p in parts), strict=True))
    )


def parts_of(fold, spots, gap_um):
    """The training, validation and test spots of a fold (see `split`)."""
    train, validation, test = (
        np.isin(spots.sample, fold[part]) for part in ("train", "validation", "test")
    )
    if fold["within"]:
        inside = np.flatnonzero(train)
        inner, outer = outer_share(spots.place[inside], fold["within"], gap_um)
        train, validation = np.zeros((2, len(train)), bool)
        train[inside[inner]] = validation[inside[outer]] = True
    for part, chosen in (("train", train), ("validation", validation), ("test", test)):
        if chosen.sum() < 2:
            raise InputError(f"a fold has {chosen.sum()} spots to {part} with; add samples.")
    return spots[train], spots[validation], spots[test]


class Side:
    """Training or validation spots as tensors on the device."""

    def __init__(self, spots, x, scaling, share, device):
        target = expression.target(spots.counts, spots.library, scaling)
        size = expression.size(spots.counts, spots.library, scaling, share)
        tissue = np.unique(spots.tissue, return_inverse=True)[1]
        self.x, self.counts, self.target, self.size = (
            torch.as_tensor(np.float32(array), device=device)
            for array in (x, spots.counts, target, size)
        )
        self.tissue = torch.as_tensor(tissue, device=device)
        self.n_tissues = int(tissue.max()) + 1

    def __len__(self):
        return len(self.x)

    def batch(self, spots, log_theta, noise):
        """The `losses.Batch` of runs; spots: indices `(runs, n)`; noise: a generator a run."""

        def uniform(k):
            drawn = [torch.rand(k, spots.shape[1], generator=generator) for generator in noise]
            return torch.stack(drawn).to(self.x.device)

        tensors = (x[spots] for x in (self.counts, self.target, self.size, self.tissue))
        return Batch(*tensors, self.n_tissues, log_theta, uniform)


class Grid:
    """The runs (a loss, a seed) that still train, with one batched tensor for each parameter."""

    def __init__(self, losses, seeds, head, dimension, n_genes, training, device):
        self.losses, self.seeds, self.head = losses, seeds, HEADS[head]
        self.runs = [(label, seed) for label in losses for seed in seeds]
        self.active = np.arange(len(self.runs))
        self.order = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.noise = [torch.Generator().manual_seed(seed) for _, seed in self.runs]
        starts = [self.head.start(dimension, n_genes, generator) for generator in self.order]
        starts = [start | {"log_theta": torch.zeros(n_genes)} for start in starts]
        self.parameters = {
            key: torch.stack([start[key] for start in starts])
            .repeat(len(losses), *[1] * starts[0][key].ndim)
            .to(device)
            .requires_grad_()
            for key in starts[0]
        }
        self.optimiser = torch.optim.AdamW(
            self.parameters.values(),
            lr=training["learning_rate"],
            weight_decay=training["weight_decay"],
            fused=True,
        )
        self.batch_size = training["batch_size"]

    def values(self, side, spots, noise):
        """Loss `(runs,)` and scores of the active runs; spots: indices `(seeds, n)` of `side`."""
        seed = self.active % len(self.seeds)
        score = self.head.score(self.parameters, side.x[spots][seed])
        losses = []
        for number, (name, options) in enumerate(self.losses.values()):
            rows = np.flatnonzero(self.active // len(self.seeds) == number)
            if len(rows):
                rows = slice(rows[0], rows[-1] + 1)
                log_theta = self.parameters["log_theta"][rows]
                batch = side.batch(spots[seed[rows]], log_theta, noise[rows])
                losses.append(LOSSES[name](score[rows], batch, **options))
        return torch.cat(losses), score

    def epoch(self, side):
        """Train on every spot of `side` once; the mean loss of each active run."""
        n = len(side)
        order = torch.stack([torch.randperm(n, generator=generator) for generator in self.order])
        noise = [self.noise[run] for run in self.active]
        total = 0
        for spots in order.split(self.batch_size, dim=1):
            loss, _ = self.values(side, spots, noise)
            self.optimiser.zero_grad()
            loss.sum().backward()
            self.optimiser.step()
            total = total + loss.detach() * (spots.shape[1] / n)
        return total

    @torch.no_grad()
    def validate(self, side):
        """Loss and scores on all spots of `side`, with the same random pairs every time."""
        spots = torch.arange(len(side)).expand(len(self.seeds), -1)
        noise = [torch.Generator().manual_seed(self.runs[run][1]) for run in self.active]
        return self.values(side, spots, noise)

    def keep(self, rows):
        """Go on with these rows of the active runs."""
        self.active = self.active[rows]
        group = self.optimiser.param_groups[0]
        for i, (key, old) in enumerate(self.parameters.items()):
            new = old.detach()[rows].requires_grad_()
            state = self.optimiser.state.pop(old, {})  # nothing yet for what no loss uses
            self.optimiser.state[new] = {
                name: value[rows] if value.shape == old.shape else value
                for name, value in state.items()
            }
            self.parameters[key] = group["params"][i] = new


def fit(train, validation, losses, seeds, head, training, scaling):
    """Train every loss with every seed, all runs at once, each until it stops by itself.

    train, validation: `Spots`; losses: `{label: (name, options)}`; seeds: ints; head: a row of
    `HEADS`; training, scaling: the config's parts. The order of the spots and the first weights
    depend on the seed alone. A run stops after `patience` epochs without a better validation loss
    (or Spearman, within tissues, mean over genes), and keeps the weights of its best epoch.

    Returns `(runs, parameters, history)`: DataFrame `loss, seed, epochs, best_epoch`; the best
    parameters with a leading axis of runs (and `centre`, `spread` of the embeddings); DataFrame
    `loss, seed, epoch, train_loss, validation_loss, monitored`.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dimension = train.x.shape[1]
    scaler = scale_of(train.x) if training["standardise"] else {}
    share = train.counts.sum() / train.library.sum()
    train, validation = (
        Side(spots, standardised(spots.x, **scaler), scaling, share, device)
        for spots in (train, validation)
    )
    grid = Grid(losses, seeds, head, dimension, train.counts.shape[1], training, device)
    best = {key: value.detach().clone() for key, value in grid.parameters.items()}
    best_value = np.full(len(grid.runs), np.inf)
    best_epoch, epochs = np.zeros((2, len(grid.runs)), int)
    history, began = [], time.monotonic()
    for epoch in range(1, training["max_epochs"] + 1):
        train_loss = grid.epoch(train)
        validation_loss, score = grid.validate(validation)
        monitored = validation_loss
        if training["monitor"] == "spearman":
            monitored = -within_spearman(score, validation)
        values = torch.stack((train_loss, validation_loss, monitored)).double().cpu().numpy()
        history.append((grid.active, np.full(len(grid.active), epoch), *values))
        better = values[2] < best_value[grid.active]
        improved = grid.active[better]
        best_value[improved], best_epoch[improved] = values[2][better], epoch
        epochs[grid.active] = epoch
        for key, value in grid.parameters.items():
            best[key][improved] = value.detach()[better]
        going = (epoch - best_epoch[grid.active] < training["patience"]) & np.isfinite(values[0])
        if not going.all():
            grid.keep(going)
        if epoch % 50 == 0 or not going.any():
            spent = time.monotonic() - began
            logging.info(
                "epoch %d: %d of %d runs go on, %.0f spots/s, %.0f s left at most",
                epoch,
                going.sum(),
                len(grid.runs),
                len(train) * epoch / spent,
                spent / epoch * (training["max_epochs"] - epoch) * going.any(),
            )
        if not going.any():
            break
    for run in np.flatnonzero(best_epoch == 0):
        logging.warning(
            "%s, seed %d: no finite validation loss; its scores are undefined", *grid.runs[run]
        )
        for value in best.values():
            value[run] = torch.nan
    history = pd.DataFrame(
        dict(
            zip(
                ("run", "epoch", "train_loss", "validation_loss", "monitored"),
                map(np.concatenate, zip(*history, strict=True)),
                strict=True,
            )
        )
    )
    runs = pd.DataFrame(grid.runs, columns=["loss", "seed"])
    history = runs.join(history.set_index("run")).reset_index(drop=True)
    best = {key: value.cpu() for key, value in best.items()}
    best |= {key: torch.as_tensor(value) for key, value in scaler.items()}
    return runs.assign(epochs=epochs, best_epoch=best_epoch), best, history


def scale_of(x):
    """Mean and standard deviation of embeddings `(n_spots, d)`, as arguments of `standardised`."""
    centre, spread = x.mean(0), x.std(0)
    spread[spread <= 1e-6 * np.abs(centre)] = 1  # a constant
    return {"centre": centre, "spread": spread}


def standardised(x, centre=None, spread=None):
    """Embeddings in standard deviations of the training spots `(n_spots, d)`, or as they are.

    Cut at ±CLIP: what hardly varies in training may lie anywhere in another slide.
    """
    return x if centre is None else np.clip((x - centre) / spread, -CLIP, CLIP)


def within_spearman(score, side):
    """Spearman within each tissue, mean over tissues by spots and over genes `(runs,)`.

    Of the scores `(runs, n_spots, n_genes)` with the target; what is undefined counts as 0.
    """
    total = 0
    for tissue in range(side.n_tissues):
        spots = side.tissue == tissue
        rho = metrics.spearman(score[:, spots].cpu(), side.target[spots].cpu()[None])
        total = total + np.nan_to_num(rho).mean(-1) * int(spots.sum())
    return torch.as_tensor(total / len(side), device=score.device)


def predict(parameters, head, x):
    """Scores of every run for embeddings `x (n_spots, d)`: float32 `(runs, n_spots, n_genes)`."""
    scaler = {key: parameters[key].numpy() for key in ("centre", "spread") if key in parameters}
    x = torch.as_tensor(standardised(x, **scaler))
    n_runs = len(parameters["log_theta"])
    return HEADS[head].score(parameters, x.expand(n_runs, -1, -1)).numpy()


def calibrate(score, target):
    """Least-squares line from scores to target, for each run and gene.

    score: `(runs, n_spots, n_genes)`; target: `(n_spots, n_genes)`, both of training spots.
    Returns `slope, intercept`, each `(runs, n_genes)`; a constant score has slope 0. It gives the
    scores of any loss, whose scale is free, the units of the target.
    """
    score, target = score.astype(float), target.astype(float)
    centred = score - score.mean(1, keepdims=True)
    variance = (centred**2).mean(1)
    covariance = (centred * (target - target.mean(0))).mean(1)
    slope = np.divide(covariance, variance, out=np.zeros_like(variance), where=variance > 1e-12)
    return slope, target.mean(0) - slope * score.mean(1)
