"""Elements of a SpatialData store: pictures, labels and shapes, with their transformations."""

import json
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from spotrank.base.store import InputError, in_a_line
from spotrank.base.words import nearest
from spotrank.cohorts.sources import transforms

STRIP = 2**26  # bytes of a picture in memory at a time
COLOURS = {"red": "r", "green": "g", "blue": "b", "alpha": "a"} | {
    letter: letter for letter in "rgba"
}
COLOURS |= dict(zip("0123", "rgba", strict=True))  # numbers, where channels have no names


@contextmanager
def opened(folder):
    """Yield a `Store`; whatever keeps it, or a part of it, from being read is an `InputError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of files that are no part of zarr, as tables are
            yield Store(folder)
    except InputError:
        raise
    except Exception as error:  # whatever the libraries make of a store that is damaged
        raise InputError(
            f"{folder}: not a readable store of SpatialData ({in_a_line(error)}); get it again, or "
            "write it again with spatialdata."
        ) from None


class Store:
    """A store of SpatialData, of zarr 2 or 3. folder: its path."""

    def __init__(self, folder):
        import zarr

        if not Path(folder).is_dir():
            raise InputError(
                f"{folder}: is no folder, as stores of SpatialData are; unpack it, or correct "
                "'folder'."
            )
        self.folder = Path(folder)
        # what lies there counts, not what was once noted of it
        self.root = zarr.open_group(self.folder, mode="r", use_consolidated=False)
        self.tables = "tables" if "tables" in self.root else "table"  # before there were several

    def names(self, kind):
        """Names of the elements of a kind: images, labels, points, shapes or `tables`."""
        return sorted(self.root[kind].group_keys()) if kind in self.root else []

    def choose(self, kind, wanted, column):
        """The element `wanted`, or the only one; `InputError` that asks for it in `column`."""
        names = self.names(kind)
        if wanted in names:
            return wanted
        if wanted is None and len(names) == 1:
            return names[0]
        lacks = "" if wanted is None else f"has no '{wanted}' in {kind}{nearest(wanted, names)}; "
        raise InputError(
            f"{self.folder}: {lacks}{listed(kind, names)}; name one in the column '{column}' of "
            "the table of samples."
        )

    def systems(self, kind, name):
        """`{system: matrix}` of points or shapes, see `transforms.systems`."""
        attributes = self.root[kind][name].attrs
        return self._systems(name, attributes["coordinateTransformations"], attributes["axes"])

    def _systems(self, name, steps, axes):
        try:
            return transforms.systems(steps, axes)
        except ValueError as error:
            raise InputError(
                f"{self.folder}: where '{name}' lies can't be told ({error}); write its "
                "transformations as affine ones of x and y."
            ) from None

    def raster(self, kind, name):
        """A picture or labels in full resolution."""
        group = self.root[kind][name]
        attributes = group.attrs.get("ome", group.attrs)  # of zarr 3, or 2
        scales = attributes["multiscales"][0]
        axes = [axis["name"] for axis in scales["axes"]]
        channels = attributes.get("omero", {}).get("channels", [])
        return Raster(
            name=name,
            where=f"{self.folder}: '{name}' of {kind}",
            array=group[scales["datasets"][0]["path"]],
            axes=axes,
            channels=[str(channel["label"]) for channel in channels],
            systems=self._systems(name, scales["coordinateTransformations"], axes),
        )

    def centres(self, name):
        """Centres of shapes in their own coordinates, of circles or centroids of polygons, and
        their extents: a table by instance of `x, y, left, top, right, bottom`."""
        import shapely

        shapes, index = self._shapes(name)
        points = shapely.get_coordinates(shapely.centroid(shapes))
        columns = ["x", "y", "left", "top", "right", "bottom"]
        return pd.DataFrame(np.column_stack([points, shapely.bounds(shapes)]), index, columns)

    def _shapes(self, name):
        """Geometries (shapely) and their index."""
        import shapely

        group = self.root["shapes"][name]
        if "coords" not in group:
            return read_geometries(self.folder / "shapes" / name / "shapes.parquet")
        kind = shapely.GeometryType(group.attrs["spatialdata_attrs"]["geos"]["type"])
        offsets = sorted(key for key in group.array_keys() if key.startswith("offset"))
        offsets = tuple(group[key][:].ravel() for key in offsets) or None
        return shapely.from_ragged_array(kind, group["coords"][:], offsets), group["Index"][:]


@dataclass
class Raster:
    """A picture or labels. where: words for errors; array: of zarr; axes, channels: their names;
    systems: `{system: matrix}`, see `transforms.systems`."""

    name: str
    where: str
    array: object
    axes: list
    channels: list
    systems: dict

    @property
    def size(self):
        """Width and height in px."""
        return tuple(self.array.shape[self.axes.index(axis)] for axis in "xy")

    @property
    def missing(self):
        """Number of chunks that aren't stored: zeros, or what an unfinished copy lacks."""
        return self.array.nchunks - self.array.nchunks_initialized

    def strips(self):
        """Yield the values by rows from the top, as many as `STRIP` holds: `(rows, width)`, of a
        picture with channels `(rows, width, channels)`."""
        shape, order = self.array.shape, [self.axes.index(a) for a in "yxc" if a in self.axes]
        if max((n for axis, n in enumerate(shape) if axis not in order), default=1) > 1:
            raise InputError(f"{self.where} has more axes than x, y and c; write a flat one.")
        cut = [slice(None) if axis in order else 0 for axis in range(len(shape))]
        y = order[0]
        bytes_of_a_row = self.array.size // shape[y] * self.array.dtype.itemsize
        rows = max(min(STRIP // bytes_of_a_row, self.array.chunks[y]), 1)
        for top in range(0, shape[y], rows):
            cut[y] = slice(top, top + rows)
            yield self.array[tuple(cut)].transpose(np.argsort(np.argsort(order)))

    def colours(self):
        """Yield strips as RGB, uint8 `(rows, width, 3)`, 16 bits cut to 8, on white where the
        picture is transparent; `InputError` for one that isn't in colours."""
        n = self.array.shape[self.axes.index("c")] if "c" in self.axes else 1
        names = self.channels or [str(place) for place in range(n)]
        known = [COLOURS.get(name.lower()) for name in names]
        if sorted(map(str, known)) != sorted("rgba"[: max(n, 3)]):
            raise InputError(
                f"{self.where} has the channels {', '.join(names)}, not red, green and blue; name "
                "the picture of H&E in the column 'image' of the table of samples."
            )
        if self.array.dtype not in (np.uint8, np.uint16):
            raise InputError(
                f"{self.where} holds numbers of the type {self.array.dtype}, not bytes; write it "
                "as 0 to 255 (uint8)."
            )
        order = [known.index(colour) for colour in "rgba"[:n]]
        for strip in self.strips():
            strip = strip[..., order]
            if strip.dtype == np.uint16:
                strip = (strip >> 8).astype(np.uint8)
            if n == 4:
                alpha = strip[..., 3:].astype(np.uint16)
                strip = (strip[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
            yield np.ascontiguousarray(strip, np.uint8)

    def centres(self):
        """Centres of labels, the means of their pixels' middles: a table by label of `x, y`.

        The middle of the first pixel is (.5, .5), as in SpatialData. 0 is no label.
        """
        parts, top = [], 0
        for strip in self.strips():
            y, x = np.nonzero(strip)
            codes, labels = pd.factorize(strip[y, x])
            sums = {"x": x + 0.5, "y": y + top + 0.5, "n": np.ones(len(x))}
            sums = {column: np.bincount(codes, values) for column, values in sums.items()}
            parts.append(pd.DataFrame(sums, labels))
            top += len(strip)
        table = pd.concat(parts).groupby(level=0).sum()
        return table[["x", "y"]].div(table["n"], axis=0)


def read_geometries(path):
    """Geometries (shapely) of a GeoParquet file and their index; `InputError` for an encoding that
    is not known."""
    import pyarrow.parquet as pq
    import shapely

    about = json.loads(pq.read_schema(path).metadata[b"geo"])
    column = about["primary_column"]
    encoding = about["columns"][column]["encoding"]
    table = pq.read_table(path, columns=[column], use_pandas_metadata=True)
    index = table.drop([column]).to_pandas().index
    stored = table[column].combine_chunks()
    if encoding == "WKB":
        return shapely.from_wkb(stored.to_numpy(zero_copy_only=False)), index
    kinds = {kind.name.lower(): kind for kind in shapely.GeometryType}
    if encoding not in kinds:
        raise InputError(f"{path}: its geometry is encoded as {encoding}; write it as WKB.")
    offsets = []  # of geoarrow, which nests lists of coordinates: the innermost first
    while hasattr(stored, "offsets"):
        offsets.insert(0, stored.offsets.to_numpy())
        stored = stored.values
    points = np.column_stack([stored.field(axis).to_numpy() for axis in "xy"])
    return shapely.from_ragged_array(kinds[encoding], points, tuple(offsets) or None), index


def listed(kind, names):
    """What there is of a kind, in words."""
    return f"its {kind} are {', '.join(names)}" if names else f"it holds no {kind}"
