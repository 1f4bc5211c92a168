"""Embeddings in files: those that `embed` wrote, and those that people have."""

import json
from contextlib import contextmanager

import numpy as np

from spotrank.base.store import InputError, in_a_line, refuse_links
from spotrank.cohorts import hest

# names of parts: ours and HEST-Benchmark's, TRIDENT's
VECTORS, BARCODES = ("embeddings", "features"), ("barcode", "barcodes")
SIDE = "patch_size_level0"  # of TRIDENT's `coords`: a patch's side in full-resolution px
OURS, GIVEN = "delete it and run again", "make it again"
# what tools do to barcodes, and what undoes it
DIFFERENCES = {
    "the suffix after '-'": lambda barcode: barcode.rpartition("-")[0] or barcode,
    "the prefix before '_'": lambda barcode: barcode.rpartition("_")[2],
    "the suffix after '_'": lambda barcode: barcode.partition("_")[0],
    "upper and lower case": str.lower,
    "white space": str.strip,
}


class _Unfit(Exception):
    """What is wrong with a file, in words."""


def read(path, made_by=None):
    """Read embeddings that `embed` wrote as `(barcodes, embeddings (n, d) float32)`.

    made_by: what must have made them, unless None. Raises `InputError` for a file that is
    incomplete, malformed, or made differently.
    """
    with _opened(path, OURS) as file:
        vectors, barcodes = _parts(file)
        n_spots, found = file.attrs.get("n_spots"), json.loads(file.attrs.get("made_by", "{}"))
        vectors = _numbers(vectors)
        if n_spots != len(barcodes):
            raise _Unfit("is not complete")
        for key, value in json.loads(json.dumps(made_by or {})).items():
            if found.get(key) != value:
                raise _Unfit(
                    f"was made differently: {key} is {found.get(key)!r}, but the config says "
                    f"{value!r}"
                )
    return barcodes, vectors


def check_given(path, st=None):
    """The dimension of embeddings from elsewhere; `InputError` if they don't fit their sample.

    st: the sample's spots (h5ad), if they are here. Of the file, all but the embeddings is read.
    """
    with _opened(path, GIVEN) as file:
        vectors, barcodes = _parts(file)
        if st is not None:
            _rows(file, vectors, barcodes, st)
        elif barcodes is None:
            _patches(file, vectors)
        return vectors.shape[-1]


def read_given(path, st):
    """Read embeddings from elsewhere as `(barcodes, embeddings (n, d) float32)`.

    st: the sample's spots (h5ad). Where the file has no barcodes, a spot takes the patch that it
    lies on, of several that with the nearest centre. Raises `InputError` as `check_given` does, for
    numbers that are not finite, and where half of the spots lie on no patch.
    """
    with _opened(path, GIVEN) as file:
        vectors, barcodes = _parts(file)
        rows, barcodes = _rows(file, vectors, barcodes, st, least=0.5)
        return barcodes, _numbers(vectors)[rows]


def read_places(path):
    """`(names, centres (n, 2))` in full-resolution px of the patches of embeddings from elsewhere.

    Ours have centres; others the upper left corners and the attribute `patch_size_level0`. Raises
    `InputError` for files that don't tell, too.
    """
    with _opened(path, GIVEN) as file:
        vectors, barcodes = _parts(file)
        if "n_spots" in file.attrs:
            return barcodes, file["coords"][()].astype(float)
        corners, side = _patches(file, vectors)
        return barcodes or [f"p{i:06d}" for i in range(len(corners))], corners + side / 2


def read_barcodes(path):
    """Barcodes of embeddings from elsewhere; `InputError` if they have none."""
    with _opened(path, GIVEN) as file:
        barcodes = _parts(file)[1]
        if barcodes is None:
            raise _Unfit("has no barcodes, by which to find its patches among the spots")
        return barcodes


@contextmanager
def opened(path, rows):
    """Yield the `Rows` of embeddings in a file, ours or from elsewhere."""
    import h5py

    with _opened(path, GIVEN) as file:
        _parts(file)
    with h5py.File(path) as file:  # what is wrong within the block is not the file's
        yield Rows(_parts(file)[0], rows)


class Rows:
    """Some rows of embeddings on disk, as `shape (n, d)` and slices `(…, d)` float32.

    rows: which, ascending `(n,)`. Raises `InputError` for numbers that are not finite.
    """

    def __init__(self, vectors, rows):
        self.vectors, self.rows = vectors, rows
        self.shape = (len(rows), vectors.shape[-1])

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, some):
        wanted = self.rows[some]
        try:
            block = _numbers(self.vectors[..., wanted[0] : wanted[-1] + 1, :])
        except (_Unfit, OSError) as error:
            raise InputError(f"{self.vectors.file.filename}: {error}; {GIVEN}.") from None
        return block[wanted - wanted[0]]


