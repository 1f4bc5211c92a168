"""Outputs of Space Ranger: Visium v1 and v2, with CytAssist or without."""

import json
from pathlib import Path

import numpy as np

from spotrank.base.store import InputError, in_a_line, read_text
from spotrank.cohorts.sources import tenx, tissue_positions
from spotrank.cohorts.sources.sample import Frame, Sample

SPATIAL = ("scalefactors_json.json", "tissue_positions*", "tissue_*res_image.png")
FILES = [
    f"{outs}{name}"
    for outs in ("", "outs/")
    for name in (
        *("*filtered_feature_bc_matrix.h5", "*filtered_feature_bc_matrix/*"),
        *("*raw_feature_bc_matrix.h5", "*raw_feature_bc_matrix/*"),
        *(f"{spatial}*{name}" for spatial in ("", "spatial/") for name in SPATIAL),
    )
]
PATHS = ("folder", "image", "spatial")
COLUMNS = (*PATHS, "suffix")
PITCH = 100  # µm between neighbours in a row, whose columns are two apart; of all Visium slides
FIDUCIAL = 105  # µm, what `fiducial_diameter_fullres` measures on all of them
AGREE = 0.02  # of the two, at most; places in whole px are that inexact on a few spots
LONG = 1000  # px of a row, whose ends are then known to a thousandth
COARSE = 2.0  # µm/px; CytAssist's own picture has some 4.7


def read(row, side_um):
    """A section of Visium, see `sample.Sample`; spots in tissue only.

    row: `folder`, that of the run or its `outs`; of outputs of `spaceranger aggr` also `suffix`,
    the number behind the barcodes of this section, and `spatial`, the folder of its places.
    side_um: not used, nothing is pooled.
    Raises `InputError` for what is missing, or can't be of one section.
    """
    outs = tenx.outs_of(row["folder"])
    spatial = Path(row.get("spatial", outs / "spatial"))
    if not spatial.is_dir():
        raise InputError(f"{outs}: has no folder 'spatial'; give that of the run's outputs (outs).")
    if (spatial / "tissue_positions.parquet").exists():
        raise InputError(f"{outs}: is of Visium HD; use source: visium_hd.")
    positions = tissue_positions.read(tissue_positions.find(spatial))
    scales = read_scales(spatial)
    um_per_px = _um_per_px(positions, scales, spatial)
    if scales.get("regist_target_img_scalef") == 1 and um_per_px > COARSE:
        raise InputError(
            f"{outs}: its full-resolution picture is CytAssist's own, {um_per_px:.2g} µm/px, too "
            "coarse for patches; run Space Ranger with the microscope's image (--image)."
        )
    path, kind = tenx.find_matrix(outs)
    counts, genes, barcodes, left_out = tenx.read_genes(path)
    chosen, barcodes_there = _of_section(barcodes, positions.index, row, path)
    counts, barcodes = counts[chosen], barcodes[chosen]
    place = tissue_positions.match(
        barcodes_there, positions, np.asarray(counts.sum(1)).ravel(), path
    )
    kept = np.flatnonzero((place >= 0) & positions["in_tissue"].to_numpy()[place])
    if not len(kept):
        raise InputError(f"{path}: no barcode of it is in tissue by {spatial}; check both.")
    return Sample(
        counts=counts[kept],
        genes=genes,
        barcodes=barcodes[kept],
        places=positions[["x", "y"]].to_numpy()[place[kept]],
        um_per_px=um_per_px,
        pitch_um=PITCH,
        frame=frame_of(spatial, scales),
        found={
            "matrix": f"{path.name}, {kind}",
            **left_out,
            "barcodes": len(barcodes),
            "without a place": int((place < 0).sum()),
            "in tissue": len(kept),
        },
    )


def read_scales(spatial):
    """Numbers of `scalefactors_json.json` in the folder `spatial`; `InputError` if it is none."""
    path = tenx.called(spatial, "scalefactors_json.json")
    if path is None:
        raise InputError(
            f"{spatial}: lacks scalefactors_json.json; give the whole folder of the run's outputs."
        )
    try:
        return {key: float(value) for key, value in json.loads(read_text(path)).items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path}: no scale factors of Space Ranger ({in_a_line(error)}); copy it again."
        ) from None


def frame_of(spatial, scales):
    """The full-resolution picture that places are of, by its hires or lowres copy, or None."""
    for which in ("hires", "lowres"):
        path = tenx.called(spatial, f"tissue_{which}_image.png")
        if path and (scale := scales.get(f"tissue_{which}_scalef")):
            return Frame(path, scale)
    return None


def _um_per_px(positions, scales, spatial):
    """µm/px by the two ends of the longest row, checked by the fiducials, which count where the row
    is short: places may be whole px."""
    rows = positions.sort_values("array_col").groupby("array_row")[["array_col", "x", "y"]]
    lengths = rows.last() - rows.first()
    longest = lengths.loc[lengths["array_col"].idxmax()]
    steps, px = longest["array_col"] / 2, np.hypot(longest["x"], longest["y"])
    by_pitch = PITCH * steps / px if px else np.nan
    by_fiducial = FIDUCIAL / scales.get("fiducial_diameter_fullres", np.nan)
    if abs(by_pitch / by_fiducial - 1) > AGREE:
        raise InputError(
            f"{spatial}: {by_pitch:.4g} µm/px by the distance of spots, but {by_fiducial:.4g} by "
            "the fiducials; give positions and scale factors of one run."
        )
    if np.isnan(by_pitch) and np.isnan(by_fiducial):
        raise InputError(
            f"{spatial}: no two spots stand in a row, and there are no fiducials, so nothing tells "
            "µm/px; give the whole file of positions."
        )
    short = not px >= LONG and not np.isnan(by_fiducial)
    return float(by_fiducial if short else by_pitch)


def _of_section(barcodes, known, row, path):
    """Indices of the `barcodes` of the section that `row` means, and what they are called among the
    `known` ones, which have places."""
    suffix = barcodes.str.rpartition("-").get_level_values(2)
    if suffix.nunique() == 1:
        return np.arange(len(barcodes)), barcodes
    wanted, several = row.get("suffix", ""), sorted(suffix.unique())
    if wanted not in several:
        raise InputError(
            f"{path}: holds {len(several)} sections, as `spaceranger aggr` writes them; give each "
            f"a row with its 'suffix' ({', '.join(several)}), the end of its barcodes, and "
            "'spatial', the folder of its places."
        )
    chosen = np.flatnonzero(suffix == wanted)
    own = barcodes[chosen]
    if not own.isin(known).any():  # a section's own file calls all of them -1
        own = own.str.replace(r"\d+$", "1", regex=True)
    return chosen, own
