"""HEST-Benchmark's own files on the hub: the samples, folds and genes of its tasks.

A task is a folder: `adata/<id>.h5ad`, `patches/<id>.h5`, `splits/train_<k>.csv` and `test_<k>.csv`
of each fold (`sample_id` and paths), and `var_50genes.json`. What else spotrank needs to know of a
sample, its patient and µm/px, stands in HEST-1k's table.
"""

import io
import json
from itertools import count, takewhile

import pandas as pd

from spotrank.base.store import InputError, in_a_line, read_text, whole
from spotrank.cohorts import fetch
from spotrank.cohorts.sources import table as tables

REPOSITORY = "MahmoodLab/hest-bench"
GENES = "var_50genes.json"
MOST = 100  # folds of a task
NAMES = {"st": "adata/{}.h5ad", "patches": "patches/{}.h5", "metadata": "metadata/{}.json"}
MEASURES = ("pixel_size_um_estimated", "inter_spot_dist", "spot_diameter")


def folder_of(home, task):
    """A task's folder with its splits and list of genes, which come from the hub unless there."""
    folder = fetch.HEST / home / task
    if not (folder / GENES).exists():
        splits = [
            f"{task}/splits/{part}_{k}.csv" for k in range(MOST) for part in ("train", "test")
        ]
        genes = f"{task}/{GENES}"
        there = fetch.on_hub(home, [*splits, genes])
        for needed in (splits[0], splits[1], genes):
            if needed not in there:
                raise InputError(
                    f"{REPOSITORY} has no {needed} at this revision; correct 'task' or 'revision'."
                )
        # the list of genes last: it tells that the others are here
        fetch.bring(home, [fetch.HEST / home / name for name in [*splits, genes] if name in there])
    return folder


def folds(home, task):
    """Test samples of each fold; `InputError` for splits that don't train on all other samples."""
    splits = folder_of(home, task) / "splits"
    numbers = takewhile(lambda k: (splits / f"test_{k}.csv").exists(), count())
    read = [[_ids(splits / f"{part}_{k}.csv") for part in ("train", "test")] for k in numbers]
    everyone = {sample for train, test in read for sample in train + test}
    for k, (train, test) in enumerate(read):
        path = splits / f"test_{k}.csv"
        if both := sorted({*train} & {*test}):
            raise InputError(f"{path}: '{both[0]}' trains in this fold, too; get the splits again.")
        if missing := sorted(everyone - {*train, *test}):
            raise InputError(
                f"{path}: '{missing[0]}' of other folds neither trains nor is tested in this one; "
                "get the splits again."
            )
    return [test for _, test in read]


def samples(home, task):
    """All samples of a task, sorted."""
    first = folder_of(home, task) / "splits/train_0.csv"
    return sorted([*_ids(first), *folds(home, task)[0]])


def _ids(path):
    try:
        ids = pd.read_csv(io.StringIO(read_text(path)), dtype=str)["sample_id"].dropna()
    except (ValueError, KeyError) as error:
        raise InputError(
            f"{path}: not a split of HEST-Benchmark with the column 'sample_id' "
            f"({in_a_line(error)}); get it again."
        ) from None
    if ids.empty or ids.duplicated().any():
        what = "names no sample" if ids.empty else "names a sample twice"
        raise InputError(f"{path}: {what}; get it again.")
    return ids.str.strip().tolist()


def table():
    """Path of HEST-1k's table."""
    return fetch.hest_table(fetch.home(fetch.REPOSITORY, "main"))


def bring(home, st, sample, metadata):
    """Download a sample's `st`, and write its `metadata`, JSON, by HEST-1k's table."""
    fetch.bring(home, [st])
    row = tables.read(table()).set_index("id").loc[sample].reindex(MEASURES)
    measures = pd.to_numeric(row, errors="coerce").dropna().to_dict()
    with whole(metadata) as path:
        path.write_text(json.dumps(measures, indent=1))
