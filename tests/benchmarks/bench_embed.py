"""Streaming patches from a slide against computing on them; run by `make bench`."""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

from spotrank import embed, encoders, simulate

PATCHES = {"size": 224, "um_per_px": 0.5, "source": "wsis"}


def timed(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


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
    bench_embed()
