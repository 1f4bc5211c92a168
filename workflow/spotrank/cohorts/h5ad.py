"""What is needed of a sample's `st/<id>.h5ad`, read part by part: the rest may be what it likes."""

import warnings
from contextlib import contextmanager

import numpy as np
import pandas as pd
from scipy import sparse

from spotrank.base.store import InputError, in_a_line, refuse_links, unreadable
from spotrank.base.words import nearest

# columns of `var` in lower case, of which the first that is there counts
IDS = ("gene_ids", "gene_id", "ensembl_id", "ensembl_ids", "ensembl", "ensg", "feature_id", "id")
TYPES = ("feature_types", "feature_type")
BLOCK = 2**26  # bytes of a dense array in memory at a time
LOOKED_AT = 100_000  # values of an array that tell whether it holds counts


@contextmanager
def opened(st):
    """Yield an h5ad file (h5py); what keeps it from being read becomes an `InputError`."""
    import h5py

    try:
        with warnings.catch_warnings(), h5py.File(st) as file:
            warnings.simplefilter("ignore")  # of old files, which are read
            yield file
    except InputError:
        raise
    except Exception as error:  # whatever the libraries make of a file that is damaged
        raise unreadable(st, error) from None


def read(file, name):
    """An element as anndata reads it, or None where there is none."""
    from anndata.io import read_elem

    refuse_links(file.filename, [name])
    if name in file:
        return read_elem(file[name])
    table, _, column = name.rpartition("/")
    if table and column in columns(file, table):  # before anndata 0.7 a table was one array
        return np.char.decode(file[table].fields(column)[:].astype("S"))
    return None


def columns(file, table):
    """Names of the columns of 'obs' or 'var', the index first."""
    refuse_links(file.filename, [f"{table}/_index"])
    if table not in file:
        raise InputError(f"{file.filename}: lacks '{table}', so is no h5ad of spots; mend it.")
    if fields := getattr(file[table], "dtype", np.dtype([])).names:
        return list(fields)
    index = file[table].attrs.get("_index", "_index")
    return [index, *(name for name in file[table] if name != index)]


def names(file, table="obs"):
    """Index of 'obs' or 'var', as text."""
    values = read(file, f"{table}/{columns(file, table)[0]}")
    return pd.Index(np.asarray(values), dtype=str)


def read_names(st, layer=None):
    """Names of what was counted."""
    with opened(st) as file:
        return names(file, _places(file, layer)[1])


def read_genes(st, layer=None):
    """Names of what was counted, with their `id` and `type` ('' where none is told)."""
    with opened(st) as file:
        table = _places(file, layer)[1]
        genes = pd.DataFrame(index=names(file, table))
        known = {name.lower(): name for name in columns(file, table)[1:]}
        for column, choices in (("id", IDS), ("type", TYPES)):
            found = next((known[name] for name in choices if name in known), None)
            values = read(file, f"{table}/{found}") if found else np.full(len(genes), "")
            genes[column] = pd.Series(values).astype(object).fillna("").astype(str).to_numpy()
    return genes


def read_counts(st, layer=None):
    """Raw counts of X, or of `layer`, as CSR float32 `(n_spots, n_genes)` without stored zeros.

    layer: a name in `layers`, or 'raw'. `InputError` for what is no count, which says where else
    in the file there are some.
    """
    with opened(st) as file:
        place, table = _places(file, layer)
        try:
            counts = _read_csr(file, place)
        except (ValueError, TypeError, IndexError) as error:
            raise InputError(
                f"{st}: {place} is no matrix of numbers ({in_a_line(error)}); {_advice(file)}."
            ) from None
        if counts is None or 0 in counts.shape:
            raise InputError(f"{st}: has no counts in {place}; {_advice(file)}.")
        n = len(names(file)), len(names(file, table))
        if counts.shape != n:
            raise InputError(
                f"{st}: {place} is of the shape {counts.shape}, but there are {n[0]} spots and "
                f"{n[1]} genes; write the file again."
            )
        values = counts.data
        for wrong, what in (
            (~np.isfinite(values), "not a number"),
            (values < 0, "negative"),
            (values != np.floor(values), "fractional"),
        ):
            if wrong.any():
                raise InputError(
                    f"{st}: {place} holds {values[wrong][0]:g}, which is {what}, but raw counts "
                    f"are needed; {_advice(file)}."
                )
    counts.eliminate_zeros()
    return counts


