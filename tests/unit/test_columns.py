"""Means over the best genes, and the correlation of Moran's I."""

import re

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from test_tables import scores

from spotrank.report import leaderboard, ledger
from spotrank.scoring import score
from spotrank.verdicts import columns
from spotrank.verdicts.slides import of_slides
from spotrank.verdicts.summary import KEYS, METRICS, summarise

RUN = [*KEYS, "fold", "seed", "sample"]
NAN = float("nan")


def slide(**values):
    """A slide and run with a gene for each value."""
    n = len(values["spearman"])
    row = scores().iloc[0].to_dict()
    frame = pd.DataFrame([row] * n).assign(gene=[f"g{i}" for i in range(n)])
    return frame.assign(**values)


def best_of(frame, monkeypatch, *best):
    monkeypatch.setattr(columns, "BEST", best)
    return pd.DataFrame(columns.best(frame, frame.groupby(RUN))).mean()


def test_the_best_genes_by_hand(monkeypatch):
    frame = slide(
        spearman=[0.1, 0.2, 0.9, NAN, 0.4],
        pearson=[0.5, 0.6, 0.1, NAN, 0.2],
        train_pearson=[0.8, 0.6, NAN, 0.7, 0.5],
    )
    found = best_of(frame, monkeypatch, 1, 2, 3, 5, 6)
    # by training: 0, 3, 1, 4, and last 2, whose correlation there is undefined
    assert found["spearman_best1"] == pytest.approx(0.1)
    assert found["spearman_best2"] == pytest.approx(0.1)  # gene 3 is undefined in the test
    assert found["spearman_best3"] == pytest.approx(0.15)
    assert found["pearson_best3"] == pytest.approx(0.55)
    # each metric has its own order in the test; there, too, the undefined comes last
    assert found["spearman_best2_by_test_leak"] == pytest.approx(0.65)
    assert found["pearson_best2_by_test_leak"] == pytest.approx(0.55)
    for name in ("spearman_best5", "spearman_best5_by_test_leak"):
        assert found[name] == pytest.approx(0.4)  # all of the panel: its mean
    assert found.filter(like="best6").isna().all()


def test_genes_that_were_not_predicted_are_not_among_the_best(monkeypatch):
    frame = slide(
        spearman=[0.1, NAN, 0.3, NAN], train_pearson=[0.5, 0.9, 0.6, 0.8], mse=[1, NAN, 1, NAN]
    )
    found = best_of(frame, monkeypatch, 1, 2, 3)
    assert found["spearman_best1"] == pytest.approx(0.3)
    assert found["spearman_best2"] == found["spearman_best2_by_test_leak"] == pytest.approx(0.2)
    assert found.filter(like="best3").isna().all()  # a mean of two is none of three


def test_the_best_are_chosen_a_run_and_slide(monkeypatch):
    one = slide(spearman=[0.1, 0.5], train_pearson=[0.9, 0.1])
    other = slide(spearman=[0.3, 0.7], train_pearson=[0.1, 0.9]).assign(sample="other")
    frame = pd.concat([one, other], ignore_index=True)
    found = best_of(frame, monkeypatch, 1)
    assert found["spearman_best1"] == pytest.approx((0.1 + 0.7) / 2)
    assert found["spearman_best1_by_test_leak"] == pytest.approx((0.5 + 0.7) / 2)


def test_choosing_on_the_test_flatters():
    """What the name of the columns warns of: of noise, the best seem good."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, (3, 60))
    frame = slide(spearman=noise[0], pearson=noise[1], train_pearson=noise[2])
    row = summarise(of_slides(frame)).iloc[0]
    assert abs(row["spearman_best10"]) < 0.1 < row["spearman_best10_by_test_leak"]
    assert row["spearman_best50"] != row["spearman_mean"]
    assert np.isnan(row["spearman_best200"])


def test_correlation_of_moran():
    rng = np.random.default_rng(0)
    observed, predicted = rng.uniform(size=(2, 20))
    observed[3], predicted[7] = NAN, NAN
    frame = slide(spearman=[0.1] * 20, moran_observed=observed, moran_predicted=predicted)
    known = np.isfinite(observed + predicted)
    expected = np.corrcoef(observed[known], predicted[known])[0, 1]
    frame = pd.concat([frame, frame.assign(sample="other", moran_predicted=-predicted)])
    found = columns.columns(frame.reset_index(drop=True), RUN)["moran_correlation"]
    assert found[:20].mean() == pytest.approx(expected)
    assert found[20:].mean() == pytest.approx(-expected)
    constant = slide(spearman=[0.1] * 4, moran_observed=[0.5] * 4, moran_predicted=[1, 2, 3, 4])
    assert columns.columns(constant, RUN)["moran_correlation"].isna().all()
    two = slide(spearman=[0.1] * 2, moran_observed=[0.1, 0.2], moran_predicted=[0.3, 0.5])
    assert columns.columns(two, RUN)["moran_correlation"].isna().all()


def test_the_docs_have_every_column():
    text = (ROOT / "docs/columns.md").read_text(encoding="utf-8")
    of_scores, of_summary, of_patients, of_ledger, of_sets = (
        set(re.findall(r"`(\w+)`", t)) for t in text.split("\n## ")[1:]
    )
    assert set(score.COLUMNS) <= of_scores
    named = {f"{metric}_{how}" for metric in METRICS[1:] for how in ("mean", "sd")}
    assert set(summarise(of_slides(scores()))) - named <= of_summary
    assert set(METRICS[1:]) <= of_summary
    assert set(leaderboard.PATIENTS) - {"study"} <= of_patients
    assert set(ledger.COLUMNS) <= of_ledger
    assert {*score.OF_SETS} - {"fold", "seed", "sample", "patient", "spearman"} <= of_sets
