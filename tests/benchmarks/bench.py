"""Ratios taken in one run: a grid of fits against its runs one by one.

Run by `make bench`; on simulated counts, so that it needs nothing.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

from spotrank import fit
from spotrank.losses import LOSSES

TRAINING = {
    "learning_rate": 5e-5,
    "weight_decay": 0.01,
    "batch_size": 256,
    "max_epochs": 40,
    "patience": 40,
    "monitor": "loss",
    "standardise": True,
}


def timed(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def bench_fit(n=500, d=536, genes=50):
    """All losses × 3 seeds together and one by one, 40 epochs each, one thread."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)

    def spots():
        counts = rng.poisson(3, (n, genes)).astype("f4")
        return fit.Spots(
            rng.normal(size=(n, d)).astype("f4"),
            counts,
            counts.sum(1) + 100,
            rng.integers(2, size=n),
            *[np.zeros((n, 2))] * 3,
        )

    train, validation = spots(), spots()

    def run(names, seeds):
        losses = {name: (name, {}) for name in names}
        fit.fit(train, validation, losses, seeds, "linear", TRAINING, "library")

    run(["mse"], [0])
    print(f"fit: {n} spots, {d} features, {genes} genes, {TRAINING['max_epochs']} epochs")
    together, alone = timed(run, LOSSES, [0, 1, 2]), 0
    for name in LOSSES:
        seconds = timed(run, [name], [0])
        alone += 3 * seconds
        print(f"  {name:18} alone {seconds:6.2f} s")
    print(f"  all {len(LOSSES)} × 3 seeds together {together:.2f} s, one by one {alone:.2f} s: "
          f"{alone / together:.2f} times cheaper")  # fmt: skip


if __name__ == "__main__":
    bench_fit()
