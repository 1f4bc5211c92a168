"""Whether samples were imported right: what was found in each, and where its spots lie."""

import math
import textwrap
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.collections import EllipseCollection, PolyCollection

from spotrank.cohorts import hest, slide_files
from spotrank.report.style import COLOURS, STYLE, grid
from spotrank.spots import pair, quality, slides

DIAMETER = 55  # µm of a Visium spot
BLUE, WRONG = COLOURS[:2]
SIDE = 900  # px of a slide's view
BARS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)  # mm
BEYOND = 0.5  # how far a panel reaches to show spots off the slide, in its sides


@dataclass
class Look:
    """What is known of an imported sample.

    slide: its path; places: centres of the spots, px of the slide `(n_spots, 2)`; on_slide: which
    patches lie on it; known, see `quality.measure`; diameter_um: of a spot, None where spots are
    squares as large as patches; found: `{what: value}` by the importer.
    """

    sample: str
    slide: str
    places: np.ndarray
    on_slide: np.ndarray
    known: dict
    diameter_um: float | None
    found: dict


def look(sample, st, metadata, slide, side_um):
    """The `Look` of a sample by its files in HEST-1k's layout.

    side_um: side of a patch. Raises `InputError` for what is no sample.
    """
    places = hest.read_spots(st).obsm["spatial"]
    pixel_size_um, pitch_um = hest.read_pixel_size(metadata), hest.read_pitch(metadata)
    counts, genes, found = pair.genes_of(st)
    depth = np.asarray(counts.sum(1)).ravel()
    mito = np.asarray(counts[:, genes["mitochondrial"].to_numpy()].sum(1)).ravel()
    with slides.open_slide(slide) as opened:
        on_slide = slides.within(places, side_um / pixel_size_um, np.array(opened.dimensions))
    known = quality.measure(
        {"measured": len(places)},
        depth,
        mito / np.maximum(depth, 1),
        places,
        pixel_size_um,
        pitch_um,
        slide,
        off_slide=int((~on_slide).sum()),
    )
    squares = pitch_um is not None and abs(pitch_um - side_um) < 1
    diameter_um = None if squares else hest.read_diameter(metadata) or DIAMETER
    noted = hest.read_found(metadata)
    return Look(sample, slide, places, on_slide, known | found, diameter_um, noted)


def picture(looks, side_um):
    """Each sample's slide with its spots as large as they are, a panel a sample.

    Spots whose patch is not wholly on the slide, and what looks like a mistake, are vermilion.
    """
    with plt.rc_context(STYLE):
        columns = max(4, math.ceil(len(looks) ** 0.5))  # a PNG has 65,535 px a side at most
        figure, axes = grid(len(looks), width=4.4, height=4.8, columns=columns)
        for axis, own in zip(axes, looks, strict=True):
            _panel(axis, own, side_um)
        figure.get_layout_engine().set(h_pad=0.25)  # inches: titles stand out of what it measures
    return figure


def _panel(axis, own, side_um):
    image, extent = slide_files.overview(own.slide, SIDE)
    mm_per_px = own.known["um_per_px"] / 1000
    width, height = np.array(extent) * mm_per_px
    axis.imshow(image, extent=(0, width, height, 0), alpha=0.7)
    place = own.places * mm_per_px
    for spots, colour in ((place[own.on_slide], BLUE), (place[~own.on_slide], WRONG)):
        axis.add_collection(_outlines(axis, spots, own.diameter_um, side_um, colour))
    reach = BEYOND * max(width, height)
    low = np.clip(place.min(0), -reach, 0)
    high = np.clip(place.max(0), (width, height), (width + reach, height + reach))
    axis.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), xticks=[], yticks=[], aspect="equal")
    for spine in axis.spines.values():
        spine.set_visible(False)
    _scale_bar(axis, low, high)
    axis.set_title(f"{own.sample}\n{_in_short(own.known)}", fontsize=8)
    axis.set_xlabel(
        "\n".join(textwrap.wrap("; ".join(_doubts(own)), 62)), fontsize=8, color=WRONG, loc="left"
    )


def _outlines(axis, place, diameter_um, side_um, colour):
    """Spots in mm as circles, or squares of a patch's side, in the axis' own measure."""
    style = {"facecolors": "none", "edgecolors": colour, "linewidths": 0.8}
    if diameter_um is None:
        corners = np.array([(-1, -1), (-1, 1), (1, 1), (1, -1)]) * side_um / 2000
        return PolyCollection(place[:, None] + corners, **style)
    size = np.full(len(place), diameter_um / 1000)
    transform = {"offsets": place, "offset_transform": axis.transData}
    return EllipseCollection(size, size, np.zeros(len(place)), units="xy", **transform, **style)


def _scale_bar(axis, low, high):
    """A bar of a round length in the lower left corner."""
    width, height = high - low
    length = max((bar for bar in BARS if bar < width / 3), default=BARS[0])
    left, bottom = low[0] + 0.03 * width, high[1] - 0.03 * height
    axis.plot([left, left + length], [bottom, bottom], color="black", lw=2, solid_capstyle="butt")
    axis.annotate(
        f"{length:g} mm", (left + length / 2, bottom - 0.01 * height), ha="center", va="bottom"
    )


def _in_short(known):
    return f"{known['measured']:,} spots, {known['um_per_px']:.4g} µm/px"


def _doubts(own):
    marked, wrong = quality.doubts(own.known)
    return [*wrong, *marked]


def table(looks):
    """What was found, in Markdown: a line a sample, then of each what its importer noted."""
    rows = pd.DataFrame(
        {
            "sample": own.sample,
            "spots": own.known["measured"],
            "off the slide": own.known["off_slide"],
            "genes": own.known["genes"],
            "median counts": own.known["median_depth"],
            "µm/px": own.known["um_per_px"],
            "by the spots' distance": own.known.get("um_per_px_by_pitch"),
            "by the slide": own.known.get("um_per_px_by_slide"),
            "looks wrong": "; ".join(_doubts(own)),
        }
        for own in looks
    )
    parts = [_markdown(rows)]
    for own in looks:
        if own.found:
            noted = pd.DataFrame(own.found.items(), columns=["found", own.sample])
            parts.append(_markdown(noted))
    return "\n\n".join(parts) + "\n"


def _markdown(frame):
    return frame.to_markdown(index=False, floatfmt=".4g", missingval="")
