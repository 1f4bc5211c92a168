"""Visium HD: bins pooled to squares of the patch's side."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from spotrank.base.store import InputError
from spotrank.base.words import typed
from spotrank.cohorts.sources import tenx, tissue_positions
from spotrank.cohorts.sources.sample import Sample
from spotrank.cohorts.sources.spaceranger import SPATIAL, frame_of, read_scales

OUTS = ("", "binned_outputs/", "outs/binned_outputs/")
FILES = [
    f"{bins}{name}"
    for bins in (
        "",
        *(f"{outs}square_0[01][68]um/" for outs in ("", "binned_outputs/", "outs/binned_outputs/")),
    )
    for name in (
        *("*feature_bc_matrix.h5", "*feature_bc_matrix/*"),
        *(f"spatial/*{name}" for name in SPATIAL),
    )
]
PATHS = ("folder", "image")
COLUMNS = (*PATHS, "bin")
BINS = (16, 8)  # µm, of which the first that divides the patch's side is taken
FINEST = 2  # µm, millions of bins
GRID_OFF = 0.005  # share by which the bins' own spacing may differ from the µm/px told
IN_TISSUE = 0.5  # least share of a square's bins


def read(row, side_um):
    """Squares of `side_um` of a run's bins, as `Sample`.

    row: `folder`, a run's outputs, its binned_outputs or one square_0XXum of them; perhaps `bin`,
    the side of the bins in µm, else the first of `BINS` that divides `side_um`. A square has the
    counts of its bins in tissue, and is kept where those are `IN_TISSUE` of all that it holds; its
    centre is that of all. Raises `InputError`.
    """
    folder, bin_um = _bins(Path(row["folder"]), row.get("bin"), side_um)
    spatial = folder / "spatial"
    places = tissue_positions.find(spatial)
    positions = tissue_positions.read(places)
    scales = read_scales(spatial)
    grid, off = grid_of(positions, places)
    um_per_px = _um_per_px(scales, bin_um, grid, spatial)
    n = round(side_um / bin_um)
    squares, of_bin = np.unique(
        positions[["array_row", "array_col"]].to_numpy() // n, axis=0, return_inverse=True
    )
    tissue = positions["in_tissue"].to_numpy()
    matrix, kind = tenx.find_matrix(folder)
    features, barcodes = tenx.read_names(matrix)
    at = positions.index.get_indexer(barcodes)
    of_barcode = np.where((at >= 0) & tissue[at], of_bin[at], -1)
    counts, totals = _pool(tenx.read_counts(matrix, features, barcodes), of_barcode, len(squares))
    tissue_positions.match(barcodes, positions, totals, matrix)
    kept = np.bincount(of_bin[tissue], minlength=len(squares)) >= IN_TISSUE * n**2
    if not kept.any():
        raise InputError(
            f"{places}: no square of {side_um:g} µm has half of its bins in tissue; check that the "
            "positions are whole."
        )
    counts, genes, left_out = tenx.gene_expression(counts, features, matrix)
    found = {
        "matrix": f"{matrix.name}, {kind}",
        "bins": f"{bin_um:g} µm, {len(positions):,}, {tissue.sum():,} of them in tissue",
        "barcodes": len(barcodes),
        "without a place": int((at < 0).sum()),
        **left_out,
        "squares": f"{kept.sum():,} of {len(squares):,}, the others mostly off tissue",
        "squares are turned against the image by": f"{_turned(grid):.2f}°",
        "counts in squares": f"{counts[kept].sum(dtype=float):,.0f} of "
        f"{counts.sum(dtype=float):,.0f} in tissue",
    }
    return Sample(
        counts=counts[kept],
        genes=genes,
        barcodes=tenx.names_of_squares(squares[kept], side_um),
        places=centres_of(squares, of_bin, n, grid, off)[kept],
        um_per_px=um_per_px,
        pitch_um=float(side_um),
        frame=frame_of(spatial, scales),
        found=found,
    )


def _bins(folder, asked, side_um):
    """Folder of the bins to pool and their side, µm."""
    paths = [path for outs in OUTS for path in sorted((folder / outs).glob("square_*um"))]
    named = {re.fullmatch(r"square_(\d+)um", path.name): path for path in (folder, *paths)}
    there = {int(name[1]): path for name, path in named.items() if name}
    if not there:
        raise InputError(
            f"{folder}: holds no bins (binned_outputs/square_016um); give the folder of the run's "
            "outputs, unpacked."
        )
    wanted = BINS if asked is None else (typed(str(asked)),)
    choices = [side for side in wanted if side in there and side > FINEST]
    if not choices:
        raise InputError(
            f"{folder}: holds bins of {', '.join(map(str, sorted(there)))} µm; get those of 8 or "
            f"16 µm, or name in the column 'bin' one that is there and coarser than {FINEST} µm, "
            "of which there are millions."
        )
    for side in choices:
        if abs(side_um / side - round(side_um / side)) < 1e-6:
            return there[side], side
    least = choices[-1]
    below = side_um // least * least
    raise InputError(
        f"{folder}: patches of {side_um:g} µm are no whole number of bins of {least} µm; set "
        f"patches.size and patches.um_per_px to make {below:g} or {below + least:g} µm."
    )


def _um_per_px(scales, bin_um, grid, spatial):
    """µm/px that a run tells; `InputError` if that is of other bins, or not their spacing."""
    told, um_per_px = (scales.get(key, np.nan) for key in ("bin_size_um", "microns_per_pixel"))
    if told != bin_um or not 0 < um_per_px < np.inf:
        raise InputError(
            f"{spatial}/scalefactors_json.json: tells bins of {told:g} µm at {um_per_px:g} µm/px, "
            f"but its folder holds those of {bin_um} µm; take both of one run."
        )
    spacing = bin_um / np.sqrt(abs(np.linalg.det(grid[:2])))
    if abs(spacing / um_per_px - 1) > GRID_OFF:
        raise InputError(
            f"{spatial}: the spacing of its bins of {bin_um} µm says {spacing:.4f} µm/px, but its "
            f"scalefactors_json.json {um_per_px:.4f}; take both of one run."
        )
    return um_per_px


def grid_of(positions, path):
    """Affine map from `(array_col, array_row, 1)` to px `(x, y)`, `(3, 2)`, by least squares, and
    what it leaves of each bin's place `(n, 2)`; `InputError` for places on no grid."""
    array = positions[["array_col", "array_row"]].to_numpy(float)
    array = np.column_stack([array, np.ones(len(array))])
    places = positions[["x", "y"]].to_numpy()
    grid, _, rank, _ = np.linalg.lstsq(array, places, rcond=None)
    off = places - array @ grid
    step = np.sqrt(abs(np.linalg.det(grid[:2])))
    if rank < 3 or np.abs(off).max() > step / 2:
        raise InputError(
            f"{path}: its bins don't lie on a grid by their rows and columns; take the file as "
            "Space Ranger wrote it."
        )
    return grid, off


