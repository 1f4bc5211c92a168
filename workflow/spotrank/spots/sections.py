"""Which samples are one section under several ids: by equal counts or pixels, whatever is said.

A fingerprint of counts is the same in any order of spots and genes and any way to store them; one
of pixels is of nine places about the middle of the spots, so that sections apart on one slide
differ.
"""

import hashlib
from itertools import product
from pathlib import Path

import numpy as np
from scipy import sparse

from spotrank.base.store import refuse_links
from spotrank.spots.slides import SlidePatches, open_slide

CELLS, PX = 16, 32  # cells of a slide a side, and px a side that are looked at in each


def fingerprints(counts, spatial, wsi=None):
    """Fingerprints of a sample, to be kept: of its counts and, if there is a slide, its pixels.

    counts: raw, of all spots as measured, sparse `(n_spots, n_genes)`; spatial: their centres in
    full-resolution px `(n_spots, 2)`; wsi: path of the slide.
    """
    return [of_counts(counts), *filter(None, [wsi and of_pixels(wsi, spatial)])]


def of_counts(counts):
    """Digest of the numbers of genes and of counts that the spots have, in order."""
    spots = np.stack([counts.getnnz(1), np.asarray(counts.sum(1, dtype=float)).ravel()])
    return _digest(spots[:, np.lexsort(spots)])


def of_pixels(wsi, spatial):
    """Digest of the middles of nine cells of the slide, about that in which the spots' median is;
    None where all are blank."""
    with open_slide(wsi) as slide:
        side = np.array(slide.dimensions) / CELLS
    cells = np.median(spatial, axis=0) // side + list(product((-1, 0, 1), repeat=2))
    patches = SlidePatches(wsi, np.floor((cells + 0.5) * side), PX, PX)
    seen = np.stack([patches[i] for i in range(len(patches))])
    return _digest(seen) if np.ptp(seen) else None


def _digest(values):
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def alike(st, wsis):
    """`[(samples, 'counts' or 'pixels')]` of those that are equal, by a look at their files.

    st, wsis: `{sample: path}` of those that are there. Milliseconds a file, whose content is read
    only where what costs nothing agrees: dense counts at other places are not found here.
    """
    counts = _equal(st, lambda sample: _entries(st[sample]), lambda sample: _counts(st[sample]))
    pixels = _equal(
        wsis,
        lambda sample: _extent(wsis[sample]),
        lambda sample: of_pixels(wsis[sample], _places(st[sample])),
    )
    return [(own, "counts") for own in counts] + [(own, "pixels") for own in pixels]


def _equal(samples, *looks):
    """Groups of samples that are the same in each of `looks`, of which each goes on where the one
    before found any; what can't be looked at is in none, others say what is wrong with it."""
    groups = [list(samples)]
    for look in looks:
        seen = {}
        for number, group in enumerate(groups):
            for sample in group:
                try:
                    mark = look(sample)
                except Exception:  # whatever libraries make of a damaged file
                    mark = None
                seen.setdefault((number, mark), []).append(sample)
        groups = [own for (_, mark), own in seen.items() if len(own) > 1 and mark is not None]
    return groups


def _entries(st):
    """What files of equal counts share: the entries of sparse ones, the places of dense ones."""
    import h5py

    with h5py.File(st) as file:
        if isinstance(file["X"], h5py.Group):
            return file["X/data"].size
    return np.sort(_places(st), axis=0).tobytes()


def _places(st):
    import h5py

    with h5py.File(st) as file:
        return file["obsm/spatial"][:]


def _counts(st):
    import h5py
    from anndata.io import read_elem

    refuse_links(st)
    with h5py.File(st) as file:
        counts = sparse.csr_matrix(read_elem(file["X"]))
    counts.eliminate_zeros()
    return of_counts(counts)


def _extent(wsi):
    with open_slide(wsi) as slide:
        return slide.dimensions


def join(samples, group):
    """Make a `group` of samples one section of one patient in the table `samples`, whose columns
    `section` and `patient` are altered: all samples of the patients they had go with them."""
    for column in ("section", "patient"):
        labels = samples.loc[group, column].unique()
        if len(labels) > 1:
            own = samples[column].isin(labels)
            samples.loc[own, column] = " = ".join(labels)


def across(groups, test):
    """Of groups (sets) of samples that are one section, a sentence for each that is in `test` in
    part."""
    parted = (sorted(own) for own in groups if own & {*test} and own - {*test})
    return [f"{' and '.join(own)} are one section" for own in parted]


def leaks(inputs, test):
    """`across` of the samples among the `inputs` of a record (see `provenance`), by the
    fingerprints that `pair` kept."""
    groups = {}
    for path, stamped in inputs.items():
        for mark in stamped.get("section", []):
            groups.setdefault(mark, set()).add(Path(path).stem)
    return list(dict.fromkeys(across(groups.values(), test)))
