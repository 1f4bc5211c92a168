"""Files of 10x Genomics that kinds of runs share: matrices of counts, positions of spots."""

import gzip
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import io, sparse

from spotrank.base.store import InputError, in_a_line, refuse_links, unreadable

MATRICES = {"filtered": "filtered_feature_bc_matrix", "raw": "raw_feature_bc_matrix"}
GENES = "Gene Expression"
BLOCK = 2**24  # counts in memory at a time


def outs_of(folder):
    """The folder of outputs in a run's folder, or that folder itself."""
    outs = Path(folder) / "outs"
    return outs if outs.is_dir() else Path(folder)


def find_matrix(folder, kinds=MATRICES):
    """Path of the matrix of counts in a folder of outputs, and its kind.

    kinds: `{kind: name}`, the best first; HDF5 comes before a folder of the same kind. A name may
    follow a prefix, as in 10x's public data. `InputError` if there is none, or two.
    """
    for kind, name in kinds.items():
        for suffix in (".h5", ""):
            if path := called(folder, name + suffix):
                return path, kind
    names = " or ".join(f"{name}.h5" for name in kinds.values())
    raise InputError(
        f"{folder}: holds no matrix of counts ({names}, or a folder so called); give the folder of "
        "the run's outputs, unpacked."
    )


def read_matrix(path):
    """Counts of all features, `(n_barcodes, n_features)` CSR float32, the features and barcodes,
    see `read_counts` and `read_names`."""
    features, barcodes = read_names(path)
    counts = [part for _, part in read_counts(path, features, barcodes)]
    return sparse.vstack(counts, "csr"), features, barcodes


def read_names(path):
    """Features of a matrix, name as index, columns `id` and `type` ('' where none is told), and
    its barcodes, which are unique, else `InputError`."""
    path = Path(path)
    features, barcodes = (_names_of_mex if path.is_dir() else _names_of_h5)(path)
    if not barcodes.is_unique:
        raise InputError(
            f"{path}: the barcode '{barcodes[barcodes.duplicated()][0]}' stands there twice; take "
            "the matrix as the run wrote it."
        )
    return features, barcodes


def read_counts(path, features, barcodes):
    """Counts of some barcodes at a time: `(slice of barcodes, CSR float32 (n, n_features))`.

    path: an HDF5 file, or a folder of three files (MEX), each gzipped or not, which come at once;
    features, barcodes: as `read_names` returns them. `InputError` for what is damaged, foreign, of
    probes, or of genes and no counts; proteins may have fractions.
    """
    path, shape = Path(path), (len(barcodes), len(features))
    gene = features["type"].isin((GENES, "")).to_numpy()
    for rows, counts in (_counts_of_mex if path.is_dir() else _counts_of_h5)(path, shape):
        try:
            counts.check_format()  # what lies outside the matrix is read outside its memory
        except ValueError as error:
            raise unreadable(path, error, "matrix of counts") from None
        values = counts.data
        wrong = ~((values >= 0) & (values == np.floor(values)) & (values < np.inf))
        wrong &= gene[counts.indices]
        if wrong.any():
            raise InputError(
                f"{path}: holds {values[wrong][0]:g}, which is no count; take the matrix as the "
                "run wrote it."
            )
        counts.sum_duplicates()
        counts.eliminate_zeros()
        yield rows, counts


def read_genes(path):
    """As `read_matrix`, genes only; and what was left out, `{what: value}` for `Sample.found`."""
    counts, features, barcodes = read_matrix(path)
    counts, genes, found = gene_expression(counts, features, path)
    return counts, genes, barcodes, found


def gene_expression(counts, features, path):
    """Columns of `counts` and rows of `features` that are genes, and what was left out.

    Where no feature has a type, all are genes. The third value is `{what: value}`, for
    `Sample.found`.
    """
    types = features["type"]
    genes = (types == GENES).to_numpy()
    if genes.all() or not types.any():
        return counts, features, {}
    if not genes.any():
        raise InputError(
            f"{path}: has no features of the type '{GENES}', only '{types.iloc[0]}'; take the "
            "matrix that holds genes."
        )
    found = {
        f"left out as '{kind}'": f"{of.sum()} features, {counts[:, of].sum(dtype=float):.0f} counts"
        for kind, of in ((kind, (types == kind).to_numpy()) for kind in types[~genes].unique())
    }
    return counts[:, genes], features[genes], found


def names_of_squares(squares, side_um):
    """Names of squares `(n, 2)`, row and column, as Visium HD names its bins."""
    return pd.Index([f"s_{side_um:03.0f}um_{row:05d}_{column:05d}" for row, column in squares])


def texts(values):
    """Text of values that files hold as text, bytes or whole numbers."""
    values = pd.Series(values)
    if values.dtype.kind == "f":  # as R writes whole numbers
        values = values.astype(int)
    if values.dtype == object:
        return values.map(lambda value: value.decode() if isinstance(value, bytes) else str(value))
    return values.astype(str)