def centres_of(squares, of_bin, n, grid, off):
    """Centres of squares of `n` × `n` bins, px `(n_squares, 2)`: the mean of all bins of a whole
    one, and where the grid puts that of one in part."""
    middle = squares[:, ::-1] * n + (n - 1) / 2
    of_square = pd.DataFrame(off).groupby(of_bin).mean().to_numpy()
    return np.column_stack([middle, np.ones(len(middle))]) @ grid + of_square


def _turned(grid):
    """Degrees from the bins' rows to the nearer axis of the image."""
    x, y = np.abs(grid[0])
    return np.degrees(np.arctan2(min(x, y), max(x, y)))


def _pool(parts, groups, n_groups):
    """Sums of the rows of a matrix by `groups` of barcodes, −1 for none, CSR float32 `(n_groups,
    n_features)`; and the sum of each row `(n_barcodes,)`. parts: see `tenx.read_counts`."""
    pooled, totals = 0, np.zeros(len(groups))
    for part, counts in parts:
        totals[part] = counts.sum(axis=1, dtype=float).A1
        rows = np.flatnonzero(groups[part] >= 0)
        places = groups[part][rows], rows
        ones = np.ones(len(rows), np.float32)
        pooled += sparse.csr_matrix((ones, places), shape=(n_groups, counts.shape[0])) @ counts
    return pooled, totals
