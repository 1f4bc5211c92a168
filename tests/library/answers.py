"""What spatialdata itself says; `test_library.py` runs this in an environment of its own.

answers.py LAYOUTS OUT [PREDICTED]: writes OUT/predicted.json, what it reads of the store PREDICTED;
OUT/golden.json, what the library makes of transformations and where
it puts the elements of the stores in LAYOUTS, and stores of all its formats, OUT/*.zarr, with
OUT/places.json, where it puts the rows of their tables in px of their picture.
"""

import itertools
import json
import sys
from pathlib import Path

import anndata
import geopandas
import numpy as np
import pandas as pd
import shapely
from spatialdata import SpatialData, get_centroids, read_zarr
from spatialdata._io import format as formats
from spatialdata.models import Image2DModel, Labels2DModel, ShapesModel, TableModel
from spatialdata.transformations import (
    Affine,
    Identity,
    MapAxis,
    Scale,
    Sequence,
    Translation,
    get_transformation,
    get_transformation_between_coordinate_systems,
)
from spatialdata.transformations.ngff.ngff_coordinate_system import NgffAxis, NgffCoordinateSystem
from spatialdata.transformations.ngff.ngff_transformations import NgffRotation

XY = ("x", "y")
KEPT = 3  # centres of an element
TURN = np.array([[0.8, -0.6, 5], [0.6, 0.8, -7], [0, 0, 1]])
MOVES = {
    "identity": Identity(),
    "scale": Scale([2, 3], XY),
    "scale of y alone": Scale([4], ("y",)),
    "translation": Translation([-5, 7.5], ("y", "x")),
    "turn": Affine(TURN, XY, XY),
    "affine to other axes": Affine([[1, 2, 3], [4, 5.5, 6], [0, 0, 1]], XY, ("y", "x")),
    "mapAxis": MapAxis({"x": "y", "y": "x"}),
}
MOVES |= {
    "sequence": Sequence([MOVES["scale"], MOVES["mapAxis"], MOVES["translation"]]),
    "sequence of sequences": Sequence(
        [
            MOVES["affine to other axes"],
            Sequence([MOVES["scale of y alone"], MOVES["mapAxis"]]),
            MOVES["turn"],
        ]
    ),
}


def transformations():
    """JSON as the library writes it for elements of several axes, and the matrix of x, y."""
    for move, axes in itertools.product(MOVES.values(), (XY, ("y", "x"), ("c", "y", "x"))):
        written = move.to_ngff(axes, axes, output_coordinate_system_name="there").to_dict()
        yield written, axes, move.to_affine_matrix(XY, XY)
    axes = [NgffAxis(name, "space") for name in "yx"]
    system = NgffCoordinateSystem("there", axes)
    rotation = NgffRotation([[0.6, -0.8], [0.8, 0.6]], system, system)
    order = [1, 0, 2]  # of its axes y, x to x, y
    yield rotation.to_dict(), ("y", "x"), rotation.to_affine().affine[np.ix_(order, order)]


def centres(store):
    """Of each element `{system: (index, places)}`, of some instances."""
    data = read_zarr(store)
    for name in [*data.shapes, *data.labels]:
        systems = {}
        for system in get_transformation(data[name], get_all=True):
            found = get_centroids(data[name], system).compute()
            some = found.iloc[np.linspace(0, len(found) - 1, KEPT).astype(int)]
            systems[system] = (some.index.tolist(), some[["x", "y"]].to_numpy().tolist())
        yield name, systems


