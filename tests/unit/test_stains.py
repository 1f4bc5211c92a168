import numpy as np
import pytest

from spotrank.base.store import InputError
from spotrank.encoders import loading, stains


def by_array(patch):
    """The same numbers by array operations, from the definition."""
    half = patch.reshape(len(patch) // 2, 2, len(patch) // 2, 2, 3).astype(float)
    density = -np.log(np.maximum(half, 1) / 255).mean((1, 3))
    unit = stains.STAINS / np.linalg.norm(stains.STAINS, axis=1, keepdims=True)
    levels = [density @ np.linalg.inv(unit)]
    for _ in range(4):
        x = levels[-1]
        x = x[: len(x) // 2 * 2, : len(x) // 2 * 2]
        levels.append(x.reshape(len(x) // 2, 2, len(x) // 2, 2, 3).mean((1, 3)))
    flat, colour = levels[0].reshape(-1, 3), half.mean((1, 3)).reshape(-1, 3) / 255
    ordered = np.sort(levels[1].reshape(-1, 3), 0)
    at = [round(q * (len(ordered) - 1)) for q in (0.1, 0.5, 0.9)]
    gradients = [np.abs(np.diff(levels[0], axis=axis)).mean((0, 1)) for axis in (0, 1)]
    return np.concatenate(
        [
            flat.mean(0),
            flat.std(0, ddof=1),
            ordered[at].T.ravel(),
            *(level.reshape(-1, 3).std(0, ddof=1) for level in levels[1:]),
            sum(gradients) / 2,
            colour.mean(0),
            colour.std(0, ddof=1),
            [(colour.mean(1) < 0.9).mean()],
            (flat[:, :2] > [1, 0.2]).mean(0),
        ]
    )


@pytest.mark.parametrize("px", [64, 100, 224])
def test_statistics_are_those_of_their_definition(px):
    rng = np.random.default_rng(px)
    tint = rng.uniform(0.3, 1, (5, 1, 1, 3))
    patches = (rng.integers(0, 256, (5, px, px, 3)) * tint).astype("u1")
    found = loading.load("stain_statistics", px, threads=2).embed(patches)
    assert found.shape == (5, 39)
    np.testing.assert_allclose(found, [by_array(patch) for patch in patches], rtol=0, atol=2e-6)


def test_glass_has_no_stain():
    features = stains.statistics(np.full((1, 64, 64, 3), 255, "u1"))[0]
    np.testing.assert_array_equal(features[30:33], 1)  # red, green, blue
    np.testing.assert_array_equal(np.delete(features, [30, 31, 32]), 0)


def test_patches_that_are_too_small():
    with pytest.raises(InputError, match="needs patches of 64 px"):
        loading.load("stain_statistics", 32)
