"""Stores of SpatialData: Visium, Xenium and whatever else has a table that annotates shapes or
labels and a picture in a coordinate system with them."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from spotrank.base.store import InputError
from spotrank.cohorts.sources import tenx, transforms, visium_hd
from spotrank.cohorts.sources.annotated import Table
from spotrank.cohorts.sources.elements import Raster, listed, opened
from spotrank.cohorts.sources.sample import Sample

PATHS = ("folder",)
COLUMNS = (*("folder", "image", "table", "region", "system", "layer", "gene_names", "um_per_px"),)
FILES = [  # what is written anew with any part that is read, and what memory goes by
    *("zarr.json", ".zgroup", ".zattrs", "*/*/zarr.json", "*/*/.zattrs", "shapes/*/shapes.parquet"),
    *("table*/*/*/*/zarr.json", "table*/*/*/*/.zarray"),
    *("table*/*/X/data/c/*", "table*/*/X/data/[0-9]*", "table*/*/X/c/*/*", "table*/*/X/[0-9]*"),
]
SPOTS = 100  # µm between neighbours in a row of Visium, whose columns are two apart
BINS = re.compile(r"(?<!\d)(\d{3})um")  # what Visium HD calls bins of so many µm
XENIUM = {"transcript_counts", "control_probe_counts"}  # columns of Xenium's own tables of cells
IN_UM = re.compile("transcripts|cell_|nucleus_")  # Xenium's elements that are in µm
COPIES = re.compile("(hires|lowres)(_image)?$")  # Space Ranger's small pictures
COARSE = 2.0  # µm/px; small pictures, and CytAssist's own
AGREE = 0.02  # of what the store and the table of samples say of µm/px, at most
APART = 1  # px between two answers of where a spot lies, at most


def read(row, side_um):
    """A sample of a store, see `sample.Sample`; a spot is a row of the table, a spot or a cell, but
    bins of Visium HD are pooled to squares of `side_um`, as `visium_hd` does.

    row: `folder`, that of the store, and where needed names in it: `table`; `region`, which shapes
    or labels, where the table annotates several; `image`, a picture, or the path of a slide that is
    one of the pictures; `system` of coordinates, where several disagree; `layer` of the counts, or
    'raw'; `gene_names`, a column of var; and `um_per_px` of the slide, where nothing tells.
    `slide_size` is width and height of the slide in px, see `_fit`.
    Raises `InputError` for what is missing, ambiguous, no count or not in full resolution.
    """
    with opened(row["folder"]) as store:
        table = Table(store, row)
        centres, systems = table.join()
        fit = _fit(store, row, table, centres, systems, row["slide_size"])
        places = transforms.apply(fit.to_slide @ systems[fit.system], centres)
        um_per_px, pitch_um, told_by = _lengths(store, row, table, fit, places)
        counts, genes = table.read_counts()
    sample = Sample(
        counts=counts,
        genes=genes,
        barcodes=table.barcodes(),
        places=places,
        um_per_px=um_per_px,
        pitch_um=pitch_um,
        found=table.found | fit.found() | {"µm/px by": told_by},
    )
    if pitch_um in (None, SPOTS):
        return sample
    return _pooled(sample, table.obs.iloc[table.rows], side_um, table.where)


def image_blocks(row):
    """The picture that a row's 'image' names, or the store's only one, in full resolution.

    Returns (height, width) and an iterator of strips of it from the top, RGB, uint8
    `(rows, width, 3)`, each read as it is asked for. Raises `InputError` for one that isn't in full
    resolution or, as it is read, in colours.
    """
    with opened(row["folder"]) as store:
        image = _picture(store, row)

    def strips():
        with opened(row["folder"]):  # for its errors
            yield from image.colours()

    return image.size[::-1], strips()


@dataclass
class _Fit:
    """A picture that is the slide, or a small copy of it. to_slide: matrix from the coordinates of
    `system` to px of the slide."""

    image: Raster
    system: str
    to_slide: np.ndarray

    def found(self):
        width, height = self.image.size
        return {
            "picture": f"{self.image.name} ({width} × {height} px)",
            "parts of it that are missing, and black": self.image.missing,
            "system": self.system,
        }


def _is_slide(row):
    """Whether a row's 'image' is the path of a slide, not the name of a picture in the store."""
    return Path(row.get("image", "")).is_file()


