"""Xenium: transcripts pooled to squares of the patch's side, or cells, on an aligned H&E."""

import json
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from spotrank.base.store import InputError, in_a_line, read_text
from spotrank.cohorts.sources import tenx
from spotrank.cohorts.sources.alignment import read_alignment
from spotrank.cohorts.sources.sample import Sample

FILES = [
    f"{outs}{name}"
    for outs in ("", "outs/")
    for name in (
        *("experiment.xenium", "*cell_feature_matrix.h5", "*cell_feature_matrix/*"),
        *("*transcripts.*", "*cells.*", "*alignment.csv"),
    )
]
PATHS = ("folder", "image")
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
PARTS = 8  # a square is looked at in PARTS × PARTS parts ...
COVERED = 0.5  # ... of which this share must have transcripts, or the region only grazes it
ON_IMAGE = 0.5  # least share of what was counted, or the alignment is another image's


@dataclass
class Pooled:
    """Transcripts of genes pooled to squares.

    counts: CSR int32 `(n_rows · n_columns, n_genes)`, a square's row after row; names: of the
    genes; shape: `(n_rows, n_columns)`; covered: share of each square's parts with a transcript;
    seen: how many transcripts there were, how many of good quality, of genes, on the image.
    """

    counts: sparse.csr_matrix
    names: list
    shape: tuple
    covered: np.ndarray
    seen: Counter


def read(row, side_um, slide_size):
    """A Xenium run as `Sample`: squares of `side_um` or cells, in px of its aligned H&E.

    row: `folder`, `image`, perhaps `alignment` and `um_per_px`, see `read_alignment`, and `spots`:
    'squares' (default), see `pool`, from the upper left corner of the image, those that the region
    only grazes left out; or 'cells', with the counts of the run's own matrix. slide_size: of the
    H&E, px, `(width, height)`. Raises `InputError`.
    """
    folder = tenx.outs_of(row["folder"])
    pixel_size = _pixel_size(folder)
    matrix, found = read_alignment(row | {"folder": folder}, pixel_size)
    um_per_px = pixel_size * np.sqrt(abs(np.linalg.det(matrix)))
    to_px = np.linalg.inv(matrix) @ np.diag([1 / pixel_size, 1 / pixel_size, 1])
    spots = row.get("spots", "squares")
    if spots == "squares":
        sample = _squares(folder, to_px, side_um, side_um / um_per_px, slide_size)
    elif spots == "cells":
        sample = _cells(folder, to_px, slide_size)
    else:
        raise InputError(
            f"{folder}: its spots are '{spots}' in the table; write squares or cells there."
        )
    return Sample(um_per_px=float(um_per_px), **sample | {"found": found | sample["found"]})


