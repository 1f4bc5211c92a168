"""Fit a head to the spots of a fold: all losses and seeds in one batched training."""

import logging
import time
from functools import partial

import numpy as np
import pandas as pd
import psutil
import torch

from spotrank.fitting import surroundings
from spotrank.fitting.auxiliary import STRATEGIES
from spotrank.fitting.batches import Side
from spotrank.fitting.grid import Grid
from spotrank.fitting.monitors import MONITORS, within_spearman_loss
from spotrank.fitting.predict import head_for, scale_of, standardised

HISTORY = [
    "loss", "seed", "epoch", "train_loss", "validation_loss", "monitored", "n_auxiliary",
]  # fmt: skip


def fit(
    train, validation, losses, seeds, head, training, scaling, auxiliary=("none", {}), n_panel=None,
    budget=None, lengths=None, sums=None,
):  # fmt: skip
    """Train every loss with every seed, all runs at once, each until it stops by itself.

    train, validation: `Spots`; losses: `{label: (name, options)}`; seeds: ints; head, auxiliary:
    `(name, options)`; training, scaling: the config's parts; n_panel: how many of the spots' genes,
    the first, are the panel, all by default; the others are auxiliary, the most promising first;
    budget: bytes that the training may take, all that is free by default. What needs more is
    trained in chunks of runs; lengths: where `validation` is None, as nothing is held out, of
    `final.lengths`; sums: `sums.Sums` that fits of the same pieces share. The order of the spots,
    the first weights and all chance depend on the seed alone, so a run is the same in any company.
    A run stops after `patience` epochs without a better validation loss (or Spearman, within
    tissues, mean over genes), and keeps the weights of its best epoch. A head that is solved at
    once is a run for each of its labels, of the first seed.

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
    if training["standardise"] and not head.scales and train.x.ndim == 2:
        scaler = scale_of(train.x)
    share = train.counts[:, :n_panel].sum() / train.library.sum()
    scaled = partial(standardised, **scaler)
    train, validation = (
        spots and Side(spots, scaled(spots.x), n_panel, scaling, share, device,
                       surroundings.around(head, spots, scaled, device), sums)
        for spots in (train, validation)
    )  # fmt: skip
    losses = dict.fromkeys(head.labels) or losses
    epochs, penalty = lengths or (None, None)
    if hasattr(head, "solve"):
        best = head.solve(train, validation, MONITORS[training["monitor"]], penalty)
        labels = list(head.labels)
        runs = pd.DataFrame({"loss": labels, "seed": seeds[0], "epochs": 0, "best_epoch": 0})
        runs["n_auxiliary"] = 0
        history = pd.DataFrame(columns=HISTORY).astype({"loss": str, "seed": int, "epoch": int})
    else:
        runs = [(label, seed) for seed in seeds for label in losses]
        held_out = validation or train
        chunks = chunks_of(runs, head, auxiliary, train, held_out, training, budget)
        done = [
            _train(Grid(chunk, losses, head, auxiliary, training, device),
                   train, held_out, training, epochs)
            for chunk in chunks
        ]  # fmt: skip
        runs, bests, histories = zip(*done, strict=True)
        runs, history = (pd.concat(frames, ignore_index=True) for frames in (runs, histories))
        best = {key: torch.cat([own[key] for own in bests]).to(device) for key in bests[0]}
        best |= head.known(best, train)
    best = {key: value.cpu().contiguous() for key, value in best.items()}
    return runs, best | {key: torch.as_tensor(value) for key, value in scaler.items()}, history


def chunks_of(runs, head, auxiliary, train, validation, training, budget=None):
    """Cut `runs` in chunks of equal size that train within `budget` bytes, one run at least.

    A run takes its weights six times (gradient, two moments of Adam, the best, two copies when runs
    stop), and for each spot of a batch or of the validation what its loss and its head hold.
    """
    if head.alone:
        return [[run] for run in runs]
    batch = max(map(len, train.slides)) if head.slides else min(training["batch_size"], len(train))
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


def budget(mem_mb):
    """Bytes that training may take of a job's memory; None on a GPU, where its own counts."""
    if torch.cuda.is_available():
        return None
    return mem_mb * 1e6 - psutil.Process().memory_info().rss


def free_bytes(device):
    """Memory that is free on the device, less a tenth."""
    free = psutil.virtual_memory().available
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
    return 0.9 * free


def _train(grid, train, validation, training, lengths=None):
    """Train the runs of a grid: until validation gets no better, or for the epochs `lengths`
    (`{loss: epochs}`), when `validation` is what bi-level strategies step on."""
    last = np.full(len(grid.runs), training["max_epochs"])
    if lengths is not None:
        last[:] = [lengths[loss] for loss, _ in grid.runs]
    best = {key: value.detach().clone() for key, value in grid.parameters.items()}
    best_value = np.full(len(grid.runs), np.inf)
    best_epoch, epochs = np.zeros((2, len(grid.runs)), int)
    history, began = [], time.monotonic()
    said = began
    for epoch in range(1, last.max() + 1):
        if epoch > 1:
            grid.auxiliary.step(grid, train, validation)
        train_loss = grid.epoch(train)
        if lengths is not None:
            validation_loss = monitored = 0 * train_loss - epoch  # the last that is finite is kept
        else:
            validation_loss, score = grid.validate(validation, train)
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
        rows, mine = (torch.as_tensor(own, device=train.x.device)
                      for own in (improved, np.flatnonzero(better)))  # fmt: skip
        for key, value in grid.parameters.items():
            best[key].index_copy_(0, rows, value.detach().index_select(0, mine))
        going = (epoch - best_epoch[grid.active] < training["patience"]) & np.isfinite(values[0])
        going &= epoch < last[grid.active]
        if not going.all():
            grid.keep(going)
        done = not going.any()
        if done or time.monotonic() > said + 20:
            said = time.monotonic()
            spent = said - began
            logging.info(
                "epoch %d: %d of %d runs go on, %.0f spots/s, %.0f s left at most",
                epoch,
                going.sum(),
                len(grid.runs),
                len(train) * epoch / spent,
                spent / epoch * (last.max() - epoch) * (not done),
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
