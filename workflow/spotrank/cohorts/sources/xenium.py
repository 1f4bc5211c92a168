"""Xenium: transcripts pooled to squares of the patch's side, or cells, on an aligned H&E."""

import json
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import sparse

from spotrank.base.store import InputError, in_a_line, read_text
from spotrank.cohorts.sources import tenx, tissue_positions
from spotrank.cohorts.sources.alignment import read_alignment
from spotrank.cohorts.sources.sample import Sample

PATHS = ("folder", "image")
COLUMNS = (*PATHS, "alignment", "spots", "um_per_px")
MATRIX = {"cells": "cell_feature_matrix"}
TRANSCRIPTS = ("transcripts.parquet", "transcripts.csv.gz", "transcripts.csv")
CELLS = ("cells.parquet", "cells.csv.gz", "cells.csv")
QV = 20  # least quality, as Xenium's own matrix counts
NEEDED = ("feature_name", "x_location", "y_location", "qv")  # columns of transcripts ...
TELLING = ("is_gene", "codeword_category")  # ... the first of which that is there tells genes
TEXTS = ("feature_name", "codeword_category")
CATEGORIES = ("predesigned_gene", "custom_gene")
CONTROLS = (  # how names begin that are no genes', where no column tells
    *("NegControlProbe_", "NegControlCodeword_", "antisense_", "BLANK_"),
    *("UnassignedCodeword_", "DeprecatedCodeword_", "Intergenic_Region_"),
)
BATCH = 2**20  # transcripts in memory at a time
FILES = [
    f"{outs}*{name}"
    for outs in ("", "outs/")
    for name in (
        *("experiment.xenium", "gene_panel.json", "imagealignment.csv", *TRANSCRIPTS, *CELLS),
        *("cell_feature_matrix.h5", "cell_feature_matrix/*"),
    )
]
PARTS = 8  # a square is looked at in PARTS × PARTS parts ...
COVERED = 0.5  # ... of which this share must have transcripts, or the region only grazes it
SEEN = ("transcripts", f"of quality {QV} or more", "of genes")


@dataclass
class Pooled:
    """Transcripts of genes pooled to squares.

    counts: CSR int32 `(n_squares, n_genes)`; names: of the genes; squares: row and column
    `(n_squares, 2)` of those with transcripts, in order; covered: share of the parts of each
    `(n_squares,)` that have transcripts; seen: how many transcripts there were, how many of good
    quality, and of those of genes.
    """

    counts: sparse.csr_matrix
    names: list
    squares: np.ndarray
    covered: np.ndarray
    seen: dict


def read(row, side_um):
    """A Xenium run as `Sample`: squares of `side_um` or cells, in px of its aligned H&E.

    row: `folder`, `image`, perhaps `alignment` and `um_per_px`, see `read_alignment`, and `spots`:
    'squares' (default), see `pool`, counted from the upper left corner of the image, those that
    the region only grazes left out; or 'cells', with the counts of the run's own matrix. Raises
    `InputError`.
    """
    folder = tenx.outs_of(row["folder"])
    spots = row.get("spots", "squares")
    if spots not in ("squares", "cells"):
        raise InputError(
            f"{folder}: its spots are '{spots}' in the table; write squares or cells there."
        )
    pixel_size = _pixel_size(folder)
    matrix, found = read_alignment(row | {"folder": folder}, pixel_size)
    um_per_px = float(pixel_size * np.sqrt(abs(np.linalg.det(matrix))))
    to_px = np.linalg.inv(matrix) @ np.diag([1 / pixel_size, 1 / pixel_size, 1])
    if spots == "cells":
        sample = _cells(folder, to_px, um_per_px)
    else:
        sample = _squares(folder, to_px, um_per_px, side_um)
    return replace(sample, found=found | sample.found)


