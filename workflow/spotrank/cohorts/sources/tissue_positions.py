"""Where the spots or bins of Space Ranger lie: its files of positions."""

import numpy as np
import pandas as pd

from spotrank.base.store import InputError
from spotrank.cohorts.sources import tenx

POSITIONS = {  # columns of a positions file, in its order, and what they are called here
    "barcode": "barcode",
    "in_tissue": "in_tissue",
    "array_row": "array_row",
    "array_col": "array_col",
    "pxl_row_in_fullres": "y",
    "pxl_col_in_fullres": "x",
}
FILES = ("tissue_positions.parquet", "tissue_positions.csv", "tissue_positions_list.csv")
UNMATCHED = 0.05  # share of barcodes without a place from which on the files are two runs'


def find(spatial):
    """Path of the file of positions in a run's folder `spatial`; `InputError` if there is none."""
    if path := tenx.called(spatial, *FILES):
        return path
    raise InputError(
        f"{spatial}: holds no file of positions ({', '.join(FILES)}); get the folder again."
    )


def read(path):
    """Positions of spots or bins by barcode: `in_tissue` (bool), `array_row`, `array_col` (int),
    `y`, `x` (px of the full-resolution image).

    path: Parquet, or CSV, gzipped or not, with or without a header, which the first line tells and
    not the name. `InputError` for anything else.
    """
    with tenx.reading(path, "file of positions"):
        table = _table(path)
    missing = [name for name in POSITIONS if name not in table]
    if missing:
        raise InputError(
            f"{path}: lacks the column '{missing[0]}'; take the file of positions as Space Ranger "
            "wrote it."
        )
    table = table[list(POSITIONS)].rename(columns=POSITIONS)
    table = table.set_index(pd.Index(tenx.texts(table.pop("barcode")), name="barcode"))
    if not _are_positions(table):
        raise InputError(
            f"{path}: is not one line a barcode with in_tissue 0 or 1, row, column and px; take "
            "the file of positions as Space Ranger wrote it."
        )
    return table.astype(
        {"in_tissue": bool, "array_row": int, "array_col": int, "y": float, "x": float}
    )


def match(barcodes, positions, counts, matrix):
    """Row of `positions` of each barcode, −1 for what has none; `InputError` if that are many.

    counts: sum of each barcode `(n,)`, to say how much has a place; matrix: path of their file.
    """
    rows = positions.index.get_indexer(barcodes)
    has = rows >= 0
    if len(has) == 0 or (~has).mean() > UNMATCHED:
        tissue = has & positions["in_tissue"].to_numpy()[rows]
        raise InputError(
            f"{matrix}: {has.sum():,} of its {len(has):,} barcodes have a position, "
            f"{tissue.sum():,} of them in tissue with {counts[tissue].sum():,.0f} of "
            f"{counts.sum():,.0f} counts; take matrix and positions of one run."
        )
    return rows


def _are_positions(table):
    try:
        numbers = table.astype(float)
    except (ValueError, TypeError):
        return False
    whole = numbers[["in_tissue", "array_row", "array_col"]]
    return bool(
        len(table)
        and np.isfinite(numbers).all(axis=None)
        and (whole % 1 == 0).all(axis=None)
        and numbers["in_tissue"].isin((0, 1)).all()
        and table.index.is_unique
    )


def _table(path):
    """A table of positions with the columns' names as Space Ranger writes them."""
    import pyarrow.parquet as pq

    with open(path, "rb") as file:
        if file.read(4) == b"PAR1":
            columns = [name for name in pq.read_schema(path).names if name in POSITIONS]
            return pq.read_table(path, columns=columns).to_pandas(ignore_metadata=True)
    with tenx.plain(path) as file:
        first = file.readline().decode("utf-8-sig")
    header = not any(sign.isdigit() for sign in first)
    with tenx.plain(path) as file:
        return pd.read_csv(
            file,
            header=0 if header else None,
            names=None if header else list(POSITIONS),
            index_col=False,
            encoding="utf-8-sig",
        )
