"""Ratios taken in one run: a grid of fits against its runs one by one, streaming against computing.

Run by `make bench`; on a simulated slide and simulated counts, so that it needs nothing.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

from spotrank import embed, encoders, fit, simulate
from spotrank.losses import LOSSES

PATCHES = {"size": 224, "um_per_px": 0.5, "source": "wsis"}
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


def bench_embed():
    """Streaming from a slide against the encoder on patches in memory, two threads."""
    torch.set_num_threads(2)
    print("embed: patches/s streamed from a slide, in memory, and the ratio")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        st, wsi, metadata = folder / "x.h5ad", folder / "x.tif", folder / "x.json"
        simulate.write_sample(st, wsi, metadata, "SIM1")
        for spec in ("stain_statistics", {"model": "resnet18", "weights": "random"}):
            encoder = encoders.load(spec, 224)
            patches, barcodes, coords = embed.patches_of(encoder.size, PATCHES, st, metadata, wsi)
            batch = np.stack([patches[i] for i in range(32)])
            encoder.embed(batch)
            bare = 5 * 32 / timed(lambda e=encoder, b=batch: [e.embed(b) for _ in range(5)])
            path = folder / "x.h5"
            streamed = len(patches) / timed(
                embed.embed, encoder, patches, barcodes, coords, path, {}, 32, 2
            )
            name = spec if isinstance(spec, str) else spec["model"]
            print(f"  {name:18} {streamed:7.0f} {bare:7.0f} {streamed / bare:5.2f}")


if __name__ == "__main__":
    bench_fit()
    bench_embed()
