"""The file of predictions that a fold's scores are made of."""

import json

import h5py
import numpy as np

from spotrank.base.store import damaged, fixed_text, reading, whole
from spotrank.fitting.batches import SPOTS_AT_A_TIME


def write(path, predicted, runs, spots, genes, calibration, record):
    """Write the predictions of a fold's test spots.

    predicted: yields `(run, slice of spots, scores (n_spots, n_genes))`; runs: DataFrame `loss,
    seed, best_epoch, n_auxiliary`; spots: `Spots`, or whatever has their `sample` and `barcode`;
    genes: names; calibration: `slope, intercept, train_pearson`, each `(runs, n_genes)`, see
    `predict.calibrate`; record: gives that of their provenance, called at the end.
    """
    with whole(path) as temporary, h5py.File(temporary, "w") as file:
        shape = len(runs), len(spots.barcode), len(genes)
        chunks = tuple(np.minimum(shape, (1, SPOTS_AT_A_TIME, 64)))
        scores = file.create_dataset("predictions", shape, "f4", chunks=chunks, fletcher32=True)
        for run, block, score in predicted:
            scores[run, block] = score
        slope, intercept, train_pearson = calibration
        columns = {
            "slope": slope,
            "intercept": intercept,
            "train_pearson": train_pearson,
            "gene": fixed_text(genes),
            "sample": fixed_text(spots.sample),
            "barcode": fixed_text(spots.barcode),
            "loss": fixed_text(runs["loss"]),
            **{name: runs[name].to_numpy() for name in ("seed", "best_epoch", "n_auxiliary")},
        }
        for name, values in columns.items():
            file.create_dataset(name, data=values, fletcher32=True)
        file["record"] = json.dumps(record())


def verify(path):
    """Read all of a file of predictions, of which each part has a checksum; `InputError` if it is
    damaged."""
    with reading(path), h5py.File(path) as file:
        for part in file.values():
            for _ in part if part.ndim else [part[()]]:  # a run at a time
                pass


def verify_weights(path):
    """`InputError` if a fit's weights are cut short."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np"):
            pass
    except (SafetensorError, OSError) as error:
        raise damaged(path, error) from None
