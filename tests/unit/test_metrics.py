import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from spotrank.scoring import metrics

pairs = st.integers(3, 30).flatmap(
    lambda n: arrays(float, (2, n, 3), elements=st.integers(-4, 4).map(float))
)


@given(pairs)
def test_agree_with_scipy(pair):
    a, b = pair
    ta, tb = torch.as_tensor(pair)
    for ours, theirs in ((metrics.pearson, stats.pearsonr), (metrics.spearman, stats.spearmanr)):
        for gene, value in enumerate(ours(ta, tb)):
            if np.ptp(a[:, gene]) == 0 or np.ptp(b[:, gene]) == 0:
                assert np.isnan(value)
            else:
                assert value == pytest.approx(theirs(a[:, gene], b[:, gene]).statistic, abs=1e-6)


@given(pairs, st.randoms(use_true_random=False))
def test_order_of_spots_does_not_matter(pair, random):
    order = list(range(pair.shape[1]))
    random.shuffle(order)
    pair = torch.as_tensor(pair)
    np.testing.assert_allclose(
        metrics.spearman(*pair), metrics.spearman(*pair[:, order]), atol=1e-12
    )


@given(pairs)
def test_ranks_are_those_of_scipy(pair):
    expected = stats.rankdata(pair, axis=-2)
    np.testing.assert_array_equal(metrics.ranks(torch.as_tensor(pair)), expected)


def test_by_hand():
    a = torch.tensor([[1.0], [2], [3], [4]])
    b = torch.tensor([[1.0], [3], [2], [4]])
    assert metrics.spearman(a, b).item() == pytest.approx(0.8)  # 1 − 6·2/(4·15)
    assert metrics.mse(a, b).item() == pytest.approx(0.5)


def test_runs_share_the_truth():
    scores, truth = torch.randn(4, 20, 3), torch.randn(20, 3)
    together = metrics.spearman(scores, truth)
    assert together.shape == (4, 3)
    np.testing.assert_allclose(together[2], metrics.spearman(scores[2], truth))


def test_partial_is_the_correlation_of_what_is_left():
    a, b, c = np.random.default_rng(0).normal(size=(3, 50))
    a, b = a + c, b - 2 * c

    def left(x):
        return x - np.polyval(np.polyfit(c, x, 1), c)

    ab, ac, bc = (
        metrics.pearson(torch.as_tensor(x)[:, None], torch.as_tensor(y)[:, None])
        for x, y in ((a, b), (a, c), (b, c))
    )
    expected = np.corrcoef(left(a), left(b))[0, 1]
    assert metrics.partial(ab, ac, bc).item() == pytest.approx(expected)


def test_a_score_that_is_no_number_has_no_correlation():
    """Of a run that diverged: ranks of NaN would be the order of the spots."""
    scores = torch.arange(10.0)[:, None].repeat(1, 2)
    scores[3, 0] = float("nan")
    assert metrics.ranks(scores).isnan().sum() == 1
    found = metrics.spearman(scores, torch.arange(10.0)[:, None].expand(10, 2))
    assert found[0].isnan()
    assert found[1] == 1