@contextmanager
def reading(path, kind):
    """Turn what libraries say of a file that is damaged or foreign into an `InputError`; kind: of
    what it should be."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the sample's folder.") from None
    except Exception as error:  # whatever the libraries make of a file that is damaged
        raise InputError(
            f"{path}: not a readable {kind} ({in_a_line(error)}), perhaps truncated; get it again."
        ) from None


def plain(path):
    """A file opened to read bytes, unpacked if its first bytes say that it is gzipped."""
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if packed else open(path, "rb")


def called(folder, *names):
    """The one path in `folder` that is called, or ends with, one of `names`, or None."""
    for name in names:
        paths = sorted(Path(folder).glob(f"*{name}"))
        paths = [path for path in paths if path.name == name] or [
            path for path in paths if not path.name.startswith(".")
        ]
        if len(paths) > 1:
            raise InputError(
                f"{folder}: holds both {paths[0].name} and {paths[1].name}; keep the sample's own."
            )
        if paths:
            return paths[0]
    return None


@contextmanager
def _opened(path):
    """Yield the group of a file of HDF5 that holds a matrix of genes; what keeps it from being
    read becomes an `InputError`."""
    import h5py

    try:
        refuse_links(path, ["matrix"])
        with h5py.File(path) as file:
            if "matrix/features" not in file:
                raise InputError(
                    f"{path}: holds no matrix of features and barcodes; take the run's "
                    "filtered_feature_bc_matrix.h5 or cell_feature_matrix.h5."
                )
            if {"gene_name", "filtered_probes"} & {*file["matrix"], *file["matrix/features"]}:
                raise InputError(
                    f"{path}: holds counts of probes, not of genes; take the run's "
                    "filtered_feature_bc_matrix.h5."
                )
            yield file["matrix"]
    except InputError:
        raise
    except Exception as error:  # whatever the libraries make of a file that is damaged
        raise unreadable(path, error, "matrix of counts") from None


def _names_of_h5(path):
    with _opened(path) as matrix:
        names = {
            name: texts(matrix[f"features/{name}"][:])
            for name in ("id", "name", "feature_type")
            if name in matrix["features"]
        }
        features = _features(names["id"], names.get("name"), names.get("feature_type"))
        return features, pd.Index(texts(matrix["barcodes"][:]))


def _counts_of_h5(path, shape):
    with _opened(path) as matrix:
        _check_shape(path, [int(n) for n in matrix["shape"][:][::-1]], shape)
        # a column of a barcode, compressed, is a row of its transpose; floats in files that R wrote
        ends = matrix["indptr"].astype(np.int64)[:]
        size = matrix["data"].shape[0]
        if len(ends) != shape[0] + 1 or ends[0] or ends[-1] != size or (np.diff(ends) < 0).any():
            raise ValueError("its indptr is not of its data")
        start = 0
        while start < shape[0]:
            stop = max(int(np.searchsorted(ends, ends[start] + BLOCK, "right")) - 1, start + 1)
            part = slice(ends[start], ends[stop])
            values = matrix["data"].astype(np.float32)[part]
            indices = matrix["indices"].astype(np.int32)[part]
            inside = ends[start : stop + 1] - ends[start]
            counts = sparse.csr_matrix((values, indices, inside), shape=(stop - start, shape[1]))
            yield slice(start, stop), counts
            start = stop


def _names_of_mex(folder):
    """Of Space Ranger's files, or of Cell Ranger 2's, which name no types."""
    features = _tsv(_part(folder, "features.tsv", "genes.tsv"))
    barcodes = _tsv(_part(folder, "barcodes.tsv"))[0]
    return _features(features[0], features.get(1), features.get(2)), pd.Index(barcodes.to_numpy())


def _counts_of_mex(folder, shape):
    path = _part(folder, "matrix.mtx")
    with reading(path, "matrix of counts"), plain(path) as file:
        counts = sparse.csr_matrix(io.mmread(file).T, dtype=np.float32)
    _check_shape(path, counts.shape, shape)
    yield slice(0, shape[0]), counts


def _check_shape(path, shape, named):
    if tuple(shape) != named:
        raise InputError(
            f"{path}: its matrix is of {shape[0]:,} barcodes and {shape[1]:,} features, but "
            f"{named[0]:,} and {named[1]:,} are named; get it again."
        )


def _part(folder, *names):
    if path := called(folder, *(name + suffix for name in names for suffix in ("", ".gz"))):
        return path
    raise InputError(f"{folder}: lacks {names[0]}, gzipped or not; get the folder again.")


def _tsv(path):
    with reading(path, "table"), plain(path) as file:
        return pd.read_csv(file, sep="\t", header=None, dtype=str, keep_default_na=False)


def _features(ids, names, types):
    """Features as `read_names` returns them."""
    features = pd.DataFrame({"id": ids, "type": "" if types is None else types})
    return features.set_index(pd.Index((ids if names is None else names).to_numpy()))
