"""The ceiling of sampling noise: how well the noise-free mean of a gene would score on a slide.

Counts are noisy, so that the best predictor of relative expression does not correlate perfectly
with what was observed. Empirical Bayes tells how well, from the counts alone (docs/ceiling.md):

    c_i ~ Poisson(L_i p_i),  log p_i = log m + beta l_i + q_i,  q_i ~ N(shift - sigma² / 2, sigma²)

c_i are the counts of a gene in spot i, L_i what the spot is scaled by, l_i = log L_i less its mean,
m = sum of c / sum of L. Each (sigma, beta) is weighed by its marginal likelihood over all shifts
and by N(0, .25²) of beta. Under each, at its likeliest shift, the posterior of p_i on a grid gives
the expected rank of p_i, and with the observed ranks the expected correlation. The ceiling is the
mean over all.

On a grid of equal steps in log p, a move by beta l_i is one of the index. Spots with one count and
nearly one L share a posterior: a sparse gene has some hundred such cells, whatever its spots.
"""

import numpy as np
import pandas as pd
from numba import njit
from scipy.stats import rankdata

from spotrank.scoring import CEILINGS
from spotrank.spots import expression

STEP = 0.07  # of log p
GRID = STEP * np.arange(-50, 36)  # of q
SIGMAS = np.array([0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1, 1.3, 1.6, 2, 2.4])
SHIFTS = np.linspace(-0.6, 0.6, 9)
BETAS, BETA_SD = np.linspace(-0.5, 0.5, 5), 0.25
BINS = 3  # of log L, a step: spots of one bin and count are one cell
FLAT = 0.05  # weight of the priors without spread, above which a gene may not vary
FEW = 20  # spots with a count


def ceilings(counts, total):
    """Ceilings of sampling noise of all genes of a slide.

    counts: raw counts, a sparse matrix `(n_spots, n_genes)`; total: what each spot is scaled by
    `(n_spots,)`, or None if it is not, when depth is signal: see `expression.total`.

    Returns a DataFrame, a row a gene: `n_spots, n_positive` (spots with a count), `mean_count`,
    `ceiling_spearman, ceiling_pearson`, their standard deviations `ceiling_spearman_sd,
    ceiling_pearson_sd` (over priors, and of a correlation of n spots) and `ceiling_flag`, which
    says why a ceiling is not to be believed, or ''. Genes without a count have NaN.
    """
    counts = counts.tocsc().astype(float)  # a copy
    counts.sum_duplicates()
    counts.eliminate_zeros()
    spots, priors = _Spots(counts.shape[0], total), _priors()
    rows = [
        _of_gene(spots, counts.indices[start:end], counts.data[start:end], priors)
        for start, end in zip(counts.indptr[:-1], counts.indptr[1:], strict=True)
    ]
    return pd.DataFrame(rows, columns=["n_spots", "n_positive", "mean_count", *CEILINGS])


class _Spots:
    """Spots of a slide in bins of log L: each one's bin `(n,)`, and of a bin its spots and l."""

    def __init__(self, n, total):
        self.n, self.total = n, None if total is None else np.asarray(total, float)
        size = np.ones(n) if total is None else np.maximum(self.total, 1)
        log = np.log(size)
        self.size, self.mean_log = size.sum(), log.mean()
        bins = np.floor((log - self.mean_log) / STEP * BINS)
        self.bin = np.unique(bins, return_inverse=True)[1]
        self.n_of = np.bincount(self.bin)
        self.l_of = np.bincount(self.bin, log - self.mean_log) / self.n_of
        # unscaled, there is no depth to correlate with
        self.betas = BETAS if total is not None else np.zeros(1)
        self.scale = 1.0 if total is None else expression.TARGET_SUM


def _priors():
    """Weights on the grid of each sigma and shift `(n_sigmas, n_shifts, n_grid)`."""
    mean = SHIFTS - SIGMAS[:, None] ** 2 / 2
    z = (GRID - mean[..., None]) / np.maximum(SIGMAS, 1e-3)[:, None, None]
    weights = np.exp(((z**2).min(-1, keepdims=True) - z**2) / 2)
    return weights / weights.sum(-1, keepdims=True)


def _of_gene(spots, where, count, priors):
    """A row of `ceilings`; where, count: the spots that have one, and which."""
    about = spots.n, len(count), count.sum() / spots.n
    few = f"fewer than {FEW} spots have a count" if len(count) < FEW else ""
    if not len(count):
        return *about, *[np.nan] * 4, few
    m = count.sum() / spots.size
    evidence, expected = _expected(
        *_cells(spots, where, count),
        np.log(m) + spots.mean_log, np.log(spots.scale * m), spots.betas, priors, GRID,
    )  # fmt: skip
    evidence -= (spots.betas[:, None] / BETA_SD) ** 2 / 2
    weights = np.exp(evidence - evidence.max())
    weights /= weights.sum()
    mean = (weights * expected).sum((1, 2))
    spread = (weights * (expected - mean[:, None, None]) ** 2).sum((1, 2))
    sd = np.sqrt(spread + (1 - mean**2) ** 2 / spots.n)
    flat = "may not vary at all" if weights[:, SIGMAS == 0].sum() > FLAT else ""
    return *about, *mean, *sd, "; ".join(filter(None, (few, flat)))


