"""Fit a head to the spots of a fold: all losses and seeds in one batched training."""

import logging
import time

import numpy as np
import pandas as pd
import psutil
import torch

from spotrank import metrics
from spotrank.auxiliary import LOWEST, STRATEGIES
from spotrank.batches import BATCHES, Side, blocks, slide_batches
from spotrank.heads import HEADS
from spotrank.losses import LOSSES, Batch

CLIP = 10  # standard deviations
HISTORY = [
    "loss", "seed", "epoch", "train_loss", "validation_loss", "monitored", "n_auxiliary",
]  # fmt: skip


class Grid:
    """The runs (a loss, a seed) that still train, with one batched tensor for each parameter.

    Runs of a seed stand together: they see the same spots.
    """

    def __init__(self, runs, losses, head, auxiliary, training, device):
        self.runs, self.losses, self.head, self.auxiliary = runs, losses, head, auxiliary
        self.order = {seed: torch.Generator(device).manual_seed(seed) for _, seed in runs}
        self.noise = [torch.Generator(device).manual_seed(seed) for _, seed in runs]
        self.of_tissues = torch.Generator(device).manual_seed(0)
        starts = {seed: head.start(generator) for seed, generator in self.order.items()}
        besides = {"log_theta": torch.zeros(head.n_genes, device=device)} | auxiliary.start(device)
        starts = [starts[seed] | besides for _, seed in runs]
        self.parameters = {key: torch.stack([start[key] for start in starts]) for key in starts[0]}
        self.besides = list(besides)
        untrained = {*besides} - {"log_theta", *auxiliary.trained}
        self.trained = [
            key for key in starts[0]
            if not (key in untrained or "running_" in key or "tracked" in key)
        ]  # fmt: skip
        self.rate = training["learning_rate"]
        self.optimiser = torch.optim.AdamW(
            [self.parameters[key].requires_grad_() for key in self.trained],
            lr=self.rate,
            weight_decay=training["weight_decay"],
            fused=True,
        )
        self.batch_size = training["batch_size"]
        self.batches = slide_batches if head.slides else BATCHES[training["batches"]]
        self._go_on(np.arange(len(runs)))

    def _go_on(self, active):
        """Lay out the runs `active`: their seeds, and the rows of each loss."""
        self.active = active
        labels, seeds = zip(*(self.runs[run] for run in active), strict=True)
        self.seeds = list(dict.fromkeys(seeds))
        self.runs_of_seed = [seeds.count(seed) for seed in self.seeds]
        self.rows = {label: [i for i, own in enumerate(labels) if own == label] for label in labels}
        self.seed_of_row = [self.seeds.index(seed) for seed in seeds]

    def scores(self, parameters, side, spots, training):
        """Scores of the active runs; spots: indices `(seeds, n)`, or a slice for all."""
        parts = {key: value.split(self.runs_of_seed) for key, value in parameters.items()}
        scores = []
        for i, seed in enumerate(self.seeds):
            own = spots if isinstance(spots, slice) else spots[i]
            of_seed = {key: part[i] for key, part in parts.items()}
            order = self.order[seed] if training else None
            scores.append(self.head.score(of_seed, side.x[own], side.place[own], order))
        return torch.cat(scores)

    def losses_of(self, of_rows, parameters, side, spots):
        """Yield `(label, rows, scores, loss (rows, n_genes))` of each loss.

        of_rows: gives the scores of `rows`.
        """
        batch = side.of(spots, len(self.seeds))
        for label, rows in self.rows.items():
            seeds = [self.seed_of_row[row] for row in rows]
            own = batch
            if seeds != list(range(len(self.seeds))):
                own = {key: x[seeds] for key, x in batch.items()}

            def uniform(k, rows=rows):
                generators = [self.noise[self.active[row]] for row in rows]
                shape = k, batch["tissue"].shape[1]
                return torch.stack(
                    [torch.rand(shape, generator=own, device=own.device) for own in generators]
                )

            name, options = self.losses[label]
            scores, log_theta = of_rows(rows), parameters["log_theta"][rows]
            own = Batch(**own, n_tissues=len(side.slides), log_theta=log_theta, uniform=uniform)
            yield label, rows, scores, LOSSES[name](scores, own, **options)

    def loss_of(self, parameters, side, spots):
        """Loss of each active run and gene, to be differentiated by `parameters`."""
        score = self.scores(parameters, side, spots, training=True)
        parts = [
            (rows, loss)
            for _, rows, _, loss in self.losses_of(
                lambda rows: score[rows], parameters, side, spots
            )
        ]
        order = [row for rows, _ in parts for row in rows]
        return torch.cat([loss for _, loss in parts])[np.argsort(order)]

    def epoch(self, side):
        """Train on `side` once; the mean loss of each active run."""
        total = seen = 0
        orders = [self.order[seed] for seed in self.seeds]
        for spots in self.batches(side, self.batch_size, orders, self.of_tissues):
            score = self.scores(self.parameters, side, spots, training=True)
            self.optimiser.zero_grad()
            gradient, mean = torch.empty_like(score), score.new_empty(len(score))
            # a loss at a time, apart from the head: its graph is gone before the next one's is made
            for label, rows, own, loss in self.losses_of(
                lambda rows, score=score: score.detach()[rows].requires_grad_(),
                self.parameters, side, spots,
            ):  # fmt: skip
                of_rows = {key: self.parameters[key][rows] for key in self.besides}
                value = self.auxiliary.combine(loss, of_rows, LOWEST.get(self.losses[label][0], 0))
                value.sum().backward()
                gradient[rows], mean[rows] = own.grad, value.detach()
            score.backward(gradient)
            self.optimiser.step()
            total, seen = total + mean * spots.shape[1], seen + spots.shape[1]
        return total / seen

    @torch.no_grad()
    def validate(self, side):
        """Loss and scores of the panel on all spots of `side`."""
        score = torch.cat(
            [
                self.scores(self.parameters, side, block, training=False)
                for block in blocks(self.head, side.tissue.cpu().numpy())
            ],
            1,
        )
        losses, n_panel = score.new_empty(len(score)), self.auxiliary.n_panel
        for _, rows, _, loss in self.losses_of(
            lambda rows: score[rows], self.parameters, side, slice(None)
        ):
            losses[rows] = loss[:, :n_panel].mean(1)
        return losses, score[..., :n_panel]

    def keep(self, rows):
        """Go on with these rows of the active runs."""
        for key, old in self.parameters.items():
            self.parameters[key] = new = old.detach()[rows]
            if key in self.trained:
                state = self.optimiser.state.pop(old, {})  # nothing yet for what no loss uses
                self.optimiser.state[new.requires_grad_()] = {
                    name: value[rows] if value.shape == old.shape else value
                    for name, value in state.items()
                }
        self.optimiser.param_groups[0]["params"] = [self.parameters[key] for key in self.trained]
        if rows.any():
            self._go_on(self.active[rows])


