"""The fit to all samples of a cohort: as long as the folds needed, with nothing held out."""

import io
import json

import numpy as np
import pandas as pd

from spotrank.base.store import InputError, damaged, whole

LINE = ("slope", "intercept", "train_pearson")  # of `predict.calibrate`, among the tensors


def lengths(weights):
    """`({loss: epochs}, penalty (runs,) or None)`: medians over folds and seeds.

    weights: paths of the folds' weights. Runs that never had a finite loss do not count; of a loss
    with none but these `InputError`.
    """
    from safetensors import safe_open

    runs, penalties = [], []
    for path in weights:
        with safe_open(path, "np") as file:
            runs.append(pd.read_json(io.StringIO(file.metadata()["runs"])))
            if "penalty" in file.keys():  # noqa: SIM118 (no dict)
                penalties.append(file.get_tensor("penalty"))
    runs = pd.concat(runs)
    if not runs["epochs"].any():  # solved at once
        # fits of before they were kept are none the less sound
        return {}, np.median(penalties, 0) if len(penalties) == len(weights) else None
    median = runs[runs["best_epoch"] > 0].groupby("loss")["best_epoch"].median()
    if lacking := set(runs["loss"]) - set(median.index):
        raise InputError(
            f"no fold of the loss '{min(lacking)}' trained to a finite loss, so that nothing tells "
            "how long to train; leave it out of 'losses'."
        )
    return median.round().astype(int).to_dict(), None


def write(path, runs, parameters, line, genes, n_panel, record):
    """Keep a fit whole, with the training spots that some heads need; see `load`."""
    import torch
    from safetensors.torch import save_file

    of_line = zip(LINE, map(torch.as_tensor, line), strict=True)
    about = {"runs": runs.to_json(), "genes": "\t".join(genes), "n_panel": str(n_panel)}
    with whole(path) as temporary:
        save_file(parameters | dict(of_line), temporary, about | {"record": json.dumps(record)})


def load(path):
    """`(runs, parameters, line, genes, n_panel, record)` of `write`, see `fit.fit` and
    `predict.calibrate`; `InputError` for a damaged file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            about = file.metadata()
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise damaged(path, error) from None
    line = tuple(tensors.pop(key).numpy() for key in LINE)
    runs = pd.read_json(io.StringIO(about["runs"]))
    genes, n_panel = about["genes"].split("\t"), int(about["n_panel"])
    return runs, tensors, line, genes, n_panel, json.loads(about["record"])
