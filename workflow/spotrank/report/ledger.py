"""The ledger: a line a finished number of any study's tables, appended once and never changed."""

import fcntl
import io
import os
from pathlib import Path

import pandas as pd

from spotrank.base.provenance import now
from spotrank.base.store import InputError, in_a_line
from spotrank.verdicts.summary import CEILED, KEYS, METRICS
from spotrank.verdicts.units import LEVEL

COUNTS = ["n_patients", "n_samples", "n_folds", "n_seeds", "n_genes", "n_undefined"]
COLUMNS = [
    "date", "study", *KEYS, "metric", "value", "low", "high", "level", *COUNTS, "n_spots", "leak",
    "holes", "setting", "commit", "changed", "provenance",
]  # fmt: skip
ONCE = ["study", *KEYS, "metric", "provenance"]  # names a line
NUMBERS = ["value", "low", "high", "level", *COUNTS, "n_spots"]


def lines(summary, samples, known, settings):
    """A study's lines, a row each number of its summary, by COLUMNS.

    summary, samples: as DataFrames of the TSV files; known: `provenance.json`; settings: of
    `settings.settings`. What has no number has no line; what leaks or lacks something says so.
    """
    tested = samples[samples["test_folds"].astype(int) > 0]
    spots = tested["spots"].astype(int).groupby(tested["cohort"]).sum()
    git = known["git"] or {"commit": "", "changed": ""}
    of_metric = [
        summary.assign(
            metric=metric,
            value=summary[f"{metric}_mean"],
            low=summary[f"{metric}_low"] if metric in CEILED else float("nan"),
            high=summary[f"{metric}_high"] if metric in CEILED else float("nan"),
        )
        for metric in METRICS
    ]
    table = pd.concat(of_metric, ignore_index=True)
    table = table[table["value"].notna()]
    return table.assign(
        date=now().isoformat(timespec="seconds"),
        study=known["study"],
        level=table["low"].notna().map({True: LEVEL}),
        n_spots=table["cohort"].map(spots),
        setting=[settings[key] for key in table[KEYS].itertuples(index=False, name=None)],
        commit=git["commit"],
        changed=str(git["changed"]),
        provenance=known["id"],
    )[COLUMNS]


def append(path, table):
    """Append the rows of `lines` that the ledger at `path` lacks; how many.

    Of several runs that end at once, one waits for the other. What a killed run left of a line is
    cut off. Raises `InputError` if the file is no ledger, or can't be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            held = _whole_lines(file.read())
            if file.tell() > len(held):
                print(f"{path}: cut off a line that a killed run left unfinished")
                file.truncate(len(held))
            there = pd.MultiIndex.from_frame(_parsed(path, held)[ONCE])
            new = table[~pd.MultiIndex.from_frame(table[ONCE].astype(str)).isin(there)]
            file.write(new.to_csv(sep="\t", index=False, header=not held).encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise InputError(
            f"{path}: {in_a_line(error.strerror)}; make room, or allow to write there, and run "
            "again."
        ) from None
    return len(new)


def read(path):
    """The ledger's whole lines, by COLUMNS; `InputError` if there are none."""
    try:
        table = _parsed(path, _whole_lines(Path(path).read_bytes()))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run a study first.") from None
    return table.astype(dict.fromkeys(NUMBERS, float))


def _whole_lines(content):
    return content[: content.rfind(b"\n") + 1]


def _parsed(path, content):
    """The table in the bytes of whole lines, all as text but numbers that are none."""
    if not content:
        return pd.DataFrame(columns=COLUMNS, dtype=str)
    options = {"sep": "\t", "dtype": str, "keep_default_na": False}
    try:
        table = pd.read_csv(io.BytesIO(content), **options)
    except (ValueError, UnicodeDecodeError) as error:
        raise _none(path, in_a_line(error)) from None
    if list(table) != COLUMNS:
        raise _none(path, "other columns than a ledger's")
    table[NUMBERS] = table[NUMBERS].replace("", float("nan"))
    return table


def _none(path, why):
    return InputError(f"{path}: no ledger ({why}); give another path in the key ledger.")
