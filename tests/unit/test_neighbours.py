"""Neighbours of spots, and Moran's I over them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from spotrank.scoring import metrics
from spotrank.spots.neighbours import neighbours

X, Y = map(np.ravel, np.meshgrid(np.arange(8.0), np.arange(8.0)))
SQUARES = np.stack([X, Y], 1) * 100
HEXAGONS = np.stack([X + Y % 2 / 2, Y * 3**0.5 / 2], 1) * 100
INSIDE = (X > 0) & (X < 7) & (Y > 0) & (Y < 7)


@pytest.mark.parametrize(("places", "n"), [(SQUARES, 4), (HEXAGONS, 6)])
def test_on_a_grid(places, n):
    set_by_hand = places + np.random.default_rng(0).normal(0, 3, places.shape)
    for own in (places, set_by_hand):
        weights = neighbours(own)
        assert (weights.getnnz(0)[INSIDE] == n).all()
        one, other = weights.nonzero()
        assert np.linalg.norm(own[one] - own[other], axis=1).max() < 125


def test_a_spot_far_from_all_others_on_a_grid_has_no_neighbour():
    weights = neighbours(np.concatenate([SQUARES, [[2000, 2000]]]))
    assert weights[64].nnz == 0
    assert weights[0].nnz == 2


@given(
    st.integers(1, 40).flatmap(
        lambda n: arrays(float, (n, 2), elements=st.integers(0, 50).map(float))
    )
)
def test_anywhere(places):
    """Also with spots at one place: symmetric, none its own neighbour, nearly all with one."""
    weights = neighbours(places)
    assert weights.shape == (len(places),) * 2
    assert (weights != weights.T).nnz == 0
    assert weights.diagonal().sum() == 0
    assert set(weights.data) <= {1.0}
    assert len(places) < 3 or weights.nnz


def test_off_a_grid_each_has_six_or_more():
    places = np.random.default_rng(0).uniform(size=(50, 2))
    assert (neighbours(places).getnnz(0) >= 6).all()


def test_moran_by_hand():
    line = sparse.csr_matrix([[0.0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]])
    x = torch.tensor([[1.0, 1, 5], [2, -1, 5], [3, 1, 5], [4, -1, 5]])
    found = metrics.moran(x, line)
    # deviations ±1.5 and ±.5: products .75, −.25, .75, each twice, over squares of 5
    assert found[0].item() == pytest.approx(4 / 6 * 2 * (0.75 - 0.25 + 0.75) / 5)
    assert found[1].item() == pytest.approx(-1)
    assert found[2].isnan()
    assert metrics.moran(x, line * 0).isnan().all()


def test_moran_agrees_with_scanpy():
    from scanpy.metrics import morans_i

    x = np.random.default_rng(0).normal(size=(2, 64, 3)) + X[:, None]
    weights = neighbours(HEXAGONS)
    found = metrics.moran(torch.as_tensor(x), weights)
    for run in (0, 1):
        np.testing.assert_allclose(found[run], morans_i(weights, x[run].T.copy()), rtol=1e-6)
    assert (found > 0.5).all()


@given(st.floats(-5, 5).filter(lambda a: abs(a) > 0.1), st.floats(-5, 5))
def test_moran_knows_no_scale(a, b):
    x = torch.as_tensor(np.random.default_rng(0).normal(size=(64, 2)))
    weights = neighbours(SQUARES)
    np.testing.assert_allclose(
        metrics.moran(a * x + b, weights), metrics.moran(x, weights), atol=1e-9
    )
