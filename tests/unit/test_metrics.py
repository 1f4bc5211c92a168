import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from spotrank.scoring import metrics

UNTIMED = settings(deadline=None)  # ranks are compiled when they are first wanted
pairs = st.integers(3, 30).flatmap(
    lambda n: arrays(float, (2, n, 3), elements=st.integers(-4, 4).map(float))
)


@UNTIMED
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


@UNTIMED
@given(pairs, st.randoms(use_true_random=False))
def test_order_of_spots_does_not_matter(pair, random):
    order = list(range(pair.shape[1]))
    random.shuffle(order)
    pair = torch.as_tensor(pair)
    np.testing.assert_allclose(
        metrics.spearman(*pair), metrics.spearman(*pair[:, order]), atol=1e-12
    )


RANKS = pytest.mark.parametrize("ranks", [metrics.ranks, metrics._searched])  # on a CPU, on a GPU


@RANKS
@UNTIMED
@given(
    st.sampled_from([np.float32, np.float64]).flatmap(
        lambda dtype: arrays(
            dtype,
            (12, 2),
            elements=st.floats(-2, 2, width=16) | st.floats(width=32, allow_nan=False),
        )
    )
)
def test_ranks_are_those_of_scipy(ranks, x):
    found = ranks(torch.as_tensor(x))
    np.testing.assert_array_equal(found, stats.rankdata(x, axis=-2))
    assert found.numpy().dtype == x.dtype


@RANKS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("apart", [1, 1 << 40])
@UNTIMED
@given(pairs, st.data())
def test_ranks_within_tissues_are_those_of_tissues_apart(ranks, dtype, apart, pair, data):
    tissue = data.draw(arrays(int, pair.shape[:2], elements=st.integers(0, 3)))
    found = ranks(torch.as_tensor(pair, dtype=dtype), torch.as_tensor(apart * tissue))
    expected = stats.rankdata(pair + 10 * tissue[..., None], axis=-2)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == dtype


def test_zeros_of_either_sign_tie():
    x = torch.tensor([0.0, -0.0, 1, -1])[:, None]
    for own in (x, x.double()):
        assert metrics.ranks(own)[:, 0].tolist() == [2.5, 2.5, 4, 1]


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


@RANKS
def test_a_score_that_is_no_number_has_no_correlation(ranks):
    """Of a run that diverged: ranks of NaN would be the order of the spots."""
    scores = torch.arange(10.0)[:, None].repeat(1, 2)
    scores[3, 0] = -float("nan")
    assert ranks(scores)[:, 0].isnan().nonzero().tolist() == [[3]]
    assert ranks(scores)[:, 1].tolist() == list(range(1, 11))
    found = metrics.spearman(scores, torch.arange(10.0)[:, None].expand(10, 2))
    assert found[0].isnan()
    assert found[1] == 1