def fit(
    train, validation, losses, seeds, head, training, scaling, auxiliary=("none", {}), n_panel=None,
    budget=None,
):  # fmt: skip
    """Train every loss with every seed, all runs at once, each until it stops by itself.

    train, validation: `Spots`; losses: `{label: (name, options)}`; seeds: ints; head, auxiliary:
    `(name, options)`; training, scaling: the config's parts; n_panel: how many of the spots' genes,
    the first, are the panel, all by default; the others are auxiliary, the most promising first;
    budget: bytes that the training may take, all that is free by default. What needs more is
    trained in chunks of runs. The order of the spots, the first weights and all chance depend on
    the seed alone, so a run is the same in any company. A run stops after `patience` epochs without
    a better validation loss (or Spearman, within tissues, mean over genes), and keeps the weights
    of its best epoch. A head that is solved in closed form is one run, of loss `mse` and the first
    seed.

    Returns `(runs, parameters, history)`: DataFrame `loss, seed, epochs, best_epoch, n_auxiliary`;
    the best parameters with a leading axis of runs (and `centre`, `spread` of the embeddings);
    DataFrame `loss, seed, epoch, train_loss, validation_loss, monitored, n_auxiliary`. The last is
    the number of auxiliary genes in use.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    head = head_for(head, train)
    n_panel = n_panel or head.n_genes
    name, options = auxiliary
    auxiliary = STRATEGIES[name](n_panel, head.n_genes - n_panel, **options)
    scaler = {}
    if training["standardise"] and not hasattr(head, "solve") and train.x.ndim == 2:
        scaler = scale_of(train.x)
    share = train.counts[:, :n_panel].sum() / train.library.sum()
    train, validation = (
        Side(spots, standardised(spots.x, **scaler), n_panel, scaling, share, device)
        for spots in (train, validation)
    )
    if hasattr(head, "solve"):
        monitor = within_spearman_loss if training["monitor"] == "spearman" else squared_error
        best = head.solve(train, validation, monitor)
        runs = pd.DataFrame({"loss": ["mse"], "seed": seeds[0], "epochs": 0, "best_epoch": 0})
        runs["n_auxiliary"] = 0
        history = pd.DataFrame(columns=HISTORY).astype({"loss": str, "seed": int, "epoch": int})
    else:
        runs = [(label, seed) for seed in seeds for label in losses]
        chunks = chunks_of(runs, head, auxiliary, train, validation, training, budget)
        done = [
            _train(Grid(chunk, losses, head, auxiliary, training, device),
                   train, validation, training)
            for chunk in chunks
        ]  # fmt: skip
        runs, bests, histories = zip(*done, strict=True)
        runs, history = (pd.concat(frames, ignore_index=True) for frames in (runs, histories))
        best = {key: torch.cat([own[key] for own in bests]) for key in bests[0]}
    best = {key: value.cpu() for key, value in best.items()}
    return runs, best | {key: torch.as_tensor(value) for key, value in scaler.items()}, history


def chunks_of(runs, head, auxiliary, train, validation, training, budget=None):
    """Cut `runs` in chunks of equal size that train within `budget` bytes, one run at least.

    A run takes its weights six times (gradient, two moments of Adam, the best, two copies when runs
    stop), and for each spot of a batch or of the validation what its loss and its head hold.
    """
    if head.alone:
        return [[run] for run in runs]
    batch = min(training["batch_size"], len(train))
    n_spots = max(len(validation), auxiliary.passes * batch)
    weights = sum(x.numel() for x in head.start(torch.Generator(train.x.device)).values())
    weights *= 5 + auxiliary.passes
    per_run = 4 * (weights + n_spots * (12 * head.n_genes + 3 * head.hidden()))
    if budget is None:
        budget = free_bytes(train.x.device)
    n_chunks = -(-len(runs) // max(1, int(budget / per_run)))
    logging.info(
        "%d runs of %.0f MB each, %.0f MB free: %d at a time",
        len(runs), per_run / 1e6, budget / 1e6, -(-len(runs) // n_chunks),
    )  # fmt: skip
    return [runs[part[0] : part[-1] + 1] for part in np.array_split(np.arange(len(runs)), n_chunks)]


def free_bytes(device):
    """Memory that is free on the device, less a tenth."""
    free = psutil.virtual_memory().available
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
    return 0.9 * free


def _train(grid, train, validation, training):
    best = {key: value.detach().clone() for key, value in grid.parameters.items()}
    best_value = np.full(len(grid.runs), np.inf)
    best_epoch, epochs = np.zeros((2, len(grid.runs)), int)
    history, began = [], time.monotonic()
    said = began
    for epoch in range(1, training["max_epochs"] + 1):
        if epoch > 1:
            grid.auxiliary.step(grid, train, validation)
        train_loss = grid.epoch(train)
        validation_loss, score = grid.validate(validation)
        monitored = validation_loss
        if training["monitor"] == "spearman":
            monitored = within_spearman_loss(score, validation)
        retained = grid.auxiliary.retained(grid.parameters)
        values = torch.stack((train_loss, validation_loss, monitored, retained))
        values = values.detach().double().cpu().numpy()
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
        done = epoch == training["max_epochs"] or not going.any()
        if done or time.monotonic() > said + 20:
            said = time.monotonic()
            spent = said - began
            logging.info(
                "epoch %d: %d of %d runs go on, %.0f spots/s, %.0f s left at most",
                epoch,
                going.sum(),
                len(grid.runs),
                len(train) * epoch / spent,
                spent / epoch * (training["max_epochs"] - epoch) * (not done),
            )
        if done:
            break
    for run in np.flatnonzero(best_epoch == 0):
        logging.warning(
            "%s, seed %d: no finite validation loss; its scores are undefined", *grid.runs[run]
        )
        for key in grid.trained:
            best[key][run] = torch.nan
    columns = ("run", "epoch", *HISTORY[3:])
    history = pd.DataFrame(
        dict(zip(columns, map(np.concatenate, zip(*history, strict=True)), strict=True))
    )
    runs = pd.DataFrame(grid.runs, columns=["loss", "seed"])
    history = runs.join(history.set_index("run")).reset_index(drop=True)
    best = {key: value.cpu() for key, value in best.items()}
    retained = grid.auxiliary.retained(best).long().numpy()
    return runs.assign(epochs=epochs, best_epoch=best_epoch, n_auxiliary=retained), best, history


def head_for(head, spots):
    """The head `(name, options)` for what `spots` hold."""
    name, options = head
    return HEADS[name](int(np.prod(spots.x.shape[1:])), spots.counts.shape[1], **options)


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


def within_spearman_loss(score, side):
    """Minus Spearman within each tissue, mean over tissues by spots and over genes `(runs,)`.

    Of the scores `(runs, n_spots, n_genes)` with the target; what is undefined counts as 0.
    """
    total = score.new_zeros(len(score), dtype=torch.float64)
    for slide in side.slides:
        for run, own in enumerate(score):  # one at a time: ranks take much memory
            rho = metrics.pearson(metrics.ranks(own[slide]), side.rank[slide, : own.shape[1]])
            total[run] -= rho.nan_to_num().mean() * len(slide)
    return total / len(side)


def squared_error(score, side):
    """Mean squared error `(runs,)`."""
    return (score - side.target).square().mean((1, 2))


@torch.no_grad()
def predict(parameters, head, spots, n_panel=None):
    """Yield `(run, slice of spots, scores)`, scores float32 `(n_spots of the slice, n_panel)`."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    head = head_for(head, spots)
    scaler = {key: parameters[key].numpy() for key in ("centre", "spread") if key in parameters}
    weights = {key: value for key, value in parameters.items() if key not in scaler}
    for run in range(len(next(iter(weights.values())))):
        own = {key: value[run : run + 1].to(device) for key, value in weights.items()}
        for block in blocks(head, spots.tissue):
            x = torch.as_tensor(standardised(spots.x[block], **scaler), device=device)
            place = torch.as_tensor(np.float32(spots.place[block]), device=device)
            yield run, block, head.score(own, x, place)[0, :, :n_panel].float().cpu().numpy()


def calibrate(predicted, target, n_runs):
    """Least-squares line from scores to target, for each run and gene.

    predicted: of training spots, as `predict` yields; target: theirs `(n_spots, n_genes)`.
    Returns `slope, intercept`, each `(n_runs, n_genes)`; a constant score has slope 0. It gives the
    scores of any loss, whose scale is free, the units of the target.
    """
    centred = target - target.mean(0, dtype=float)
    moments = np.zeros((n_runs, 3, target.shape[1]))
    for run, block, score in predicted:
        score = score.astype(float)
        moments[run] += score.sum(0), (score**2).sum(0), (score * centred[block]).sum(0)
    mean, square, covariance = moments.swapaxes(0, 1) / len(target)
    variance = square - mean**2
    slope = np.divide(covariance, variance, out=np.zeros_like(variance), where=variance > 1e-12)
    return slope, target.mean(0, dtype=float) - slope * mean
