"""Patches and tissue as GeoJSON that QuPath takes as objects.

A FeatureCollection of polygons in full-resolution px, from the upper left. QuPath reads of a
feature's `properties`: `objectType` ('tile', 'annotation', …), `name`, `classification` (`name`,
`color`) and `measurements` (`{name: number}`), by its PathObjectTypeAdapters as of 0.4.
"""

import json
from pathlib import Path

import numpy as np
import shapely
from skimage import measure

from spotrank.base.store import whole

FAR = {"name": "far from the training", "color": [213, 94, 0]}
TISSUE = {"objectType": "annotation", "name": "tissue", "isLocked": True}


def write_patches(path, places, measurements, far):
    """Write the patches as tiles, those that are `far (n,)` classified so.

    measurements: `{name: numbers (n,)}`. Memory doesn't grow with their number.
    """
    corners = np.round(squares(places.centres, places.side), 1)
    _write(
        path,
        (
            _feature(
                {"type": "Polygon", "coordinates": [corners[i, [0, 1, 2, 3, 0]].tolist()]},
                {
                    "objectType": "tile",
                    "name": places.barcodes[i],
                    **({"classification": FAR} if far[i] else {}),
                    "measurements": {
                        name: round(float(values[i]), 4) for name, values in measurements.items()
                    },
                },
            )
            for i in range(len(places))
        ),
    )


def write_tissue(path, slide):
    """Write the pieces of tissue of a `slide.Slide` as locked annotations."""
    pieces = (shapely.geometry.mapping(piece) for piece in outlines(slide))
    _write(path, (_feature(piece, TISSUE) for piece in pieces))


def squares(centres, side):
    """Corners `(n, 4, 2)` of squares of `side` around `centres (n, 2)`, from the upper left."""
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * side / 2
    return centres[:, None] + corners


def outlines(slide):
    """The pieces of tissue as shapely polygons with holes, in full-resolution px."""
    rings = measure.find_contours(np.pad(slide.tissue, 1).astype(float), 0.5)
    # a px of the thumbnail lies around its centre; the padding shifts by one
    lines = [shapely.LineString((ring[:, ::-1] - 0.5) / slide.scale) for ring in rings]
    area = shapely.build_area(shapely.GeometryCollection(lines))
    area = shapely.set_precision(area.simplify(0.5 / slide.scale), 0.1)
    return list(getattr(area, "geoms", [area]))


def read(path):
    """The geometries of a file that was written here, as shapely's."""
    features = json.loads(Path(path).read_text(encoding="utf-8"))["features"]
    return [shapely.geometry.shape(feature["geometry"]) for feature in features]


def _feature(geometry, properties):
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _write(path, features):
    with whole(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        for i, feature in enumerate(features):
            file.write(",\n" * bool(i) + json.dumps(feature, allow_nan=False))
        file.write("]}\n")
