"""Relative expression: what a fit predicts and a score compares with."""

import numpy as np

TARGET_SUM = 1e4


def total(counts, library, scaling):
    """Counts that a spot is scaled by `(n_spots,)`, or None if it is not.

    counts: raw counts of the panel `(n_spots, n_genes)`; library: counts of a spot over all genes
    `(n_spots,)`; scaling: 'library', 'panel' (as STRank released) or 'none' (HEST-Benchmark, AGL).
    """
    return {"library": library, "panel": np.asarray(counts.sum(1)).ravel(), "none": None}[scaling]


def target(counts, total):
    """log1p of counts `(n_spots, n_genes)`, scaled to 10,000 by the `total` of a spot if given.

    A spot without a count is 0 everywhere.
    """
    if total is None:
        return np.log1p(counts)
    return np.log1p(counts * (TARGET_SUM / np.maximum(total, 1))[:, None])


def size(counts, library, scaling, share):
    """Depth of a spot as the likelihoods see it, in mean counts a gene of the panel `(n_spots,)`.

    share: of all counts, those that fall on the panel, in training. With 'panel' it is the mean
    count over the panel (STRank), with 'library' what the library lets expect of it, with 'none' 1.
    """
    if scaling == "none":
        return np.ones(len(counts))
    return (library * share if scaling == "library" else counts.sum(1)) / counts.shape[1]