def _picture(store, row):
    """The picture in full resolution that a row names, or the store's only one."""
    name = store.choose("images", row.get("image"), "image")
    if COPIES.search(name):
        raise InputError(
            f"{store.folder}: '{name}' is a small copy, but patches need full resolution, and "
            f"{listed('images', store.names('images'))}; name the path of the slide in the column "
            "'image' of the table of samples."
        )
    return store.raster("images", name)


def _fit(store, row, table, centres, systems, slide_size):
    """How the slide lies to the coordinates of the table's region, through a system that it shares
    with a picture.

    The slide is the picture that `row` names or, where that is a file, one of its size; or if there
    are only small copies of it, the region's own coordinates are its px, as in Visium.
    """
    names = store.names("images") if _is_slide(row) else [_picture(store, row).name]
    images = [store.raster("images", name) for name in names]
    shared = [
        (image, system)
        for image in images
        for system in image.systems
        if system in systems and row.get("system", system) == system
    ]
    if not shared:
        raise InputError(
            f"{store.folder}: '{table.region}' is placed in {', '.join(systems)}, but "
            f"{', '.join(names) or 'no picture'} not in {row.get('system', 'any of these')}; write "
            "the store with both in one system of coordinates."
        )
    fits = [
        fit for image, system in shared if (fit := _as_slide(image, system, systems, slide_size))
    ]
    if not fits:
        sizes = (f"{image.name} has {image.size[0]} × {image.size[1]} px" for image in images)
        raise InputError(
            f"{store.folder}: the slide has {slide_size[0]} × {slide_size[1]} px, but "
            f"{', '.join(sizes)}, so spots don't lie where they should; name the file that the "
            "store was made from in the column 'image' of the table of samples."
        )
    first, *others = fits
    where = transforms.apply(first.to_slide @ systems[first.system], centres)
    for other in others:
        apart = where - transforms.apply(other.to_slide @ systems[other.system], centres)
        if np.abs(apart).max() > APART:
            raise InputError(
                f"{store.folder}: spots lie up to {np.abs(apart).max():.0f} px apart by "
                f"{first.image.name} in '{first.system}' and by {other.image.name} in "
                f"'{other.system}'; name one as 'system' (or the picture as 'image') in the table "
                "of samples."
            )
    return first


def _as_slide(image, system, systems, slide_size):
    """The `_Fit` of a picture that is the slide, by its size, or a small copy of it, or None."""
    to_image = np.linalg.inv(image.systems[system])
    if image.size == tuple(slide_size):
        return _Fit(image, system, to_image)
    of_region = to_image @ systems[system]
    scale = of_region[0, 0]
    sizes = np.abs(np.array(slide_size) * scale - image.size)
    if scale < 1 and np.allclose(of_region, np.diag([scale, scale, 1])) and sizes.max() <= 1:
        return _Fit(image, system, np.linalg.inv(systems[system]))
    return None


def _lengths(store, row, table, fit, places):
    """µm/px of the slide, µm between neighbouring spots or None, and what tells the first."""
    obs = table.obs.iloc[table.rows]
    pitch_um = _pitch_um(table, obs)
    told = _told(row)
    by = [(told, "um_per_px of the table of samples")] if told else []
    if pitch_um and (px := _pitch_px(obs, places, pitch_um == SPOTS)):
        by.append((pitch_um / px, "the distance of spots"))
    elif {*obs} >= XENIUM or "xenium" in store.root.attrs.get("spatialdata_io_reader", ""):
        by += _by_scale(store, fit)
    if not by:
        raise InputError(
            f"{store.folder}: nothing tells µm/px of {fit.image.name}; write that of the slide as "
            "'um_per_px' in the table of samples."
        )
    values = [um_per_px for um_per_px, _ in by]
    if max(values) > min(values) * (1 + AGREE):
        said = (f"{um_per_px:.4g} by {what}" for um_per_px, what in by)
        raise InputError(
            f"{store.folder}: µm/px of the slide is {', '.join(said)}; correct 'um_per_px' in the "
            "table of samples, or the store."
        )
    um_per_px, what = by[-1]
    if um_per_px > COARSE:
        raise InputError(
            f"{store.folder}: {fit.image.name} has {um_per_px:.3g} µm/px, too coarse for patches; "
            "name a picture in full resolution in the column 'image' of the table of samples."
        )
    return um_per_px, pitch_um, what


