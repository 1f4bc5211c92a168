"""What other tools predicted: files of the user's, one a sample, of spots × genes in log1p units.

A file is h5ad, whose X it is, or Parquet: a column a gene, and barcodes in the index or in the
column `barcode`. Only the rows and genes that are asked for are held in memory.
"""

from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from spotrank.base.store import InputError, in_a_line, refuse_links
from spotrank.base.words import nearest
from spotrank.cohorts import h5ad
from spotrank.encoders import stored
from spotrank.spots.split import parts

BARCODE = "barcode"  # column of a Parquet file


def path_of(folder, sample):
    """Path of what was predicted for a sample, whether it is there or not."""
    found = _paths(folder, sample)
    return next(filter(Path.is_file, found), found[0])


def check_there(folder, sample):
    """`InputError` unless there is one file of what was predicted for a sample."""
    found = _paths(folder, sample)
    there = [path for path in found if path.is_file()]
    if len(there) != 1:
        names, said = " and ".join(path.name for path in found), "holds both" if there else "lacks"
        raise InputError(
            f"{folder}: {said} {names}; keep one of them for each sample, or leave the folder out "
            "of the cohort's 'predictions'."
        )


def _paths(folder, sample):
    return [Path(folder) / f"{sample}{suffix}" for suffix in READERS]


def check(path, st):
    """`InputError` for a file that has no spot of its sample; st: the sample's spots (h5ad)."""
    with _opened(path) as (barcodes, _, _), h5ad.opened(st) as file:
        spots = h5ad.names(file)
        if not barcodes.isin(spots).any():
            raise _lacks(path, barcodes, spots, spots)


def read(path, barcodes, genes):
    """Predictions `(n_spots, n_genes)` float32 of spots and genes, NaN of genes that the file
    lacks; `InputError` if it lacks a spot or all genes, or holds what is no finite number."""
    with _opened(path) as (own, names, values):
        row, column = own.get_indexer(barcodes), names.get_indexer(genes)
        if (row < 0).any():
            raise _lacks(path, own, pd.Index(barcodes), pd.Index(barcodes)[row < 0])
        there = column >= 0
        if not there.any():
            raise InputError(
                f"{path}: has none of the {len(genes)} genes of the panel, such as '{genes[0]}', "
                f"but such as '{names[0]}'{nearest(genes[0], names)}; name genes as the counts do."
            )
        found = np.full((len(row), len(column)), np.nan, np.float32)
        with np.errstate(over="ignore"):  # becomes infinite, and is refused
            found[:, there] = values(row, column[there])
    wrong = np.argwhere(~np.isfinite(found) & there)
    if len(wrong):
        spot, gene = wrong[0]
        raise InputError(
            f"{path}: {len(wrong)} values are no finite numbers, such as that of '{genes[gene]}' "
            f"at '{barcodes[spot]}'; leave out genes that were not predicted."
        )
    return found


def tested(fold, gap_um, spots):
    """`sample` and `barcode` of a fold's test spots, arrays `(n_spots,)`, a sample after the other,
    see `split.parts`; spots: `{sample: AnnData of pair}`."""
    barcodes = {}
    for sample, adata in spots.items():
        place = adata.obsm["spatial"] * adata.uns["pixel_size_um"]
        barcodes[sample] = adata.obs_names[parts(fold, sample, place, gap_um) == "test"]
    return SimpleNamespace(
        sample=np.repeat(list(barcodes), list(map(len, barcodes.values()))),
        barcode=np.concatenate(list(barcodes.values())),
    )


def scores(paths, tested, genes):
    """Yield `(run, slice of spots, predictions)` as `predict.predict` does.

    paths: of the files, of each tool all samples; tested: see `tested`; genes: of the panel.
    """
    samples = pd.unique(tested.sample)
    for i, path in enumerate(paths):
        run, number = divmod(i, len(samples))
        mine = np.flatnonzero(tested.sample == samples[number])
        rows = slice(mine[0], mine[-1] + 1)
        yield run, rows, read(path, tested.barcode[rows], genes)


def _lacks(path, own, spots, lacking):
    """The `InputError` of a file that lacks some of the `spots`."""
    return InputError(
        f"{path}: lacks {len(lacking)} of the sample's {len(spots)} spots, such as "
        f"'{lacking[0]}', and has such as '{own[0]}'"
        + (
            "; predict all spots that pass."
            if own.isin(spots).any()
            else f", {stored.cause(own, spots, 'predictions')}."
        )
    )


@contextmanager
def _opened(path):
    """Yield barcodes, genes (Index) and `values(rows, columns)`; `InputError` for what is wrong."""
    with READERS[Path(path).suffix](path) as (barcodes, genes, values):
        for names, what in ((barcodes, "spot"), (genes, "gene")):
            if not len(names):
                raise InputError(f"{path}: has no {what}; write it again.")
            if not names.is_unique:
                twice = names[names.duplicated()][0]
                raise InputError(f"{path}: the {what} '{twice}' stands there twice; keep one.")
        yield barcodes, genes, values


@contextmanager
def _h5ad(path):
    with h5ad.opened(path) as file:
        yield h5ad.names(file), h5ad.names(file, "var"), partial(_of_h5ad, file)


def _of_h5ad(file, rows, columns):
    from anndata.io import sparse_dataset

    refuse_links(file.filename, ["X"])
    x = file.get("X", {})
    is_dense = hasattr(x, "dtype")
    stored_as = x if is_dense else x.get("data")
    if getattr(stored_as, "dtype", np.dtype(bool)).kind not in "fiu":
        raise InputError(f"{file.filename}: X holds no real numbers; put what was predicted there.")
    n_rows, n_columns = x.shape if is_dense else x.attrs["shape"]
    matrix = x if is_dense else sparse_dataset(x)
    if not is_dense and matrix.format == "csc":
        found = [matrix[:, int(column) : int(column) + 1].toarray() for column in columns]
        return np.concatenate(found, 1)[rows]
    step = max(h5ad.BLOCK // (n_columns * stored_as.dtype.itemsize or 1), 1)
    blocks = (matrix[start : start + step][:, columns] for start in range(0, n_rows, step))
    return np.concatenate([own if is_dense else own.toarray() for own in blocks])[rows]


@contextmanager
def _parquet(path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            index = (file.schema_arrow.pandas_metadata or {}).get("index_columns", [])
            index = [name for name in index if isinstance(name, str)]  # else numbers of rows
            columns = [name for name in file.schema_arrow.names if name not in (BARCODE, *index)]
            of_spots = next((key for key in (BARCODE, *index) if key in file.schema.names), None)
            if of_spots is None:
                raise InputError(
                    f"{path}: has neither a column '{BARCODE}' nor an index; write the spots' "
                    "barcodes there."
                )
            barcodes = file.read([of_spots], use_pandas_metadata=False)[of_spots]
            yield (
                pd.Index(barcodes.to_pylist()).astype(str),
                pd.Index(columns),
                partial(_of_parquet, path, file, columns),
            )
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path}: not a readable table of Parquet ({in_a_line(error)}); write it again."
        ) from None


def _of_parquet(path, file, names, rows, columns):
    import pyarrow as pa

    chosen = [names[column] for column in columns]
    table = file.read(chosen, use_pandas_metadata=False)
    for field in table.schema:
        if not (pa.types.is_floating(field.type) or pa.types.is_integer(field.type)):
            raise InputError(f"{path}: '{field.name}' is {field.type}, not numbers; write numbers.")
    return np.stack([table[name].to_numpy()[rows] for name in chosen], 1)


READERS = {".h5ad": _h5ad, ".parquet": _parquet}