def _cells(spots, where, count):
    """Cells of a gene: their count, l, number of spots, and the sums of their spots' standardised
    ranks and values of the observed target, whose sums of squares over all spots are one."""
    n_bins, n_zero = len(spots.n_of), spots.n - len(count)
    total = None if spots.total is None else spots.total[where]
    value = expression.target(count[:, None], total)[:, 0]
    bins = spots.bin[where]
    _, first, cell = np.unique(count * n_bins + bins, return_index=True, return_inverse=True)
    zeros = spots.n_of - np.bincount(bins, minlength=n_bins)
    empty = np.flatnonzero(zeros)
    observed = []
    # without a count all tie at the lowest
    for own, lowest in ((rankdata(value) + n_zero, (n_zero + 1) / 2), (value, 0.0)):
        mean = (own.sum() + n_zero * lowest) / spots.n
        own, lowest = own - mean, lowest - mean
        norm = np.sqrt((own**2).sum() + n_zero * lowest**2)
        sums = np.concatenate([zeros[empty] * lowest, np.bincount(cell, own)])
        observed.append(sums / norm if norm > 1e-9 else sums * np.nan)  # constant
    return (
        np.concatenate([np.zeros(len(empty)), count[first]]),
        spots.l_of[np.concatenate([empty, bins[first]])],
        np.concatenate([zeros[empty], np.bincount(cell)]).astype(float),
        np.stack(observed),
    )


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def _expected(count, depth, n_of, observed, log_mean, log_target, betas, priors, grid):
    """Log evidence `(n_betas, n_sigmas)` of each prior over all shifts, and the expected Spearman's
    and Pearson's correlation at the likeliest `(2, n_betas, n_sigmas)`.

    count, depth (l), n_of, observed: of `_cells`; log_mean: log of the mean of c at l = 0, q = 0;
    log_target: log of what the target is log1p of at q = 0.
    """
    n_cells, (n_sigmas, n_shifts, n_grid) = len(count), priors.shape
    step = grid[1] - grid[0]
    pad = int(np.abs(betas).max() * np.abs(depth).max() / step) + 1
    n_wide = n_grid + 2 * pad
    wide = grid[0] + step * (np.arange(n_wide) - pad)  # of beta l + q
    target = np.log1p(np.exp(log_target + wide))
    likelihood = np.empty((n_cells, n_wide))
    for i in range(n_cells):
        rate = np.exp(log_mean + depth[i] + wide)
        log = count[i] * wide - rate
        likelihood[i] = np.exp(log - log.max())
    evidence = np.empty((len(betas), n_sigmas))
    expected = np.zeros((2, len(betas), n_sigmas))
    marginal = np.empty((n_cells, n_sigmas, n_shifts))
    for b in range(len(betas)):
        moves = pad + np.round(betas[b] * depth / step).astype(np.int64)
        sums = np.zeros((n_sigmas, n_shifts))
        for i in range(n_cells):
            own = likelihood[i, moves[i] : moves[i] + n_grid]
            for s in range(n_sigmas):
                for t in range(n_shifts):
                    x = 0.0
                    for k in range(n_grid):
                        x += own[k] * priors[s, t, k]
                    marginal[i, s, t] = max(x, 1e-300)
                    sums[s, t] += n_of[i] * np.log(marginal[i, s, t])
        for s in range(n_sigmas):
            t = sums[s].argmax()
            evidence[b, s] = sums[s, t] + np.log(np.exp(sums[s] - sums[s, t]).sum())
            # how the spots' p is distributed, and the share that lies below each
            spread = np.zeros(n_wide)
            for i in range(n_cells):
                share = n_of[i] / marginal[i, s, t]
                for k in range(n_grid):
                    spread[moves[i] + k] += likelihood[i, moves[i] + k] * priors[s, t, k] * share
            spread /= spread.sum()
            below = np.cumsum(spread) - spread / 2
            for kind, of_p in enumerate((below, target)):
                mean = (spread * of_p).sum()
                sd = np.sqrt((spread * (of_p - mean) ** 2).sum() * n_of.sum())
                if sd < 1e-6:  # what doesn't vary correlates with nothing
                    continue
                for i in range(n_cells):
                    x = 0.0
                    for k in range(n_grid):
                        j = moves[i] + k
                        x += likelihood[i, j] * priors[s, t, k] * of_p[j]
                    expected[kind, b, s] += x / marginal[i, s, t] * observed[kind, i] / sd
    return evidence, expected