def pool(path, to_px, side_px, size, corner=(0, 0)):
    """Transcripts of genes with a quality of `QV` or more, pooled to squares: `Pooled`.

    path: of the file of transcripts, read by some at a time; to_px: from µm to px of the image
    `(3, 3)`; side_px: of a square; size: of the image, px, `(width, height)`; corner: upper left
    one of the first square, px. Squares lie whole on the image.
    """
    n_columns, n_rows = ((np.array(size) - corner) // side_px).astype(int)
    codes, seen = {}, Counter()
    parts = np.zeros((n_rows * PARTS, n_columns * PARTS), bool)
    counts = sparse.csr_matrix((n_rows * n_columns, 0), dtype=np.int32)
    for batch in _transcripts(path):
        good = batch["qv"].to_numpy() >= QV
        gene = good & _are_genes(batch)
        names = batch["feature_name"].cat
        code = np.array([codes.setdefault(name, len(codes)) for name in names.categories], int)
        places = _affine(to_px, *(batch.loc[gene, f"{axis}_location"] for axis in "xy"))
        at = (places - corner) / side_px * PARTS
        inside = _within(at, parts.shape[::-1])
        column, row = at[inside].astype(int).T
        parts[row, column] = True
        square = row // PARTS * n_columns + column // PARTS
        ones = np.ones(len(square), np.int32)
        shape = counts.shape[0], len(codes)
        counts.resize(shape)
        counts += sparse.csr_matrix(
            (ones, (square, code[names.codes[gene][inside]])), shape=shape, dtype=np.int32
        )
        seen.update(
            {
                "transcripts": len(batch),
                f"of quality {QV} or more": good.sum(),
                "of genes": gene.sum(),
                "on the image": _within(places, size).sum(),
            }
        )
    genes = np.flatnonzero(counts.getnnz(axis=0))
    covered = parts.reshape(n_rows, PARTS, n_columns, PARTS).mean(axis=(1, 3)).ravel()
    names = [*codes]
    return Pooled(
        counts[:, genes], [names[gene] for gene in genes], (n_rows, n_columns), covered, seen
    )


def _squares(folder, to_px, side_um, side_px, slide_size):
    path = _file(folder, TRANSCRIPTS)
    pooled = pool(path, to_px, side_px, slide_size)
    seen = {what: int(number) for what, number in pooled.seen.items()}
    _check_on_image(path, seen.get("on the image", 0), seen.get("of genes", 0), slide_size)
    kept = np.flatnonzero(pooled.covered >= COVERED)
    if not len(kept):
        raise InputError(
            f"{path}: no square of {side_um:g} µm has transcripts in half of its area; check that "
            "the file is whole, or take cells as spots."
        )
    squares = np.column_stack(np.unravel_index(kept, pooled.shape))
    counts = pooled.counts[kept].astype(np.float32)
    ids = _ids(folder)
    return {
        "counts": counts,
        "genes": pd.DataFrame(
            {"id": [ids.get(name, "") for name in pooled.names], "type": tenx.GENES},
            index=pd.Index(pooled.names),
        ),
        "barcodes": tenx.names_of_squares(squares, side_um),
        "places": (squares[:, ::-1] + 0.5) * side_px,
        "pitch_um": float(side_um),
        "found": {
            "transcripts": path.name,
            **seen,
            "squares": f"{len(kept):,} of {np.count_nonzero(pooled.covered):,} with transcripts, "
            "the others mostly without",
            "in squares": int(counts.sum(dtype=float)),
        },
    }


def _cells(folder, to_px, slide_size):
    path = _file(folder, CELLS)
    matrix, _ = tenx.find_matrix(folder, MATRIX)
    counts, genes, ids, left_out = tenx.read_genes(matrix)
    cells = _read_cells(path)
    at = cells.index.get_indexer(ids)
    has = at >= 0
    if not len(has) or (~has).mean() > tenx.UNMATCHED:
        raise InputError(
            f"{matrix}: {has.sum():,} of its {len(ids):,} cells stand in {path.name}; take both "
            "of one run."
        )
    counts, cells = counts[has], cells.iloc[at[has]]
    places = _affine(to_px, cells["x_centroid"], cells["y_centroid"])
    on = _within(places, slide_size)
    _check_on_image(path, on.sum(), len(on), slide_size)
    found = {
        "cells": len(has),
        "without a place": int((~has).sum()),
        "off the image": int((~on).sum()),
        **left_out,
    }
    if "transcript_counts" in cells:
        differ = cells["transcript_counts"].to_numpy() != counts.sum(axis=1, dtype=float).A1
        found["whose counts are not what cells tell"] = int(differ.sum())
    return {
        "counts": counts,
        "genes": genes,
        "barcodes": ids[has],
        "places": places,
        "found": found,
    }


def _affine(to_px, x, y):
    """Places in px `(n, 2)` of `x`, `y` in µm."""
    return np.column_stack([x, y]).astype(float) @ to_px[:2, :2].T + to_px[:2, 2]


def _within(places, size):
    return ((places >= 0) & (places < size)).all(axis=1)


def _check_on_image(path, on, n, slide_size):
    if on < max(ON_IMAGE * n, 1):
        raise InputError(
            f"{path}: by the alignment, {on:,} of {n:,} lie on the image of {slide_size[0]} × "
            f"{slide_size[1]} px; give the image that the alignment was made for, at full "
            "resolution, and the alignment of this run."
        )


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
            yield batch


def _of_parquet(path):
    import pyarrow.parquet as pq

    columns = _columns(pq.read_schema(path).names)
    file = pq.ParquetFile(path, read_dictionary=[name for name in columns if name in TEXTS])
    for batch in file.iter_batches(BATCH, columns=columns):
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
        features = tenx.read_features(tenx.find_matrix(folder, MATRIX)[0])
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
