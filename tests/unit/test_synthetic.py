"""The synthetic study: its data by hand, and runs that are the same in any company."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from spotrank.fitting import synthetic
from spotrank.report import style
from spotrank.report import synthetic as drawing
from spotrank.study import config
from spotrank.study.study import SYNTHETIC
from spotrank.verdicts.summary import summarise_synthetic

LOSSES = [
    ("mse", {}),
    ("negative_binomial", {}),
    ("margin_rank", {"n_permutations": 2}),
    ("strank_pair", {}),
    ("strank_list", {"list_size": 8}),
]
SMALL = {"width": 16, "layers": 1, "restart": 10}
TINY = SMALL | {"spots": 300, "epochs": 2}


pytestmark = pytest.mark.usefixtures("one_thread")


def test_functions_by_hand():
    a, b = synthetic.mean(np.array([0.1, 0.7]))[1]
    by_hand = [0.25 * math.sin(3 * x) + 0.25 * math.sin(50 * x) for x in (0.1, 0.7)]
    assert a - b == pytest.approx(by_hand[0] - by_hand[1])
    lowest = synthetic.mean(np.linspace(0, 1, 9999)).min(1)
    assert (lowest >= 0).all()
    assert (lowest < 1e-5).all()


def test_counts_have_the_mean_and_variance_of_the_negative_binomial():
    x, counts, patient = synthetic.draw(0, synthetic.TRAIN, 50_000)
    for own, (scale, shift) in enumerate([(1, 0), (10, 10)]):
        mine = patient == own
        expected = scale * synthetic.mean(x[mine]) + shift
        variance = expected + expected**2 / 100
        error = (counts[:, mine] - expected) / np.sqrt(variance.mean(1, keepdims=True))
        assert np.abs(error.mean(1)).max() < 0.02  # over four standard errors
        assert np.abs(error.var(1) - 1).max() < 0.05


def test_thinned_counts_are_a_share_of_the_same_counts():
    _, counts, _ = synthetic.draw(0, synthetic.TRAIN, 5000)
    _, thinned, _ = synthetic.draw(0, synthetic.TRAIN, 5000, thinning=0.3)
    assert (thinned <= counts).all()
    assert thinned.sum() / counts.sum() == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize(("window", "low"), [(0.25, 0.25), ("drawn", None)])
def test_the_second_patient_is_seen_in_a_window(window, low):
    how = {"sampling": "imbalanced", "window": window}
    x, counts, _ = synthetic.draw(1, synthetic.TRAIN, 5000, **how)
    low = x[5000:].min() if low is None else low
    assert x[5000:].min() >= low
    assert low + 0.19 < x[5000:].max() < low + 0.2001
    everywhere, uniform, _ = synthetic.draw(1, synthetic.TRAIN, 5000)
    assert np.array_equal(x[:5000], everywhere[:5000])
    assert np.array_equal(counts[:, :5000], uniform[:, :5000])
    validation, _, _ = synthetic.draw(1, synthetic.VALIDATION, 5000, **how)
    assert abs(validation[5000:].min() - low) < 0.01


def test_rate_is_a_cosine_that_begins_anew():
    rates = [synthetic.rate(epoch, 10) for epoch in (1, 6, 10, 11, 21, 30, 31)]
    assert rates[0] == rates[3] == rates[6] == 1e-3
    assert rates[1] == rates[4] == pytest.approx(5.5e-4)
    assert 1e-4 < rates[5] < rates[2] < 1.5e-4


def test_a_run_is_the_same_alone_and_in_company():
    together, curves = synthetic.fit(LOSSES, [3, 5], **TINY)
    for i, loss in enumerate(LOSSES):
        alone, curve = synthetic.fit([loss], [5], **TINY)
        mine = together[(together["loss"] == i) & (together["seed"] == 5)]
        assert mine["epoch"].tolist() == alone["epoch"].tolist()
        np.testing.assert_allclose(mine["spearman"], alone["spearman"], atol=1e-3)
        mine = curves[(curves["loss"] == i) & (curves["seed"] == 5)]
        np.testing.assert_allclose(mine["score"], curve["score"], rtol=1e-3, atol=1e-4)


def test_seeds_differ_and_come_again():
    losses = [("strank_pair", {})]
    one, curves = synthetic.fit(losses, [0, 1], **TINY)
    again, _ = synthetic.fit(losses, [0, 1], **TINY)
    pd.testing.assert_frame_equal(one, again, check_exact=True)
    scores = curves.pivot(index=["function", "x"], columns="seed", values="score")
    assert not np.allclose(scores[0], scores[1])


@pytest.mark.parametrize("select_on", ["noisy", "noise_free"])
def test_losses_learn(select_on, monkeypatch):
    slow = np.array([(0.5, 0, math.pi, 0)] * 4)  # half a wave
    monkeypatch.setattr(synthetic, "FUNCTIONS", slow)
    losses = [("strank_list", {}), ("pearson_within", {}), ("strank_pair", {})]
    scores, _ = synthetic.fit(losses, [0], spots=4000, epochs=15, select_on=select_on, **SMALL)
    assert scores.groupby("loss")["spearman"].mean().min() > 0.85


def test_presets_are_those_of_the_schema():
    options = config.SCHEMA["properties"]["synthetic"]["properties"]
    rows = yaml.safe_load(SYNTHETIC.read_text())
    assert set(options["settings"]["enum"]) == set(rows)
    assert all(set(row) <= set(options) for row in rows.values())


def test_first_weights_are_those_of_linear_layers():
    one, two = synthetic.start(0, 16, 2, "cpu"), synthetic.start(0, 16, 2, "cpu")
    assert [tuple(value.shape) for value in one] == [
        *((1, 16), (1, 16), (16, 16), (1, 16), (16, 1), (1, 1)),
    ]
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert 0.2 < one[2].abs().max() <= 0.25


def scores(**columns):
    rows = pd.DataFrame(columns | {"sampling": "uniform", "list_size": 0, "thinning": 1.0})
    return rows.assign(loss="mse")


def test_table_by_hand():
    table = summarise_synthetic(
        scores(
            function=[0, 1, 0, 1, 0], seed=[0, 0, 1, 1, 2], spearman=[0.2, 0.4, 0.7, 0.9, np.nan]
        )
    )
    (row,) = table.to_dict("records")
    assert row["spearman_mean"] == pytest.approx((0.3 + 0.8) / 2)
    assert row["spearman_sd"] == pytest.approx(0.5 / math.sqrt(2))
    assert (row["n_seeds"], row["n_undefined"]) == (3, 1)


def test_one_seed_one_loss_can_be_drawn():
    drawn = scores(function=[0, 1], seed=0, spearman=[0.2, 0.4])
    curves = scores(function=[0, 0], seed=0, x=[0.0, 1.0], score=[1.0, 1.0], mean=[0.0, 1.0])
    for figure in (drawing.scores(drawn), drawing.curves(curves)):
        figure.canvas.draw()
        style.plt.close(figure)
