"""Which spots of a slide are neighbours."""

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

GRID = 1.25  # ratio of distances that are one on a grid; spots across a square are √2 apart
NEAREST = 6  # neighbours of a spot that stands on no grid, as many as in hexagons


def pitch(places):
    """Distance of neighbouring spots in px, or None where they stand on no grid."""
    distance = cKDTree(places).query(places, 7)[0][:, 1:]
    low, nearest, high = np.quantile(distance[:, 0], [0.25, 0.5, 0.75])
    if low == 0 or not high < GRID * low:
        return None
    # all neighbours on a grid: the nearest of several that are a little off is too near
    return np.median(distance[distance < GRID * nearest])


def neighbours(places):
    """Symmetric weights `(n_spots, n_spots)`, a CSR matrix: 1 of neighbours, else 0.

    places: `(n_spots, 2)`. On a grid they are those a pitch apart, six in hexagons and four in
    squares; else each spot's six nearest, and those whose nearest it is among.
    """
    n = len(places)
    if (apart := pitch(places)) is not None:
        one, other = cKDTree(places).query_pairs(GRID * apart, output_type="ndarray").T
    else:
        near = cKDTree(places).query(places, range(1, min(n, NEAREST + 1) + 1))[1]
        one, other = np.repeat(np.arange(n), near.shape[1]), near.ravel()
    # a spot may come after another at its very place
    one, other = one[one != other], other[one != other]
    weights = sparse.coo_matrix((np.ones(len(one)), (one, other)), (n, n))
    return ((weights + weights.T) > 0).astype(float).tocsr()
