"""Predictions of a slide as a store of SpatialData.

Written as the library's format of 0.7 says (containers 0.2, elements 0.3, zarr 3) by anndata, zarr
and pyarrow, for the library itself brings some hundred packages.
"""

import json
import secrets
import shutil
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
import zarr
from anndata.io import read_elem, write_elem

from spotrank.prediction import geojson

CONTAINER, ELEMENT, RASTER, TABLE = "0.2", "0.3", "0.5-dev-spatialdata", "0.2"
TILE = 512  # px of a chunk of the picture


def write(path, predictions, places):
    """Write a store to the folder `path`, whole or not at all.

    predictions: the h5ad of `results.write`; places: `places.Places`. The store has the image `he`
    (a small copy), the shapes `patches` and the table `predictions`, which annotates them; its
    system `global` is px of the slide's full resolution.
    """
    path = Path(path)
    temporary = path.with_name(f".part-{secrets.token_hex(4)}-{path.name}")
    try:
        root = zarr.open_group(temporary, mode="w", zarr_format=3)
        root.attrs["spatialdata_attrs"] = {
            "version": CONTAINER,
            "spatialdata_software_version": "0.7.3",
        }
        with h5py.File(predictions) as file:
            uns = read_elem(file["uns"])
            (own,) = uns["spatial"].values()
            scale = own["scalefactors"]["tissue_hires_scalef"]
            _image(root, "he", own["images"]["hires"], 1 / scale)
            _shapes(root, "patches", places)
            _table(root, "predictions", file, uns["spotrank"])
        shutil.rmtree(path, ignore_errors=True)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _image(root, name, rgb, px):
    """A picture of one level, `(h, w, 3)`, each px of which is `px` of the slide."""
    group = root.require_group("images").create_group(name)
    values = np.moveaxis(rgb, 2, 0)
    chunks = (3, min(TILE, values.shape[1]), min(TILE, values.shape[2]))
    array = group.create_array(
        "s0", shape=values.shape, chunks=chunks, dtype="u1", dimension_names=("c", "y", "x")
    )
    array[:] = values
    multiscale = {
        "name": f"/images/{name}",
        "axes": _axes("cyx"),
        "datasets": [
            {"path": "s0", "coordinateTransformations": [{"type": "scale", "scale": [1.0] * 3}]}
        ],
        "coordinateTransformations": [_step("scale", "cyx", scale=[1.0, px, px])],
    }
    channels = [{"label": label} for label in "rgb"]
    group.attrs["ome"] = {
        "version": RASTER,
        "omero": {"channels": channels},
        "multiscales": [multiscale],
    }
    group.attrs["spatialdata_attrs"] = {"version": ELEMENT}


def _shapes(root, name, places):
    """The patches as squares, in GeoParquet."""
    group = root.require_group("shapes").create_group(name)
    group.attrs.update(
        {
            "encoding-type": "ngff:shapes",
            "axes": ["x", "y"],
            "coordinateTransformations": [_step("identity", "xy")],
            "spatialdata_attrs": {"version": ELEMENT},
        }
    )
    polygons = shapely.polygons(geojson.squares(places.centres, places.side))
    about = {
        "version": "1.0.0",
        "primary_column": "geometry",
        "columns": {
            "geometry": {
                "encoding": "WKB",
                "crs": None,
                "geometry_types": ["Polygon"],
                "bbox": list(shapely.total_bounds(polygons)),
            }
        },
    }
    rows = pa.Table.from_pandas(pd.DataFrame({"barcode": places.barcodes}))
    rows = rows.append_column("geometry", pa.array(shapely.to_wkb(polygons)))
    metadata = {**rows.schema.metadata, b"geo": json.dumps(about).encode()}
    folder = Path(root.store.root) / "shapes" / name
    pq.write_table(rows.replace_schema_metadata(metadata), folder / "shapes.parquet")


def _table(root, name, file, about):
    """The table of the predictions; X is copied by chunks."""
    obs = read_elem(file["obs"])
    obs["region"], obs["instance_id"] = pd.Categorical(["patches"] * len(obs)), range(len(obs))
    keys = {"region": "patches", "region_key": "region", "instance_key": "instance_id"}
    adata = anndata.AnnData(
        obs=obs,
        var=read_elem(file["var"]),
        obsm={"spatial": file["obsm/spatial"][()]},
        uns={"spatialdata_attrs": keys, "spotrank": about},
    )
    tables = root.require_group("tables")
    write_elem(tables, name, adata)
    group, x = tables[name], file["X"]
    array = group.create_array("X", shape=x.shape, chunks=x.chunks, dtype="f4")
    array.attrs.update(x.attrs)
    for start in range(0, len(x), x.chunks[0]):
        array[start : start + x.chunks[0]] = x[start : start + x.chunks[0]]
    group.attrs.update(keys | {"spatialdata-encoding-type": "ngff:regions_table", "version": TABLE})


def _step(kind, axes, **values):
    """JSON of a transformation to the system `global`."""
    systems = {"input": axes, "output": "global"}
    return {"type": kind, **values} | {
        end: {"name": name, "axes": _axes(axes, unit="unit")} for end, name in systems.items()
    }


def _axes(axes, **unit):
    return [
        {"name": axis, "type": "channel"} if axis == "c" else {"name": axis, "type": "space"} | unit
        for axis in axes
    ]
