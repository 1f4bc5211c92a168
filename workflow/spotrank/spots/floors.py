"""Floors: what a spot's depth, its stain or its place alone tell of expression.

A floor is a row of `FLOORS`: functions of a sample's spots (AnnData of `pair`) and their
`stain_statistics (n_spots, 39)`, each of which gives a number a spot `(n_spots,)`.
"""

import numpy as np
import pandas as pd

GAP = 2  # distances of neighbours: a triangle of a wider circle spans a gap in the tissue


def log_library(spots, stains):
    """Log of the counts over all genes."""
    return np.log(spots.obs["library"].to_numpy(float))


def haematoxylin(spots, stains):
    """Mean optical density of haematoxylin over the patch."""
    return stains[:, 0]


def across(spots, stains):
    """x in µm from the centre of the slide's spots."""
    return _from_centre(spots)[:, 0]


def down(spots, stains):
    """y in µm from the centre of the slide's spots."""
    return _from_centre(spots)[:, 1]


def from_border(spots, stains):
    """Distance in µm to the nearest spot at the border of the tissue."""
    return border_distance(_from_centre(spots))


FLOORS = {
    "depth": (log_library,),
    "stain": (haematoxylin,),
    "place": (across, down, from_border),
}


def features(floors, spots, embedded=None):
    """The numbers of some `FLOORS` as `(barcodes, (n_spots, columns) float32)`, as embeddings are.

    spots: AnnData of `pair`; embedded: `(barcodes, stain_statistics)` where a floor looks at them;
    spots without are left out.
    """
    stains = None
    if embedded is not None:
        barcodes, stains = embedded
        row = pd.Index(barcodes).get_indexer(spots.obs_names)
        spots, stains = spots[row >= 0], stains[row[row >= 0]]
    columns = [column(spots, stains) for floor in floors for column in FLOORS[floor]]
    return list(spots.obs_names), np.stack(columns, 1).astype(np.float32)


def border_distance(place):
    """Distance of spots at `place (n, 2)` to the nearest one at the border of the tissue `(n,)`.

    The tissue is what Delaunay's triangles between neighbouring spots cover; its border are sides
    of one triangle only, and spots of none. A single spot that is missing makes no border.
    """
    from scipy.spatial import Delaunay, QhullError, cKDTree

    try:
        triangles = Delaunay(place).simplices
    except (QhullError, ValueError):  # too few spots, or all in a line
        return np.zeros(len(place))
    corners = place[triangles]
    sides = corners - np.roll(corners, 1, axis=1)
    length = np.hypot(*np.moveaxis(sides, -1, 0))
    area = np.abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]) / 2
    with np.errstate(divide="ignore"):
        radius = length.prod(1) / (4 * area)
    triangles = triangles[radius < GAP * np.median(length)]
    pairs = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    pairs, times = np.unique(pairs, axis=0, return_counts=True)
    inside = np.isin(np.arange(len(place)), triangles)
    inside[pairs[times == 1]] = False
    return cKDTree(place[~inside]).query(place)[0]


def _from_centre(spots):
    place = spots.obsm["spatial"] * spots.uns["pixel_size_um"]
    return place - place.mean(0)