@contextmanager
def _opened(path, advice):
    """Yield the file; `InputError`, with `advice` at its end, for whatever is wrong with it."""
    import h5py

    try:
        refuse_links(path)
        with h5py.File(path) as file:
            yield file
    except InputError:
        raise
    except _Unfit as error:
        raise InputError(f"{path}: {error}; {advice}.") from None
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the cohort's 'embeddings'.") from None
    except Exception as error:  # whatever the library makes of a file that is damaged
        raise InputError(
            f"{path}: not a whole file of embeddings ({in_a_line(error)}); {advice}."
        ) from None


def _parts(file):
    """The embeddings `(n, d)` or `(1, n, d)`, on disk, and their barcodes, or None."""
    import h5py

    name = next((name for name in VECTORS if name in file), None)
    if name is None:
        raise _Unfit(f"has none of {', '.join(VECTORS)}, but {', '.join(file) or 'nothing'}")
    vectors = file[name]
    shape = vectors.shape
    if vectors.dtype.kind not in "fiu":
        raise _Unfit(f"'{name}' is {vectors.dtype}, not real numbers")
    if (len(shape) != 2 and (len(shape) != 3 or shape[0] != 1)) or 0 in shape:
        raise _Unfit(f"'{name}' is {shape}, not (spots, numbers)")
    key = next((key for key in BARCODES if key in file), None)
    if key is None:
        return vectors, None
    if not h5py.check_string_dtype(file[key].dtype):
        raise _Unfit(f"'{key}' is {file[key].dtype}, not text")
    barcodes = list(file[key].asstr("utf-8")[()].ravel())
    if shape[-2] != len(barcodes):
        raise _Unfit(f"'{name}' {shape} doesn't match {len(barcodes)} barcodes")
    if len(set(barcodes)) < len(barcodes):
        raise _Unfit("a barcode stands there twice")
    return vectors, barcodes


def _numbers(vectors):
    """The embeddings in memory, `(n, d)` float32."""
    vectors = vectors[()].reshape(-1, vectors.shape[-1]).astype(np.float32)
    if not np.isfinite(vectors).all():
        raise _Unfit("some embeddings are not finite numbers")
    return vectors


def _rows(file, vectors, barcodes, st, least=0.0):
    """Rows of the embeddings that are of spots, and the barcodes of these.

    least: the share of spots that, by place, must have more than that.
    """
    from scipy.spatial import cKDTree

    spots = hest.read_spots(st)
    names = list(spots.obs_names)
    if barcodes is not None:
        if not set(barcodes) & set(names):
            raise InputError(
                f"{file.filename}: has no barcode of {st}: they are such as '{barcodes[0]}' and "
                f"'{names[0]}', {cause(barcodes, names, 'embeddings')}."
            )
        return slice(None), barcodes
    corners, side = _patches(file, vectors)
    reach = side / 2 * (1 + 1e-9)  # on an edge is on the patch
    places = np.asarray(spots.obsm["spatial"], float)
    distance, row = cKDTree(corners + side / 2).query(places, p=np.inf, distance_upper_bound=reach)
    found = np.flatnonzero(np.isfinite(distance))
    if len(found) <= least * len(names):
        raise InputError(
            f"{file.filename}: {len(found)} of {len(names)} spots of {st} lie on its "
            f"{len(corners)} patches of {side:g} px: the spots are at {_extent(places)}, the "
            f"patches' corners at {_extent(corners)}; write both in full-resolution px."
        )
    return row[found], [names[i] for i in found]


def cause(ours, theirs, key):
    """Why barcodes may have nothing in common, and what to do; key: of the cohort, where they are
    from."""
    for what, undone in DIFFERENCES.items():
        if set(map(undone, ours)) & set(map(undone, theirs)):
            return f"which differ in {what}; write those of the spots"
    return f"which are of different samples; check the cohort's '{key}'"


def _patches(file, vectors):
    """Upper left corners `(n, 2)` and side of the patches, in full-resolution px."""
    if "coords" not in file:
        raise _Unfit("has neither barcodes nor 'coords', so whose embeddings they are is not told")
    coords, n = file["coords"], vectors.shape[-2]
    if coords.shape not in ((n, 2), (1, n, 2)):
        raise _Unfit(f"'coords' {coords.shape} doesn't match {n} embeddings")
    if not coords.attrs.get(SIDE, 0) > 0:
        raise _Unfit(f"has no barcodes, and 'coords' no '{SIDE}', a patch's side in px")
    return coords[()].reshape(n, 2).astype(float), float(coords.attrs[SIDE])


def _extent(places):
    """Where `places (n, 2)` lie, in words."""
    (left, top), (right, bottom) = places.min(0), places.max(0)
    return f"x {left:.0f} to {right:.0f}, y {top:.0f} to {bottom:.0f}"
