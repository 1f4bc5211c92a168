"""What became of a sample's spots, and what about it looks like a mistake."""

import numpy as np

from spotrank.spots.neighbours import pitch
from spotrank.spots.slides import open_slide

LOST = 1 / 3  # share of the spots that are off the slide or have no patch
APART = 1.1  # ratio of two lengths of a pixel that should be one
WRONG = 1.5  # the same, which no inaccuracy explains
FEW = 30  # spots
LEVELS = (2, 4, 8, 16, 32)  # how much coarser another level of a slide may be


def measure(left, depth, mito, places, pixel_size_um, pitch_um=None, wsi=None, off_slide=0):
    """What is known of a sample, as a dict that JSON can hold.

    left: number of spots after each step of `pair`, the first as measured; depth, mito: counts and
    share of mitochondrial ones of the spots that are kept `(n,)`; places: of all spots measured, in
    full-resolution px `(n_spots, 2)`; pixel_size_um: by the metadata; pitch_um: distance of
    neighbouring spots in µm, if known; wsi: the slide, if any; off_slide: spots whose patch is not
    wholly on it.
    """
    steps, counts = zip(*left.items(), strict=True)
    known = {
        "measured": counts[0],
        **{
            f"lost_{step}": before - after
            for step, before, after in zip(steps[1:], counts, counts[1:], strict=False)
        },
        "spots": counts[-1],
        "off_slide": off_slide,
        "median_depth": float(np.median(depth)),
        "without_mito": float((mito == 0).mean()),
        "um_per_px": pixel_size_um,
    }
    if pitch_um and len(places) > 1 and (nearest := pitch(places)):
        known["um_per_px_by_pitch"] = float(pitch_um / nearest)
    if wsi is not None:
        with open_slide(wsi) as slide:
            if own := slide.properties.get("openslide.mpp-x"):
                known["um_per_px_by_slide"] = float(own)
            known["likely_cause"] = likely_cause(places, slide.dimensions) if off_slide else ""
    return known


def likely_cause(places, extent):
    """What would explain that spots lie off a slide of `extent` (width, height) px, or ''."""

    def inside(places):
        return ((places >= 0) & (places <= extent)).all()

    if inside(places):
        return ""
    if inside(places[:, ::-1]):
        return "x and y are swapped, or the slide is transposed"
    for times in LEVELS:
        if inside(places / times):
            return f"they are of a slide {times} times as large, so this one is another level"
    return ""


def doubts(known):
    """`(what looks like a mistake, what can't be right)` of `measure`, each a list of words."""
    marked, wrong = [], []
    measured, size = known["measured"], known["um_per_px"]
    if known["off_slide"] > LOST * measured:
        cause = known.get("likely_cause")
        wrong.append(
            f"{known['off_slide']} of {measured} spots lie off the slide"
            + (f", likely because {cause}" if cause else "")
        )
    if known.get("lost_has_patch", 0) > LOST * measured:
        marked.append(f"{known['lost_has_patch']} of {measured} spots have no patch")
    for other, whose in (("pitch", "the distance of its spots"), ("slide", "the slide itself")):
        own = known.get(f"um_per_px_by_{other}", size)
        ratio = max(own / size, size / own)
        if ratio > APART:
            impossible = ratio > WRONG and other == "pitch"
            (wrong if impossible else marked).append(
                f"{size:.4g} µm/px by its metadata, but {own:.4g} by {whose}"
            )
    if known["spots"] < FEW:
        marked.append(f"only {known['spots']} spot{'s' * (known['spots'] > 1)}")
    if known.get("no_mito"):
        marked.append("no gene is known as mitochondrial, so spots.max_mito drops none")
    return marked, wrong
