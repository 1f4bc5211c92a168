"""Scores of predictions made up by hand."""

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from spotrank.scoring import CEILINGS, domains, score


@pytest.fixture
def fold(tmp_path):
    """Predictions of two runs for two slides of 30 and 20 spots, and their counts."""
    rng = np.random.default_rng(0)
    genes, spots = ["g", "h", "i"], {}
    for sample, n, depth in (("A", 30, 2.0), ("B", 20, 20.0)):
        counts = rng.poisson(depth, (n, 3)).astype(np.float32)
        counts[:, 2] = sample == "A"  # constant within either slide, not over both
        obs = pd.DataFrame({"library": counts.sum(1)}, [f"{sample}{i}" for i in range(n)])
        var = pd.DataFrame(index=genes)
        spots[sample] = anndata.AnnData(sparse.csr_matrix(counts), obs, var)
        spots[sample].obsm["spatial"] = rng.uniform(size=(n, 2))
    with h5py.File(tmp_path / "predictions.h5", "w") as file:
        file["predictions"] = rng.normal(size=(2, 50, 3)).astype(np.float32)
        file["gene"], file["loss"], file["seed"] = genes, ["mse", "pearson"], [0, 0]
        file["sample"] = ["A"] * 30 + ["B"] * 20
        file["barcode"] = [name for adata in spots.values() for name in adata.obs_names]
        file["slope"], file["intercept"] = np.ones((2, 3)), np.zeros((2, 3))
        file["n_auxiliary"], file["train_pearson"] = [0, 0], rng.uniform(size=(2, 3))
    return tmp_path / "predictions.h5", spots


def scored(path, spots):
    return pd.concat(score.score(path, spots, "none")).set_index(["loss", "sample", "gene"])


def test_within_and_pooled(fold):
    path, spots = fold
    found = scored(path, spots)
    with h5py.File(path) as file:
        predicted = file["predictions"][1, :, 0]
    truth = np.log1p(
        np.concatenate([adata.X[:, [0]].toarray().ravel() for adata in spots.values()])
    )
    for sample, rows in (("A", slice(0, 30)), ("B", slice(30, 50))):
        row = found.loc[("pearson", sample, "g")]
        assert row["n_spots"] == rows.stop - rows.start
        assert row["pearson"] == pytest.approx(stats.pearsonr(predicted[rows], truth[rows])[0])
        assert row["spearman"] == pytest.approx(stats.spearmanr(predicted[rows], truth[rows])[0])
        assert row["pooled_pearson"] == pytest.approx(stats.pearsonr(predicted, truth)[0])
        assert row["pooled_spearman"] == pytest.approx(stats.spearmanr(predicted, truth)[0])
    assert found.xs("i", level="gene")["pearson"].isna().all()
    assert found.xs("i", level="gene")["pooled_pearson"].notna().all()


@pytest.mark.parametrize(("a", "b"), [(2.0, 3.0), (0.25, -1.0)])
def test_the_scale_of_scores_changes_nothing(fold, a, b):
    """A head's scores have no unit: the line to log1p units has it all."""
    path, spots = fold
    before = scored(path, spots)
    with h5py.File(path, "a") as file:
        file["predictions"][:] = a * file["predictions"][:] + b
        file["intercept"][:] -= b * file["slope"][:] / a
        file["slope"][:] /= a
    pd.testing.assert_frame_equal(scored(path, spots), before, rtol=1e-5)


def test_errors_are_those_of_the_calibrated(fold):
    path, spots = fold
    with h5py.File(path, "a") as file:
        file["slope"][:], file["intercept"][:] = 0, 0.5
    row = scored(path, spots).loc[("mse", "A", "g")]
    apart = 0.5 - np.log1p(spots["A"].X[:, [0]].toarray())
    assert row["mae"] == pytest.approx(np.abs(apart).mean())
    assert row["mse"] == pytest.approx((apart**2).mean())


def test_columns_that_are_of_all_genes(fold):
    path, spots = fold
    found = scored(path, spots).sort_index()
    with h5py.File(path) as file:
        assert found.loc[("pearson", "A"), "train_pearson"].tolist() == list(
            file["train_pearson"][1]
        )
    for column in domains.COLUMNS:
        assert (found.groupby(["loss", "sample"])[column].nunique(dropna=False) == 1).all()
    assert set(found.reset_index()) == set(score.COLUMNS) - {*score.CELL, *CEILINGS, "leak"} | {
        "sample", "loss", "seed"
    }  # fmt: skip


def test_small_blocks_change_nothing(fold, monkeypatch):
    whole = scored(*fold).sort_index()
    monkeypatch.setattr(score, "AT_A_TIME", 60)
    pd.testing.assert_frame_equal(scored(*fold).sort_index(), whole)
