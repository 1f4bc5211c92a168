"""Outputs of Space Ranger: Visium v1 and v2, with CytAssist or without."""

import json
from pathlib import Path

import numpy as np

from spotrank.base.store import InputError, in_a_line, read_text
from spotrank.cohorts.sources import tenx
from spotrank.cohorts.sources.sample import Frame, Sample

PITCH = 100  # µm between neighbours in a row, whose columns are two apart; of all Visium slides
FIDUCIAL = 105  # µm, what `fiducial_diameter_fullres` measures on all of them
AGREE = 0.02  # of the two, at most; spots of a few rows in whole px are that inexact
COARSE = 2.0  # µm/px; CytAssist's own picture has some 4.7
STRANGE = 0.01  # share of barcodes that may lack a place


def read(row, side_um):
    """A section of Visium, see `sample.Sample`; spots in tissue only.

    row: `folder`, that of the run or its `outs`; of outputs of `spaceranger aggr` also `suffix`,
    the number behind the barcodes of this section, and `spatial`, the folder of its places.
    Raises `InputError` for what is missing, or can't be of one section.
    """
    outs = tenx.outs_of(row["folder"])
    spatial = Path(row.get("spatial", outs / "spatial"))
    positions = tenx.read_positions(tenx.positions_of(spatial))
    scales = read_scales(spatial / "scalefactors_json.json")
    um_per_px = _um_per_px(positions, scales, spatial)
    path, kind = tenx.find_matrix(outs)
    counts, genes, barcodes, found = tenx.read_genes(path)
    if scales.get("regist_target_img_scalef") == 1 and um_per_px > COARSE:
        raise InputError(
            f"{outs}: its full-resolution picture is CytAssist's own, {um_per_px:.2g} µm/px, too "
            "coarse for patches; run Space Ranger with the microscope's image (--image)."
        )
    positions, chosen = _of_section(positions, barcodes, row, path)
    place = positions.index.get_indexer(barcodes[chosen])
    strange = int((place < 0).sum())
    if strange > STRANGE * len(place):
        raise InputError(
            f"{path}: {strange} of its {len(place)} barcodes have no place in {spatial}; give the "
            "matrix and the places of one section."
        )
    chosen, place = chosen[place >= 0], place[place >= 0]
    inside = positions["in_tissue"].to_numpy()[place] == 1
    if not inside.any():
        raise InputError(f"{path}: no barcode of it is in tissue by {spatial}; check both.")
    chosen, place = chosen[inside], place[inside]
    found = {
        "matrix": f"{path.name} ({kind})",
        **found,
        "barcodes": len(barcodes),
        "without a place": strange,
        "in tissue": len(place),
    }
    return Sample(
        counts=counts[chosen],
        genes=genes,
        barcodes=barcodes[chosen],
        places=positions[["x", "y"]].to_numpy(float)[place],
        um_per_px=um_per_px,
        pitch_um=PITCH,
        frame=frame_of(spatial, scales),
        found=found,
    )


def read_scales(path):
    """Numbers of `scalefactors_json.json`; `InputError` if it is none."""
    try:
        scales = json.loads(read_text(path))
        return {key: float(value) for key, value in scales.items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path}: no scale factors of Space Ranger ({in_a_line(error)}); copy it again."
        ) from None


def frame_of(spatial, scales):
    """The full-resolution picture that places are of, by its hires or lowres copy, or None."""
    for which in ("hires", "lowres"):
        path, scale = spatial / f"tissue_{which}_image.png", scales.get(f"tissue_{which}_scalef")
        if path.exists() and scale:
            return Frame(path, scale)
    return None


def _um_per_px(positions, scales, spatial):
    """µm/px by the distance of spots in the longest row, checked by the fiducials."""
    own = positions.sort_values(["array_row", "array_col"]).groupby("array_row")
    first, last = own.first(), own.last()
    steps = (last["array_col"] - first["array_col"]) / 2
    longest = steps.idxmax()
    fiducial = scales.get("fiducial_diameter_fullres")
    by_fiducial = FIDUCIAL / fiducial if fiducial else None
    if steps[longest] == 0:
        if by_fiducial:
            return by_fiducial
        raise InputError(
            f"{spatial}: no two spots stand in a row, and there are no fiducials, so nothing tells "
            "µm/px; give the whole positions file."
        )
    ends = (last - first).loc[longest, ["x", "y"]].to_numpy(float)
    by_pitch = float(PITCH * steps[longest] / np.hypot(*ends))
    if by_fiducial and abs(by_pitch / by_fiducial - 1) > AGREE:
        raise InputError(
            f"{spatial}: {by_pitch:.4g} µm/px by the distance of spots, but {by_fiducial:.4g} by "
            "the fiducials; give the positions and scale factors of one run."
        )
    return by_pitch


def _of_section(positions, barcodes, row, path):
    """Places, and which barcodes, of the section that `row` means: `(positions, indices)`."""
    suffix = barcodes.str.rpartition("-").get_level_values(2)
    several = sorted(suffix.unique())
    if len(several) == 1:
        return positions, np.arange(len(barcodes))
    wanted = str(row.get("suffix", ""))
    if wanted not in several:
        raise InputError(
            f"{path}: holds {len(several)} sections, as `spaceranger aggr` writes them, told apart "
            f"by the barcodes' suffix; give each a row with its 'suffix' ({', '.join(several)}) and "
            "'spatial', the folder of its places."
        )
    if not positions.index.str.endswith(f"-{wanted}").any():
        positions = positions.set_axis(
            positions.index.str.replace(r"-\d+$", f"-{wanted}", regex=True)
        )
    return positions, np.flatnonzero(suffix == wanted)
