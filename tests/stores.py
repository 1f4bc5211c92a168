"""Stores of SpatialData as their formats say, without its library, to test a reader on."""

import json

import anndata
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
import zarr
from anndata.io import write_elem
from scipy import sparse


def system(axes, name):
    return {"name": name, "axes": [{"name": axis, "type": "space"} for axis in axes]}


def step(kind, into, out=None, to="global", **values):
    """JSON of a transformation between the axes `into` and `out` (strings, a letter an axis)."""
    return {"type": kind, "input": system(into, into), "output": system(out or into, to), **values}


def write_store(path, zarr_format=3):
    """An empty store, a group of zarr."""
    root = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    version = {2: "0.1", 3: "0.2"}[zarr_format]
    root.attrs["spatialdata_attrs"] = {"version": version, "spatialdata_software_version": "0.7.3"}
    return root


def add_raster(root, kind, name, values, steps, axes="cyx", channels=None, level="s0"):
    """A picture or labels of one level, in chunks of 7 × 5 px."""
    group = root.require_group(kind).create_group(name)
    chunks = tuple(
        {"y": 7, "x": 5}.get(axis, n) for axis, n in zip(axes, values.shape, strict=True)
    )
    array = group.create_array(level, shape=values.shape, chunks=chunks, dtype=values.dtype)
    array[:] = values
    attributes = {
        "multiscales": [
            {
                "axes": [{"name": axis} for axis in axes],
                "datasets": [{"path": level}],
                "coordinateTransformations": steps,
            }
        ]
    }
    if channels:
        attributes["omero"] = {"channels": [{"label": label} for label in channels]}
    group.attrs.update(attributes if root.metadata.zarr_format == 2 else {"ome": attributes})


def add_shapes(root, name, geometries, index, steps, encoding="WKB"):
    """Shapes as GeoParquet, in WKB or geoarrow, or as arrays of zarr (before format 0.2)."""
    group = root.require_group("shapes").create_group(name)
    group.attrs.update({"axes": ["x", "y"], "coordinateTransformations": steps})
    geometries = np.asarray(geometries)
    kind, points, offsets = shapely.to_ragged_array(geometries)
    if encoding == "arrays":
        group.attrs["spatialdata_attrs"] = {
            "geos": {"name": kind.name, "type": kind.value},
            "version": "0.1",
        }
        parts = {"coords": points, "Index": np.asarray(index)}
        parts |= {f"offset{i}": offset for i, offset in enumerate(offsets)}
        for part, values in parts.items():
            group.create_array(part, data=values)
        return
    if encoding == "WKB":
        column, called = pa.array(shapely.to_wkb(geometries)), "WKB"
    else:
        column = pa.StructArray.from_arrays(list(points.T), ["x", "y"])
        for offset in offsets:
            column = pa.ListArray.from_arrays(pa.array(offset, pa.int32()), column)
        called = kind.name.lower()
    frame = pd.DataFrame({"radius": np.ones(len(geometries))}, pd.Index(index, name="cell"))
    table = pa.Table.from_pandas(frame).append_column("geometry", column)
    about = {"primary_column": "geometry", "columns": {"geometry": {"encoding": called}}}
    metadata = {**table.schema.metadata, b"geo": json.dumps(about).encode()}
    folder = root.store.root / "shapes" / name
    pq.write_table(table.replace_schema_metadata(metadata), folder / "shapes.parquet")


def add_table(
    root, counts, instances, region, name="table", obs=None, var=None, dense=False, **parts
):
    """A table that annotates `region`, one or one a row; parts: of AnnData, `obsm` and so on."""
    obs = pd.DataFrame(obs or {}, index=[f"barcode{i}" for i in range(len(counts))])
    obs["instance"], obs["region"] = instances, pd.Categorical(np.broadcast_to(region, len(obs)))
    genes = pd.DataFrame(var or {}, index=[f"GENE{i}" for i in range(np.shape(counts)[1])])
    attributes = {"region": region, "region_key": "region", "instance_key": "instance"}
    counts = counts if dense else sparse.csr_matrix(counts)
    adata = anndata.AnnData(counts, obs, genes, {"spatialdata_attrs": attributes}, **parts)
    write_elem(root.require_group("tables"), name, adata)