def _told(row):
    """`um_per_px` of a row, or None."""
    text = row.get("um_per_px")
    try:
        value = None if text is None else float(text)
    except ValueError:
        value = np.nan
    if value is not None and not 0 < value < 100:
        raise InputError(
            f"the table of samples: 'um_per_px' is {text}, no length in µm; correct it."
        )
    return value


def _pitch_um(table, obs):
    """µm between neighbours of spots of Visium, or of bins of Visium HD; None for others."""
    if not {"array_row", "array_col"} <= {*obs}:
        return None
    named = (BINS.search(name) for name in (table.name, table.region, str(obs.index[0])))
    if found := next(filter(None, named), None):
        return int(found[1])
    even = (obs["array_row"].astype(int) + obs["array_col"].astype(int)) % 2 == 0
    return SPOTS if even.all() else None  # what is no bin and no Visium has no known pitch


def _pitch_px(obs, places, skips):
    """px between neighbours in a row, by both ends of the longest; None if none has two.

    skips: whether their columns are two apart, as Visium's are.
    """
    grid = pd.DataFrame({"x": places[:, 0], "y": places[:, 1]})
    grid["row"], grid["column"] = (obs[f"array_{of}"].to_numpy(int) for of in ("row", "col"))
    ends = grid.sort_values("column").groupby("row").agg(["first", "last"])
    steps = (ends["column"]["last"] - ends["column"]["first"]) / (2 if skips else 1)
    longest = ends.loc[steps.idxmax()]
    px = np.hypot(*(longest[axis, "last"] - longest[axis, "first"] for axis in "xy"))
    return float(px / steps.max()) if steps.max() else None


def _by_scale(store, fit):
    """`(µm/px, what tells it)` of each element of Xenium that is in µm.

    They are scaled to their system, if nobody has moved them into it: then they may be in px.
    """
    return [
        (1 / transforms.scale_of(fit.to_slide @ own), f"the scale of '{name}'")
        for kind in ("points", "shapes")
        for name in store.names(kind)
        if IN_UM.match(name) and (own := store.systems(kind, name).get(fit.system)) is not None
        if not np.isclose(transforms.scale_of(own), 1)
    ]


def _pooled(sample, obs, side_um, where):
    """A sample of bins as one of squares, kept where enough of their bins are there."""
    bin_um, n = sample.pitch_um, round(side_um / sample.pitch_um)
    if n * bin_um != side_um or bin_um <= visium_hd.FINEST:
        raise InputError(
            f"{where}: patches of {side_um:g} µm are no whole number of bins of {bin_um} µm, or "
            "these are too many; name another table of bins in the column 'table' of the table of "
            "samples, or set patches.size and patches.um_per_px to fit."
        )
    positions = obs[["array_row", "array_col"]].astype(int)
    positions = positions.assign(x=sample.places[:, 0], y=sample.places[:, 1])
    squares, of_bin = np.unique(
        positions[["array_row", "array_col"]] // n, axis=0, return_inverse=True
    )
    kept = np.bincount(of_bin) >= visium_hd.IN_TISSUE * n**2
    if not kept.any():
        raise InputError(
            f"{where}: has half of the bins of no square of {side_um:g} µm; name another in the "
            "column 'table' of the table of samples."
        )
    grid, off = visium_hd.grid_of(positions, where)
    found = {"bins": f"{bin_um} µm, {len(of_bin):,}", "squares": f"{kept.sum():,} of {len(kept):,}"}
    in_square = sparse.csr_matrix((np.ones_like(of_bin, np.float32), (of_bin, range(len(of_bin)))))
    return replace(
        sample,
        counts=(in_square @ sample.counts)[kept],
        barcodes=tenx.names_of_squares(squares[kept], side_um),
        places=visium_hd.centres_of(squares, of_bin, n, grid, off)[kept],
        pitch_um=float(side_um),
        found=sample.found | found,
    )
