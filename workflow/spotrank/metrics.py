"""Correlations and errors, a gene at a time, vectorised over genes."""

import numpy as np
from scipy.stats import rankdata


def pearson(a, b):
    """Pearson's correlation of the columns of `a` and `b` `(..., n_spots, n_genes)`.

    Returns `(..., n_genes)`; NaN where a column is constant, for there it is undefined.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    constant = (np.ptp(a, axis=-2) == 0) | (np.ptp(b, axis=-2) == 0)
    a = a - a.mean(-2, keepdims=True)
    b = b - b.mean(-2, keepdims=True)
    norm = np.sqrt((a * a).sum(-2) * (b * b).sum(-2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(constant, np.nan, np.clip((a * b).sum(-2) / norm, -1, 1))


def spearman(a, b):
    """Spearman's correlation: `pearson` of the mid-ranks (ties share their mean rank)."""
    return pearson(rankdata(a, axis=-2), rankdata(b, axis=-2))


def mse(a, b):
    """Mean squared difference of the columns: `(..., n_spots, n_genes)` to `(..., n_genes)`."""
    return np.square(np.asarray(a, float) - np.asarray(b, float)).mean(-2)
