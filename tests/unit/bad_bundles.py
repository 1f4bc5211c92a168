"""Bundles spoilt in one way each, and the sentence that it must give."""

import json

import numpy as np
import pandas as pd
import torch

from spotrank.bundles import bundle


def write(folder, parameters=None, seeds=2, n_genes=3, dimension=4, sees="embeddings"):
    """A bundle of a linear head of random weights."""
    rng = np.random.default_rng(0)

    def drawn(*shape):
        return torch.as_tensor(rng.normal(size=shape).astype("f4"))

    genes = [f"G{i}" for i in range(n_genes)]
    table = {"id": "", "spearman": 0.5, "predictable": "yes"}
    about = {
        "encoder": {"name": "e", "spec": "stain_statistics", "home": "stain_statistics"},
        "patches": {"size": 224, "um_per_px": 0.5},
        "row": {"loss": "mse"},
        "scaling": "library",
        "dimension": dimension,
        "head": {"head": "linear", "options": {}, "sees": sees, "n_genes": n_genes},
        "genes": genes,
    }
    return bundle.write(
        folder,
        about,
        parameters
        or {"weight": drawn(seeds, dimension, n_genes), "bias": drawn(seeds, 1, n_genes)},
        (drawn(seeds, n_genes), drawn(seeds, n_genes)),
        {
            "mean": np.zeros(dimension, "f4"),
            "whiten": np.eye(dimension, dtype="f4"),
            "threshold": np.float32(2),
        },
        pd.DataFrame(table, index=pd.Index(genes, name="gene")),
    )


def changed(**keys):
    def edit(folder):
        path = folder / "bundle.json"
        about = json.loads(path.read_text()) | keys
        path.write_text(json.dumps({key: own for key, own in about.items() if own is not None}))

    return edit


def flipped(name):
    """One byte of a file is another."""

    def edit(folder):
        content = bytearray((folder / name).read_bytes())
        content[-1] ^= 1
        (folder / name).write_bytes(content)

    return edit


BUNDLES = {
    "missing": (lambda folder: (folder / "bundle.json").unlink(), "is no bundle"),
    "no JSON": (lambda folder: (folder / "bundle.json").write_text("{"), "is not readable"),
    "another format": (changed(format=2), "is of format 2, but this version"),
    "other units": (changed(units="counts"), "predicts in units of 'counts'"),
    "without genes": (changed(genes=None), "lacks 'genes'"),
    "damaged weights": (flipped("weights.safetensors"), "by its hash"),
    "another table": (lambda folder: (folder / "genes.tsv").write_text("gene\n"), "by its hash"),
    "without weights": (
        lambda folder: (folder / "weights.safetensors").unlink(),
        "No such file or directory; get the bundle again",
    ),
}


def check_bundle(edit, folder, study):
    write(folder / "bundle")
    edit(folder / "bundle")
    bundle.read(folder / "bundle")
