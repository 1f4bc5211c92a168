"""What each head costs: CPU seconds and peak memory of a fit, a process a head, one thread.

Run by `make bench`. Heads are those of `config/examples/heads.yaml` that take embeddings, with
three losses where they train by one; spots, embeddings and counts are made up, in the shape of the
sections there. Heads that train do so for EPOCHS; memory is what the fit adds to torch and data.
"""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

from spotrank.fitting import fit
from spotrank.fitting.batches import Spots
from spotrank.study import grids

ROOT = Path(__file__).resolve().parents[2]
SIDE, SLIDES, PITCH_UM, DIMENSION, GENES, EPOCHS = 20, 3, 200, 536, 50, 5
TRAINING = {
    "learning_rate": 5e-4, "weight_decay": 0.01, "batch_size": 256, "max_epochs": EPOCHS,
    "patience": EPOCHS, "monitor": "loss", "standardise": True, "batches": "random",
}  # fmt: skip
LOSSES = {name: (name, {}) for name in ("mse", "pearson_within", "strank_list")}


def spots(n_slides, seed):
    """Slides of a square lattice, each a patient's; a gene depends on the embedding's first
    numbers."""
    rng, n = np.random.default_rng(seed), n_slides * SIDE**2
    lattice = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), -1).reshape(-1, 2)
    x, tissue = rng.normal(size=(n, DIMENSION)).astype("f4"), np.repeat(range(n_slides), SIDE**2)
    counts = rng.poisson(np.exp(1 + 0.3 * x[:, :GENES])).astype("f4")
    return Spots(
        x=x,
        counts=counts,
        library=4 * counts.sum(1),
        tissue=tissue,
        place=np.tile(lattice, (n_slides, 1)) * float(PITCH_UM),
        part=np.full(n, "train"),
        sample=tissue.astype(str).astype(object),
        barcode=np.arange(n).astype(str).astype(object),
    )


def entries():
    """`{name: head}` of the example, those that take embeddings."""
    config = yaml.safe_load((ROOT / "config/examples/heads.yaml").read_text())
    found = grids.heads(config | {"training": TRAINING}, {})
    return {name: own for name, own in found.items() if grids.built(own).sees != "patches"}


def used():
    """CPU seconds and MiB at most, of this process."""
    now = resource.getrusage(resource.RUSAGE_SELF)
    return np.array([now.ru_utime + now.ru_stime, now.ru_maxrss / 1024])


def measure(name):
    torch.set_num_threads(1)
    train, validation = spots(SLIDES - 1, 0), spots(1, 1)
    before = used()
    head = entries()[name]
    options = head["options"]
    if grids.built(head).by_patient:
        options = options | {"patients": {slide: slide for slide in map(str, range(SLIDES))}}
    head = head["head"], options
    fit.fit(train, validation, LOSSES, [0], head, TRAINING, "library")
    print(*(used() - before))


def main():
    n = SLIDES * SIDE**2
    print(
        f"{n} spots, {DIMENSION} numbers each, {GENES} genes, {EPOCHS} epochs, {len(LOSSES)} losses"
    )
    print(f"  {'head':14} CPU seconds  MiB")
    for name in entries():
        found = subprocess.run(
            [sys.executable, __file__, name], check=True, capture_output=True, text=True
        )
        seconds, mib = map(float, found.stdout.split())
        print(f"  {name:14} {seconds:11.1f} {mib:4.0f}", flush=True)


if __name__ == "__main__":
    measure(sys.argv[1]) if len(sys.argv) > 1 else main()
