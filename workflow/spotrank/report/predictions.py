"""Pictures of a slide that was predicted on: what was looked at, and genes on the tissue."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from spotrank.cohorts import slide_files
from spotrank.prediction import geojson
from spotrank.report.style import COLOURS, STYLE, grid

BLUE, WRONG = COLOURS[:2]
MARGIN = 0.3  # mm around the tissue
SIDE = 1500  # px of the thumbnail
PALE = 0.35  # opacity of a patch that is far from home


def overview(title, path, places, far, outlines):
    """The slide with its tissue's outlines and the patches, far ones vermilion.

    places: `places.Places`; far: of each patch `(n,)`; outlines: shapely polygons in px.
    """
    mm = places.um_per_px / 1000
    squares = geojson.squares(places.centres, places.side) * mm
    style = {"linewidths": min(0.6, 40 / len(places) ** 0.5)}
    with plt.rc_context(STYLE):
        view = _View(path, places)
        figure, (axis,) = grid(1, width=7.5, height=7 * view.aspect + 1)
        view.draw(axis)
        axis.add_collection(PolyCollection(squares[~far], fc="none", ec=BLUE, **style))
        axis.add_collection(PolyCollection(squares[far], fc=f"{WRONG}59", ec=WRONG, **style))
        for outline in outlines:
            for ring in (outline.exterior, *outline.interiors):
                axis.plot(*(np.array(ring.coords) * mm).T, color="black", lw=0.9)
        found = [
            Line2D([], [], color="black", lw=0.9, label="tissue"),
            Patch(fc="none", ec=BLUE, label=f"{(~far).sum():,} patches"),
            Patch(fc=f"{WRONG}59", ec=WRONG, label=f"{far.sum():,} far from the training"),
        ]
        figure.legend(handles=found, loc="outside lower center", ncols=3, frameon=False)
        figure.suptitle(_wrapped(title, 90), fontsize=10)
    return figure


def maps(title, path, places, far, values, expected):
    """Predicted expression on the tissue, a panel a gene; patches that are far are pale.

    values: `{gene: log1p units (n,)}`; expected: `{gene: words}` of what to expect of each.
    """
    squares = geojson.squares(places.centres, places.side) * places.um_per_px / 1000
    with plt.rc_context(STYLE):
        view = _View(path, places)
        figure, axes = grid(len(values), width=4.4, height=3.6 * view.aspect + 0.8)
        for axis, (gene, value) in zip(axes, values.items(), strict=True):
            view.draw(axis, alpha=0.5)
            patches = PolyCollection(squares, array=value, cmap="viridis", linewidths=0)
            patches.set_alpha(np.where(far, PALE, 1.0))
            axis.add_collection(patches)
            patches.autoscale_None()
            scale = plt.cm.ScalarMappable(patches.norm, patches.cmap)  # a bar that is not pale
            figure.colorbar(scale, ax=axis, shrink=0.8, label="predicted log1p expression")
            axis.set_title(f"{gene}\n{expected[gene]}", fontsize=9)
        pale = " (pale: far from the training)" if far.any() else ""
        figure.suptitle(_wrapped(title + pale, 50 * min(len(values), 3)), fontsize=10)
    return figure


class _View:
    """The thumbnail of a slide in mm, cut to its patches."""

    def __init__(self, path, places):
        self.image, _ = slide_files.overview(path, SIDE)
        mm = places.um_per_px / 1000
        self.size = np.array(places.extent) * mm
        reach = places.side * mm / 2 + MARGIN
        self.low = np.maximum(places.centres.min(0) * mm - reach, 0)
        self.high = np.minimum(places.centres.max(0) * mm + reach, self.size)
        width, height = self.high - self.low
        self.aspect = float(np.clip(height / width, 0.4, 2.5))

    def draw(self, axis, alpha=1.0):
        axis.imshow(self.image, extent=(0, self.size[0], self.size[1], 0), alpha=alpha)
        (left, top), (right, bottom) = self.low, self.high
        axis.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", xlabel="mm", ylabel="mm")


def _wrapped(text, width):
    return "\n".join(textwrap.wrap(text, width))