def read_layer(st, layer):
    """A layer as anndata reads it, or None."""
    with opened(st) as file:
        return read(file, f"layers/{layer}")


def bytes_of_counts(st, layer=None):
    """Size in memory of what `read_counts` returns, by shape and type: of a sparse matrix as it is
    stored, of a dense one as if half of it were counts; 0 if that can't be told."""
    try:
        with opened(st) as file:
            element = file[_places(file, layer)[0]]
            if hasattr(element, "shape"):
                return element.size * 4
            return sum(part.size * part.dtype.itemsize for part in element.values())
    except (InputError, KeyError):  # the job says what is wrong
        return 0


def _places(file, layer):
    """Names of the elements that hold counts and genes; `InputError` if there is no such layer."""
    layers = file.get("layers", ())
    if layer is None:
        return "X", "var"
    if layer in layers:
        return f"layers/{layer}", "var"
    if layer == "raw" and "raw/X" in file:
        return "raw/X", "raw/var"
    instead = "leave counts_layer out, for X holds counts"
    raise InputError(
        f"{file.filename}: has no layers['{layer}']{nearest(layer, layers)}; "
        f"{instead if _holds_counts(file, 'X') else _advice(file)}."
    )


def _advice(file):
    """What to do where there are no counts: take them from where the file has some."""
    places = {layer: f"layers/{layer}" for layer in file.get("layers", ())}
    for layer, place in ({"raw": "raw/X"} | places).items():
        if _holds_counts(file, place):
            words = "raw" if place == "raw/X" else f"layers['{layer}']"
            return f"{words} holds counts: give the cohort counts_layer: {layer} in the config"
    return "raw and layers hold none either: put the raw counts in X"


def _holds_counts(file, place):
    try:
        refuse_links(file.filename, [place])
        element = file[place]
        if hasattr(element, "keys"):
            values = element["data"][:LOOKED_AT]
        else:
            values = element[: max(1, LOOKED_AT // element.shape[1])]
        return bool((values >= 0).all() and (values == np.floor(values)).all() and values.any())
    except Exception:  # what can't be read is no place to look for counts
        return False


def _read_csr(file, place):
    """A matrix as CSR float32, or None where there is none; a dense one is read by some rows.

    Raises `ValueError` and others for what is no matrix of numbers.
    """
    refuse_links(file.filename, [place])
    element = file.get(place, {})
    stored = element if hasattr(element, "dtype") else element.get("data", np.empty(0))
    if stored.dtype == np.float16:
        raise InputError(
            f"{file.filename}: {place} is float16, which rounds counts above 2,048; write the raw "
            "counts as float32 or as whole numbers."
        )
    if stored.dtype.kind not in "buif":
        raise ValueError(f"its type is {stored.dtype}")
    if stored is not element:
        matrix = read(file, place)
        if sparse.issparse(matrix):
            matrix.check_format()  # what lies outside the matrix is written outside its memory
        counts = matrix if matrix is None else sparse.csr_matrix(matrix, dtype=np.float32)
    else:
        n_rows, n_columns = element.shape
        rows = max(BLOCK // (n_columns * element.dtype.itemsize or 1), (element.chunks or (1,))[0])
        blocks = (element[row : row + rows] for row in range(0, n_rows, rows))
        counts = sparse.vstack([sparse.csr_matrix(block, dtype=np.float32) for block in blocks])
    if counts is not None:
        counts.sum_duplicates()
    return counts
