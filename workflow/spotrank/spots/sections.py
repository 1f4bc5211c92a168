"""Which samples are one section under several ids: those whose counts or pixels are equal.

A mark is a digest of what a sample's files hold; samples that share one are one section. That of
counts is the same in any order of spots and genes, and however they are stored. Those of pixels are
of nine places about the middle of the spots, so that sections apart on one slide share none.
"""

import hashlib
from itertools import product

import numpy as np
from scipy import sparse

from spotrank.base.store import refuse_links
from spotrank.spots.slides import SlidePatches, open_slide

CELLS = 16  # a side of a slide
PX = 32  # side of what is looked at in a cell's middle
SHORT = 16  # digits of a mark


def marks(counts, spatial, wsi=None):
    """Marks of a sample, by its counts and, if there is a slide, its pixels.

    counts: raw, of all spots as measured, sparse `(n_spots, n_genes)`; spatial: their centres in
    full-resolution px `(n_spots, 2)`; wsi: path of the slide.
    """
    return of_counts(counts) + (of_pixels(wsi, spatial) if wsi else [])


def of_counts(counts):
    """The mark of the spots' numbers of genes and counts."""
    spots = np.stack([counts.getnnz(1), np.asarray(counts.sum(1, dtype=float)).ravel()])
    return [_digest(spots[:, np.lexsort(spots)])]


def of_pixels(wsi, spatial):
    """Marks of the nine cells of the slide about that of the spots' median, but blank ones."""
    with open_slide(wsi) as slide:
        side = np.array(slide.dimensions) / CELLS
    cells = np.median(spatial, axis=0) // side + list(product((-1, 0, 1), repeat=2))
    patches = SlidePatches(wsi, np.floor((cells + 0.5) * side), PX, PX)
    seen = [(cell, patches[i]) for i, cell in enumerate(cells)]
    return [_digest(side, cell, pixels) for cell, pixels in seen if np.ptp(pixels)]


def _digest(*arrays):
    content = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    return hashlib.sha256(content).hexdigest()[:SHORT]


def sharing(marks_of):
    """Groups of samples that share a mark, each once; marks_of: `{sample: marks}`."""
    groups = {}
    for sample, own in marks_of.items():
        for mark in own:
            groups.setdefault(mark, []).append(sample)
    return [list(own) for own in dict.fromkeys(map(tuple, groups.values())) if len(own) > 1]


def alike(st, wsis):
    """`[(samples, 'counts' or 'pixels')]` of those that share a mark, by a look at their files.

    st, wsis: `{sample: path}` of those that are there. Milliseconds a file, whose content is read
    only where what costs nothing agrees: dense counts at other places are not found here.
    """
    looks = {
        "counts": (st, _entries, lambda sample: _of_file(st[sample])),
        "pixels": (wsis, _extent, lambda sample: of_pixels(wsis[sample], _places(st[sample]))),
    }
    return [
        (own, what)
        for what, (paths, first, then) in looks.items()
        for near in sharing({sample: _look(first, path) for sample, path in paths.items()})
        for own in sharing({sample: _look(then, sample) for sample in near})
    ]


def _look(function, *arguments):
    """What `function` says, or nothing: of a file that is damaged others say so."""
    try:
        return function(*arguments)
    except Exception:  # whatever the libraries make of a damaged file
        return []


def _entries(st):
    """What files of equal counts share: the entries of sparse ones, the places of dense ones."""
    import h5py

    with h5py.File(st) as file:
        if isinstance(file["X"], h5py.Group):
            return [file["X/data"].size]
    return [_digest(np.sort(_places(st), axis=0))]


def _places(st):
    import h5py

    with h5py.File(st) as file:
        return file["obsm/spatial"][:]


def _of_file(st):
    """`of_counts` of an h5ad."""
    import h5py
    from anndata.io import read_elem

    refuse_links(st)
    with h5py.File(st) as file:
        counts = sparse.csr_matrix(read_elem(file["X"]))
    counts.eliminate_zeros()
    return of_counts(counts)


def _extent(wsi):
    with open_slide(wsi) as slide:
        return [slide.dimensions]


def join(samples, group):
    """Make a `group` of samples one section of one patient in the table `samples`, whose columns
    `section` and `patient` are altered: all samples of the patients they had go with them."""
    for column in ("section", "patient"):
        labels = samples.loc[group, column].unique()
        if len(labels) > 1:
            own = samples[column].isin(labels)
            samples.loc[own, column] = " = ".join(labels)


def across(groups, test):
    """Of groups of samples that are one section, a sentence for each that is in `test` in part."""
    parted = (sorted(own) for own in groups if {*own} & {*test} and {*own} - {*test})
    return [f"{' and '.join(own)} are one section" for own in parted]


def leaks(known, test):
    """`across` of what is `known` of samples in a record (see `provenance`)."""
    return across(found(known), test)


def found(known):
    """Groups of samples that are one section, by the marks that `pair` kept.

    known: `{cohort/sample: what is known of it}`, of one cohort.
    """
    return sharing({name.partition("/")[2]: own["section"] for name, own in known.items()})
