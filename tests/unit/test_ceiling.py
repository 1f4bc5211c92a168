"""Ceilings of sampling noise, against limits and simulations whose noise-free mean is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from spotrank.scoring import ceiling
from spotrank.scoring.ceiling import ceilings

NUMBERS = list(ceiling.CEILINGS[:4])


def simulated(mean, spread, n=300, depth=0.7, seed=0):
    """Poisson counts `(n, n_genes)` of lognormal p, the library, and p; a gene an item of `mean`,
    the mean count a spot, and of `spread`."""
    rng = np.random.default_rng(seed)
    spread = np.asarray(spread)
    p = np.exp(rng.normal(size=(n, len(spread))) * spread - spread**2 / 2)
    library = np.round(rng.lognormal(8, depth, n))
    rate = p * np.asarray(mean) * (library / library.mean())[:, None]
    return sparse.csc_matrix(rng.poisson(rate)), library, p


def noise_free(counts, library, p):
    """Spearman's and Pearson's correlation of each gene's noise-free mean with its target."""
    scale = 1 if library is None else 1e4 / library[:, None]
    target = np.log1p(counts.toarray() * scale)
    rank = [stats.spearmanr(*pair).statistic for pair in zip(p.T, target.T, strict=True)]
    return np.array(rank), target


def test_bias_on_a_known_simulation():
    means = np.tile([0.2, 1, 5, 50], 30)
    counts, library, p = simulated(means, np.tile(np.repeat([0.3, 0.6, 1.2], 4), 10))
    found, (truth, target) = ceilings(counts, library), noise_free(counts, library, p)
    error = found["ceiling_spearman"] - truth
    assert abs(error.mean()) < 0.02
    assert (error.groupby(means).mean().abs() < 0.06).all()
    assert np.sqrt((error**2).mean()) < 0.12
    # as wide as it says
    assert 0.6 < (error / found["ceiling_spearman_sd"]).std() < 1.5
    log_mean = np.log1p(1e4 * p * means / library.mean())
    pearson = [stats.pearsonr(*pair)[0] for pair in zip(log_mean.T, target.T, strict=True)]
    assert abs((found["ceiling_pearson"] - pearson).mean()) < 0.03


def test_bias_where_depth_is_signal():
    counts, _, p = simulated(np.tile([1, 5, 20], 30), [0.6] * 90, depth=0)
    truth, _ = noise_free(counts, None, p)
    assert abs((ceilings(counts, None)["ceiling_spearman"] - truth).mean()) < 0.02


def test_many_counts_leave_little_noise():
    counts, library, _ = simulated([2000, 2000], [0.3, 0.6])
    found = ceilings(counts, library)
    assert (found[NUMBERS[:2]] > 0.97).all(None)
    assert (found["ceiling_flag"] == "").all()


def test_a_gene_without_variation_is_flagged():
    counts, library, _ = simulated([0.5, 2, 10] * 5, [0.0] * 15)
    found = ceilings(counts, library)
    assert (found["ceiling_flag"] == "may not vary at all").mean() > 0.8
    assert found["ceiling_spearman"].mean() < 0.2


def test_genes_with_few_counts():
    counts = np.zeros((50, 3))
    counts[:19, 1], counts[:20, 2] = 1, 1
    found = ceilings(sparse.csc_matrix(counts), np.arange(100.0, 150))
    assert found["n_positive"].tolist() == [0, 19, 20]
    assert found["mean_count"].tolist() == pytest.approx([0, 0.38, 0.4])
    assert found.loc[0, NUMBERS].isna().all()
    assert found.loc[1:, NUMBERS].notna().all(None)
    few = found["ceiling_flag"].str.contains("fewer than 20 spots have a count")
    assert few.tolist() == [True, True, False]


def test_a_constant_target_has_no_ceiling():
    assert ceilings(sparse.csc_matrix(np.ones((30, 1))), None)[NUMBERS].isna().all(None)


def test_order_does_not_matter():
    counts, library, _ = simulated([0.5, 5, 50], [0.3, 0.6, 1.2], n=80)
    found = ceilings(counts, library)
    spots = np.random.default_rng(1).permutation(80)
    pd.testing.assert_frame_equal(ceilings(counts[spots], library[spots]), found, rtol=1e-9)
    alone = pd.concat([ceilings(counts[:, [gene]], library) for gene in (2, 0, 1)])
    again = found.loc[[2, 0, 1]].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone.reset_index(drop=True), again)


@pytest.mark.parametrize("scaled", [True, False])
def test_cells_stand_for_their_spots(scaled):
    """A slide twice over has the same ceilings: only what n spots can tell is sharper."""
    counts, library, _ = simulated([1, 30], [0.8, 0.8], n=150)
    one = ceilings(counts, library if scaled else None)
    two = ceilings(sparse.vstack([counts] * 2), np.tile(library, 2) if scaled else None)
    np.testing.assert_allclose(one["ceiling_spearman"], two["ceiling_spearman"], atol=0.03)
    assert (two["ceiling_spearman_sd"] < one["ceiling_spearman_sd"]).all()
