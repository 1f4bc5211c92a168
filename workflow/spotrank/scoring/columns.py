"""The columns of scores: a function each, of what was measured of genes or of their predictions."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from spotrank.scoring import metrics


@dataclass
class Measured:
    """Some genes as measured on a slide, arrays `(n_spots, n_genes)`.

    counts: raw; target: log1p units (tensor); noise_free: the mean that counts were drawn from,
    known of simulated cohorts only (tensor), or None; depth: ranks of a spot's counts over all
    genes `(n_spots, 1)` (tensor); neighbours: weights of `neighbours.neighbours`.
    """

    counts: np.ndarray
    target: torch.Tensor
    noise_free: torch.Tensor | None
    depth: torch.Tensor
    neighbours: object

    @cached_property
    def ranks(self):
        return metrics.ranks(self.target)

    @cached_property
    def of_depth(self):
        """What a spot's counts over all genes score: of a sparse gene deep spots have more, scaled
        or not."""
        return metrics.pearson(self.depth, self.ranks)

    @property
    def best(self):
        """What the noise-free mean scores, the best that can be reached; NaN if it is unknown."""
        if self.noise_free is None:
            return np.full(self.counts.shape[1], np.nan)
        return metrics.pearson(metrics.ranks(self.noise_free), self.ranks)


@dataclass
class Predicted:
    """Predictions of `measured` by some runs, tensors `(n_runs, n_spots, n_genes)`.

    slope, intercept: to log1p units `(n_runs, 1, n_genes)`, see `predict.calibrate`.
    """

    measured: Measured
    score: torch.Tensor
    slope: torch.Tensor
    intercept: torch.Tensor

    @cached_property
    def ranks(self):
        return metrics.ranks(self.score)

    @cached_property
    def calibrated(self):
        return self.slope * self.score + self.intercept

    @cached_property
    def spearman(self):
        return metrics.pearson(self.ranks, self.measured.ranks)

    @property
    def given_depth(self):
        """What is left of `spearman` without the depth of a spot."""
        of_depth = metrics.pearson(self.ranks, self.measured.depth)
        return metrics.partial(self.spearman, of_depth, self.measured.of_depth)


# each gives a number a gene, `(n_genes,)`
MEASURED = {
    "n_spots": lambda own: len(own.counts),
    "mean_count": lambda own: own.counts.mean(0),
    "noise_free_spearman": lambda own: own.best,
    "depth_spearman": lambda own: own.of_depth,
    "moran_observed": lambda own: metrics.moran(own.target, own.neighbours),
}

# each gives a number a run and gene, `(n_runs, n_genes)`
PREDICTED = {
    "spearman": lambda own: own.spearman,
    "pearson": lambda own: metrics.pearson(own.score, own.measured.target),
    "mse": lambda own: metrics.mse(own.calibrated, own.measured.target),
    "mae": lambda own: metrics.mae(own.calibrated, own.measured.target),
    "spearman_given_depth": lambda own: own.given_depth,
    "moran_predicted": lambda own: metrics.moran(own.score, own.measured.neighbours),
}
