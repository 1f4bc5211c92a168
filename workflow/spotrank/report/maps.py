"""Maps of expression on the tissue."""

import matplotlib.pyplot as plt
import numpy as np

from spotrank.cohorts import slide_files
from spotrank.report.style import STYLE


def maps(title, spots, predicted, truth, scores, wsi=None):
    """Observed and predicted expression on the tissue, for the best and the worst gene of a slide.

    spots: AnnData of `pair`; predicted, truth: `{gene: (n_spots,)}` in log1p units; scores: Series
    of Spearman by gene; wsi: the slide to draw under the spots, if any.
    """
    place = spots.obsm["spatial"] * spots.uns["pixel_size_um"] / 1000  # mm
    ranked = scores.dropna().sort_values() if scores.notna().any() else scores
    chosen = {"best": ranked.index[-1], "worst": ranked.index[0]}
    low, high = place.min(0) - 0.15, place.max(0) + 0.15
    background = slide_files.overview(wsi) if wsi else None
    with plt.rc_context(STYLE):
        shape = (high - low)[1] / (high - low)[0]
        figure, axes = plt.subplots(2, 2, figsize=(7.6, 6.4 * shape + 0.9), layout="constrained")
        for row, (which, gene) in zip(axes, chosen.items(), strict=True):
            kinds = (
                ("observed", truth[gene]),
                (f"predicted (Spearman {scores[gene]:.2f})", predicted[gene]),
            )
            for axis, (kind, values) in zip(row, kinds, strict=True):
                if background is not None:
                    image, size_px = background
                    extent = np.array(size_px) * spots.uns["pixel_size_um"] / 1000
                    axis.imshow(image, extent=(0, extent[0], extent[1], 0), alpha=0.6)
                dots = axis.scatter(
                    *place.T, c=values, s=spot_area(place, low, high), cmap="viridis", linewidths=0
                )
                axis.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), aspect="equal")
                axis.set_xlabel("mm")
                axis.set_title(f"{which} gene, {gene}: {kind}", fontsize=9)
                figure.colorbar(dots, ax=axis, shrink=0.8, label="log1p expression")
        figure.suptitle(title, fontsize=10)
    return figure


def spot_area(place, low, high):
    """Area in points² of spots drawn about as wide as half their distance."""
    density = np.sqrt(np.prod(high - low) / len(place)) / (high - low)[0]
    return (0.6 * density * 200) ** 2
