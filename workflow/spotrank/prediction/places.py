"""Where on a slide is predicted: a grid on the tissue, or places that are given."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from spotrank.base.store import InputError, in_a_line, read_parquet, whole, write_parquet
from spotrank.cohorts import hest
from spotrank.cohorts.patch_files import read_patches
from spotrank.encoders import stored
from spotrank.spots import slides

SPOTS = (".h5ad", ".parquet", ".csv")  # of files of given spots, the first that is there


@dataclass
class Places:
    """Patches of a slide.

    barcodes: their names; centres: in full-resolution px, x then y `(n, 2)`; tissue: the share of
    each that is tissue `(n,)`; rows: of their embeddings in a file, ascending `(n,)`; um_per_px: of
    the slide; side: of a patch in its px; extent: its (width, height) in px.
    """

    barcodes: list
    centres: np.ndarray
    tissue: np.ndarray
    rows: np.ndarray
    um_per_px: float
    side: float
    extent: tuple

    def __len__(self):
        return len(self.barcodes)


def grid(slide, geometry, stride_um, least):
    """The `Places` of a square grid of patches that lie wholly on a `slide.Slide`.

    geometry: of the patches, `size` px of `um_per_px`; stride_um: between centres, None for a
    patch's side; least: the share of a patch that must be tissue. Raises `InputError` for a slide
    without any.
    """
    side_um = geometry["size"] * geometry["um_per_px"]
    side, stride = side_um / slide.um_per_px, (stride_um or side_um) / slide.um_per_px
    across, down = (np.arange(side / 2, size - side / 2 + 1e-6, stride) for size in slide.extent)
    column, row = (
        which.ravel() for which in np.meshgrid(*map(np.arange, map(len, (across, down))))
    )
    centres = np.column_stack([across[column], down[row]])
    share = shares(slide, centres, side)
    kept = share >= max(least, 1e-9)
    if not kept.any():
        if slide.tissue.any():
            raise InputError(
                f"{slide.path}: no patch of {side_um:g} µm is tissue by {least:.0%}; lower "
                "predict.min_tissue."
            )
        raise InputError(
            f"{slide.path}: no tissue was found on it; leave it out, or give its places as "
            "predict.spots."
        )
    names = [f"r{i:04d}_c{j:04d}" for i, j in zip(row[kept], column[kept], strict=True)]
    rows = np.arange(len(names))
    return Places(names, centres[kept], share[kept], rows, slide.um_per_px, side, slide.extent)


def given(slide, geometry, name, spots=None, patches=None, embeddings=None):
    """The `Places` of what is given of the slide `name`, those whose patch lies on it.

    geometry: of the bundle's patches, `size` px of `um_per_px`; spots: a folder, see `read_spots`;
    patches: HEST's patch file; embeddings: a file of them, which spots place where its own
    coordinates don't. Raises `InputError` if no patch lies on the slide.
    """
    if patches:
        path, (names, centres, _) = patches, read_patches(patches, geometry, slide.um_per_px)
    elif embeddings and not spots:
        path, (names, centres) = embeddings, stored.read_places(embeddings)
    else:
        path, names, centres = read_spots(spots, name)
    rows = np.arange(len(names))
    if embeddings and spots:
        known = {barcode: row for row, barcode in enumerate(stored.read_barcodes(embeddings))}
        rows = np.array([known.get(barcode, -1) for barcode in names])
        if (rows < 0).all():
            raise InputError(f"{embeddings}: has no barcode of {path}; write them alike.")
    side = geometry["size"] * geometry["um_per_px"] / slide.um_per_px
    inside = slides.within(centres, side, np.array(slide.extent))
    if not inside.any():
        raise InputError(
            f"{path}: no place lies on the slide {slide.path} of {slide.extent[0]} × "
            f"{slide.extent[1]} px; write them in px of its full resolution."
        )
    kept = np.flatnonzero(inside & (rows >= 0))
    logging.info("%s: %d of %d places are on the slide", path, len(kept), len(names))
    kept = kept[np.argsort(rows[kept], kind="stable")]
    names = [names[i] for i in kept]
    share = shares(slide, centres[kept], side)
    return Places(names, centres[kept], share, rows[kept], slide.um_per_px, side, slide.extent)


def shares(slide, centres, side):
    """Share of each square of `side` px around `centres (n, 2)` that is tissue, `(n,)`.

    By the integral of the thumbnail's mask, between whose px it is linear.
    """
    integral = np.pad(slide.tissue.astype(float).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    low, high = ((centres + step * side / 2) * slide.scale for step in (-1, 1))

    def upto(x, y):
        return ndimage.map_coordinates(integral, [y, x], order=1, mode="nearest")

    (left, top), (right, bottom) = low.T, high.T
    inside = upto(right, bottom) - upto(left, bottom) - upto(right, top) + upto(left, top)
    return np.clip(inside / (side * slide.scale) ** 2, 0, 1)


def path_of_spots(folder, name):
    """Path of the spots that are given for a slide; `InputError` if there are none."""
    paths = [Path(folder) / f"{name}{suffix}" for suffix in SPOTS]
    path = next(filter(Path.exists, paths), None)
    if path is None:
        raise InputError(
            f"config: predict.spots: {paths[0]} is missing (or .parquet, .csv); put the spots of "
            f"the slide '{name}' there, or leave it out."
        )
    return path


def read_spots(folder, name):
    """Path, names (list) and centres `(n, 2)` of the spots that are given for the slide `name`.

    An h5ad with obsm['spatial'], or a table of `barcode`, `x`, `y` (Parquet or CSV), all in
    full-resolution px. Raises `InputError` if there is none, or its numbers are none.
    """
    path = path_of_spots(folder, name)
    if path.suffix == ".h5ad":
        found = hest.read_spots(path)
        return path, list(found.obs_names), np.asarray(found.obsm["spatial"], float)
    try:
        rows = (
            pd.read_csv(path, dtype={"barcode": str})
            if path.suffix == ".csv"
            else (pd.read_parquet(path))
        )
        barcodes, centres = rows["barcode"].astype(str), rows[["x", "y"]].to_numpy(float)
    except Exception as error:  # whatever the library makes of a file that is none
        raise InputError(
            f"{path}: not a table of 'barcode', 'x' and 'y' ({in_a_line(error)}); write it so."
        ) from None
    if not np.isfinite(centres).all() or not len(rows):
        raise InputError(f"{path}: 'x' and 'y' are not two finite numbers a spot; mend them.")
    if barcodes.duplicated().any():
        twice = barcodes[barcodes.duplicated()].iloc[0]
        raise InputError(f"{path}: the barcode '{twice}' stands there twice; keep one spot.")
    return path, barcodes.tolist(), centres


def write(places, path):
    """Write `Places` as Parquet."""
    import pyarrow as pa

    rows = {"barcode": places.barcodes, "tissue": places.tissue, "row": places.rows}
    rows |= dict(zip("xy", places.centres.T, strict=True))
    about = {"um_per_px": places.um_per_px, "side": places.side, "extent": list(places.extent)}
    with whole(path) as temporary:
        found = pa.table(rows).replace_schema_metadata({"about": json.dumps(about)})
        write_parquet(found, temporary)


def read(path):
    """The `Places` that `write` wrote."""
    found = read_parquet(path)
    rows, about = found.to_pandas(), json.loads(found.schema.metadata[b"about"])
    return Places(
        rows["barcode"].tolist(),
        rows[["x", "y"]].to_numpy(),
        rows["tissue"].to_numpy(),
        rows["row"].to_numpy(),
        about["um_per_px"],
        about["side"],
        tuple(about["extent"]),
    )