def pool(path, to_px, side_px, corner=(0, 0)):
    """Transcripts of genes with a quality of `QV` or more, pooled to squares: `Pooled`.

    path: of the file of transcripts, read by some at a time; to_px: from µm to px of the image
    `(3, 3)`; side_px: of a square; corner: upper left one of the first square, px.
    """
    codes, squares, seen = {}, {}, Counter()
    counts = sparse.csr_matrix((0, 0), dtype=np.int32)
    parts = sparse.csr_matrix((0, PARTS**2), dtype=np.int32)
    for batch in _transcripts(path):
        good = batch["qv"].to_numpy() >= QV
        gene = good & _are_genes(batch)
        names = batch["feature_name"].cat
        code = np.array([codes.setdefault(name, len(codes)) for name in names.categories], int)
        places = _affine(to_px, *(batch.loc[gene, f"{axis}_location"] for axis in "xy"))
        at = np.floor((places - corner)[:, ::-1] / side_px * PARTS).astype(int)  # row, column
        square = _numbers(squares, at // PARTS)
        counts = _count(counts, square, code[names.codes[gene]], len(squares), len(codes))
        row, column = (at % PARTS).T
        parts = _count(parts, square, row * PARTS + column, len(squares), PARTS**2)
        numbers = (len(batch), good.sum(), gene.sum())
        seen.update(dict(zip(SEEN, map(int, numbers), strict=True)))
    order = sorted(squares)
    rows = [squares[square] for square in order]
    genes = np.flatnonzero(counts.getnnz(axis=0))
    return Pooled(
        counts=counts[rows][:, genes],
        names=[list(codes)[gene] for gene in genes],
        squares=np.array(order, int).reshape(-1, 2),
        covered=parts[rows].getnnz(axis=1) / PARTS**2,
        seen=dict(seen),
    )


def _numbers(known, keys):
    """The number of each of `keys` `(n, 2)` in `known`, where new ones get the next."""
    low, high = keys.min(axis=0, initial=0), keys.max(axis=0, initial=0)
    n_columns = high[1] - low[1] + 1
    which, found = pd.factorize((keys - low) @ [n_columns, 1])
    found = np.column_stack(np.divmod(found, n_columns)) + low
    numbers = [known.setdefault(key, len(known)) for key in map(tuple, found.tolist())]
    return np.array(numbers, int)[which]


def _count(total, rows, columns, n_rows, n_columns):
    """`total`, made larger, and one more at each of `rows`, `columns`."""
    total.resize((n_rows, n_columns))
    ones = np.ones(len(rows), np.int32)
    return total + sparse.csr_matrix((ones, (rows, columns)), shape=total.shape)


def _squares(folder, to_px, um_per_px, side_um):
    path, side_px = _file(folder, TRANSCRIPTS), side_um / um_per_px
    pooled = pool(path, to_px, side_px)
    kept = pooled.covered >= COVERED
    if not kept.any():
        raise InputError(
            f"{path}: no square of {side_um:g} µm has transcripts in half of its area; check that "
            "the file is whole, or take cells as spots."
        )
    squares, counts, ids = pooled.squares[kept], pooled.counts[kept], _ids(folder)
    return Sample(
        counts=counts.astype(np.float32),
        genes=pd.DataFrame(
            {"id": [ids.get(name, "") for name in pooled.names], "type": tenx.GENES},
            index=pd.Index(pooled.names),
        ),
        barcodes=tenx.names_of_squares(squares, side_um),
        places=(squares[:, ::-1] + 0.5) * side_px,
        um_per_px=um_per_px,
        pitch_um=float(side_um),
        found={
            **pooled.seen,
            "squares": f"{len(squares):,} of {len(kept):,}, the others mostly without transcripts",
            "in squares": int(counts.sum()),
        },
    )


def _cells(folder, to_px, um_per_px):
    path = _file(folder, CELLS)
    matrix, _ = tenx.find_matrix(folder, MATRIX)
    counts, genes, ids, left_out = tenx.read_genes(matrix)
    cells = _read_cells(path)
    at = cells.index.get_indexer(ids)
    has = at >= 0
    if not len(has) or (~has).mean() > tissue_positions.UNMATCHED:
        raise InputError(
            f"{matrix}: {has.sum():,} of its {len(ids):,} cells stand in {path.name}; take both "
            "of one run."
        )
    counts, cells = counts[has], cells.iloc[at[has]]
    found = {"cells": len(has), "without a place": int((~has).sum()), **left_out}
    if "transcript_counts" in cells:
        differ = cells["transcript_counts"].to_numpy() != counts.sum(axis=1, dtype=float).A1
        found["whose counts are not what cells tell"] = int(differ.sum())
    return Sample(
        counts=counts,
        genes=genes,
        barcodes=ids[has],
        places=_affine(to_px, cells["x_centroid"], cells["y_centroid"]),
        um_per_px=um_per_px,
        found=found,
    )


def _affine(to_px, x, y):
    """Places in px `(n, 2)` of `x`, `y` in µm."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    return np.column_stack([at_x * x + at_y * y + moved for at_x, at_y, moved in to_px[:2]])


def _transcripts(path):
    """Transcripts by some at a time: `NEEDED` and the one of `TELLING` that is there, names and
    categories as text, categorical."""
    with tenx.reading(path, "file of transcripts"):
        for batch in (_of_parquet if _is_parquet(path) else _of_csv)(path):
            missing = [name for name in NEEDED if name not in batch]
            if missing:
                raise InputError(
                    f"{path}: lacks the column '{missing[0]}'; take the file of transcripts as "
                    "the run wrote it."
                )
            if not np.isfinite(batch[[*NEEDED[1:]]].astype(float)).all(axis=None):
                raise InputError(
                    f"{path}: holds a transcript without place or quality; take the file as the "
                    "run wrote it."
                )
            yield batch


def _of_parquet(path):
    import pyarrow.parquet as pq

    columns = _columns(pq.read_schema(path).names)
    file = pq.ParquetFile(path, read_dictionary=[name for name in columns if name in TEXTS])
    for group in range(file.num_row_groups):  # an iterator over all keeps what it has read
        for batch in file.iter_batches(BATCH, [group], columns):
            table = batch.to_pandas(ignore_metadata=True)
            for name, values in table.select_dtypes("category").items():  # of bytes from XOA 1
                table[name] = values.cat.rename_categories([*tenx.texts(values.cat.categories)])
            yield table


def _of_csv(path):
    with tenx.plain(path) as file:
        header = pd.read_csv(file, nrows=0).columns
    with tenx.plain(path) as file:
        types = dict.fromkeys(TEXTS, "category")
        yield from pd.read_csv(file, usecols=_columns(header), dtype=types, chunksize=BATCH)


def _columns(names):
    telling = [name for name in TELLING if name in names][:1]
    return [name for name in NEEDED if name in names] + telling


def _are_genes(batch):
    """Which transcripts are of genes `(n,)`."""
    names = batch["feature_name"].cat
    named = names.codes.to_numpy() >= 0
    if "is_gene" in batch:
        return named & (batch["is_gene"] == True).to_numpy()  # noqa: E712 (missing is neither)
    if "codeword_category" in batch:
        return named & batch["codeword_category"].isin(CATEGORIES).to_numpy()
    genes = np.array([not name.startswith(CONTROLS) for name in names.categories], bool)
    return named & genes[names.codes]


def _read_cells(path):
    """Cells by their id: `x_centroid`, `y_centroid`, µm, and more."""
    with tenx.reading(path, "table of cells"):
        if _is_parquet(path):
            import pyarrow.parquet as pq

            cells = pq.read_table(path).to_pandas(ignore_metadata=True)
        else:
            with tenx.plain(path) as file:
                cells = pd.read_csv(file)
        cells = cells.set_index(pd.Index(tenx.texts(cells.pop("cell_id"))))
        places = cells[["x_centroid", "y_centroid"]].astype(float)
    if not cells.index.is_unique or not np.isfinite(places).all(axis=None):
        raise InputError(
            f"{path}: is not one line a cell with its place; take the table as the run wrote it."
        )
    return cells


def _ids(folder):
    """Ids of genes by name, of the run's matrix or panel; none where neither is there."""
    if tenx.called(folder, *(name + suffix for name in MATRIX.values() for suffix in (".h5", ""))):
        features = tenx.read_names(tenx.find_matrix(folder, MATRIX)[0])[0]
        return dict(zip(features.index, features["id"], strict=True))
    panel = tenx.called(folder, "gene_panel.json")
    if panel is None:
        return {}
    with tenx.reading(panel, "panel of genes"):
        targets = json.loads(read_text(panel))["payload"]["targets"]
        genes = (target["type"]["data"] for target in targets)
        return {gene["name"]: gene.get("id", "") for gene in genes}


def _pixel_size(folder):
    """µm/px of the morphology image, by the run's manifest."""
    path = _file(folder, ("experiment.xenium",))
    try:
        value = json.loads(read_text(path))["pixel_size"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(
            f"{path}: doesn't tell pixel_size ({in_a_line(error)}); take the file as the run "
            "wrote it."
        ) from None
    if type(value) not in (int, float) or not 0 < value < 100:
        raise InputError(f"{path}: its pixel_size is {value!r}, not a length in µm; mend it.")
    return value


def _file(folder, names):
    if path := tenx.called(folder, *names):
        return path
    raise InputError(
        f"{folder}: lacks {' or '.join(names)}; give the folder of the run's outputs, unpacked."
    )


def _is_parquet(path):
    with open(path, "rb") as file:
        return file.read(4) == b"PAR1"
