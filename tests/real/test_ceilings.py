"""Ceilings of sampling noise of four real sections, beside those of the reference."""

import anndata
import numpy as np
import pandas as pd
import pytest

from spotrank.scoring.ceiling import ceilings


@pytest.fixture(scope="module")
def beside(her2st, reference):
    """Ours and the reference's, of every fifth of its genes that has 20 spots with a count."""
    table = pd.read_csv(reference / "ceilings.tsv", sep="\t")
    table = table[table["n_positive"] >= 20].iloc[::5]
    parts = []
    for sample, rows in table.groupby("sample"):
        adata = anndata.read_h5ad(her2st / f"st/{sample}.h5ad")
        adata = adata[np.asarray((adata.X > 0).sum(1)).ravel() >= 200]
        counts, library = adata[:, rows["gene"]].X, np.asarray(adata.X.sum(1)).ravel()
        parts.append(ceilings(counts, library).join(rows.reset_index(drop=True), rsuffix="_there"))
    return pd.concat(parts)


def test_counts_are_the_same(beside):
    assert (beside["n_positive"] == beside["n_positive_there"]).all()
    np.testing.assert_allclose(beside["mean_count"], beside["mean_count_there"], atol=1e-3)


@pytest.mark.parametrize("metric", ["spearman", "pearson"])
def test_agreement_with_the_reference(beside, metric):
    difference = (beside[f"ceiling_{metric}"] - beside[metric]).abs()
    assert difference.mean() < 0.006
    assert difference.median() < 0.003
    assert (difference > 0.02).mean() < 0.07
    assert abs((beside[f"ceiling_{metric}"] - beside[metric]).mean()) < 0.003


def test_agreement_of_the_standard_deviation(beside):
    assert (beside["ceiling_spearman_sd"] - beside["spearman_sd"]).abs().mean() < 0.004