def made_up(shapes_move, image_move):
    """Circles, polygons and labels with a table each, and a picture."""
    draw = np.random.default_rng(0)
    points = draw.uniform(2, 20, (5, 2))
    index = pd.Index([3, 1, 4, 15, 9])
    circles = geopandas.GeoDataFrame(
        {"radius": np.ones(5)}, geometry=shapely.points(points), index=index
    )
    blobs = shapely.buffer(shapely.points(points), draw.uniform(0.5, 2, 5), quad_segs=2)
    polygons = geopandas.GeoDataFrame(geometry=blobs, index=index)
    pixels = np.zeros((23, 31), np.int32)
    for label, (x, y) in zip(index, points.astype(int), strict=True):
        pixels[y : y + 2, x] = label
    there = {"there": shapes_move}
    picture = draw.integers(0, 256, (3, 23, 31), np.uint8)
    kinds = {"c_coords": ["r", "g", "b"], "transformations": {"there": image_move}}
    elements = {
        "circles": ShapesModel.parse(circles, transformations=there),
        "polygons": ShapesModel.parse(polygons, transformations=there),
        "labels": Labels2DModel.parse(pixels, ("y", "x"), transformations=there),
        "he": Image2DModel.parse(picture, ("c", "y", "x"), scale_factors=[2], **kinds),
    }
    for name in ("circles", "polygons", "labels"):
        rows = draw.permutation(index)[:4]
        obs = pd.DataFrame({"cell": rows, "of": pd.Categorical([name] * 4)}, rows.astype(str))
        counts = draw.poisson(3, (4, 6)).astype(np.float32)
        var = pd.DataFrame(index=[f"GENE{gene}" for gene in range(6)])
        table = anndata.AnnData(counts, obs, var)
        keys = {"region": name, "region_key": "of", "instance_key": "cell"}
        elements[f"of_{name}"] = TableModel.parse(table, **keys)
    return SpatialData.init_from_elements(elements)


def write(out):
    """Write stores of all formats; `{store: {region: (instances, places, counts)}}`."""
    old = [formats.SpatialDataContainerFormatV01()]
    kinds = {
        "zarr3_wkb": {"shapes_geometry_encoding": "WKB"},
        "zarr3_geoarrow": {"shapes_geometry_encoding": "geoarrow"},
        "zarr2_wkb": {"sdata_formats": old},
        "zarr2_arrays": {"sdata_formats": [*old, formats.ShapesFormatV01()]},
    }
    moves = [move for move in MOVES.values() if move is not MOVES["scale of y alone"]]
    for (kind, options), turn in itertools.product(kinds.items(), range(len(moves))):
        name = f"{kind}_{turn}.zarr"
        made_up(moves[turn], moves[-1 - turn]).write(out / name, **options)
        data = read_zarr(out / name)
        answers = {}
        for region in ("circles", "polygons", "labels"):
            table = data[f"of_{region}"]
            own = get_centroids(data[region], "there").compute().loc[table.obs["cell"]]
            to_image = get_transformation_between_coordinate_systems(data, "there", data["he"])
            matrix = to_image.to_affine_matrix(XY, XY)
            places = own[["x", "y"]].to_numpy() @ matrix[:2, :2].T + matrix[:2, 2]
            answers[region] = (table.obs["cell"].tolist(), places.tolist(), table.X.tolist())
        yield name, answers


def predicted(store):
    """Names, expression and centres in px of the slide of the patches of a store of predictions."""
    data = read_zarr(store)
    table = data["predictions"]
    centres = get_centroids(data["patches"], "global").compute().loc[table.obs["instance_id"]]
    return {
        "barcodes": table.obs_names.tolist(),
        "genes": table.var_names.tolist(),
        "x": np.asarray(table.X).tolist(),
        "centres": centres[["x", "y"]].to_numpy().tolist(),
        "picture": list(data["he"].shape),
    }


def main(layouts, out, store):
    (out / "predicted.json").write_text(json.dumps(predicted(store)))
    golden = {
        "transformations": [
            {"step": written, "axes": axes, "matrix": matrix.tolist()}
            for written, axes, matrix in transformations()
        ],
        "centres": {
            str(store.relative_to(layouts)): dict(centres(store))
            for store in sorted(layouts.glob("spatialdata_*/*.zarr"))
        },
    }
    (out / "golden.json").write_text(json.dumps(golden) + "\n")
    (out / "places.json").write_text(json.dumps(dict(write(out))))


main(*map(Path, sys.argv[1:]))
