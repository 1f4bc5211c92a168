"""Validation over epochs, as the page draws it."""

import numpy as np
import pandas as pd

from spotrank.base.store import read_parquet

POINTS = 40  # of a curve
RUNS = 12  # of a loss, spread over all


def curves(paths):
    """`{loss: [{epochs, values, best}]}`: some runs' validation, 1 at the first epoch and 0 at the
    best, as in the figure; and the number of all runs. Epochs that diverged are left out.

    paths: of the fits' histories, of which a few are read to the end: memory is that of one.
    """
    found, n = {}, {}
    for path in paths:
        history = read_parquet(path).to_pandas()[["loss", "seed", "epoch", "monitored"]]
        history = history[np.isfinite(history["monitored"].astype(float))]
        for (loss, _), run in history.groupby(["loss", "seed"], sort=False):
            n[loss] = n.get(loss, 0) + 1
            found.setdefault(loss, []).append(_curve(run))
    return {
        loss: {"runs": n[loss], "curves": own[:: -(-len(own) // RUNS)]}
        for loss, own in found.items()
    }


def _curve(run):
    monitored = pd.to_numeric(run["monitored"]).to_numpy()
    fall = monitored[0] - monitored.min()
    values = (monitored - monitored.min()) / (fall or 1)
    best = int(values.argmin())
    kept = np.unique([*np.linspace(0, len(run) - 1, POINTS).round().astype(int), best])
    return {
        "epochs": run["epoch"].to_numpy()[kept].tolist(),
        "values": values[kept].round(3).tolist(),
        "best": int(run["epoch"].to_numpy()[best]),
    }
