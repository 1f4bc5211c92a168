"""Figures of ceilings of sampling noise: scores below them, and whether to believe them."""

import matplotlib.pyplot as plt

from spotrank.report.style import COLOURS, STYLE, empty, grid

LINE = {"color": "#999999", "lw": 0.8, "zorder": 0}


def below_ceiling(panels, note):
    """Spearman of each gene, of the best loss, against its ceiling; means over slides and seeds.

    panels: of `drawn.genes`. Bars are the ceiling's standard deviation, open circles genes that are
    flagged on some slide.
    """
    with plt.rc_context(STYLE):
        figure, axes = grid(len(panels), note=note)
        for axis, (title, loss, genes) in zip(axes, panels, strict=True):
            for flagged, mine in genes.groupby(genes["flagged"] > 0):
                axis.errorbar(
                    mine["ceiling_spearman"], mine["spearman"], xerr=mine["ceiling_spearman_sd"],
                    fmt="o", ms=4, mfc="white" if flagged else COLOURS[0], color=COLOURS[0],
                    elinewidth=0.4, label="flagged" if flagged else loss,
                )  # fmt: skip
            _identity(axis, "ceiling of sampling noise", "Spearman")
            axis.axhline(0, **LINE)
            axis.set_title(title, fontsize=9)
            axis.legend(fontsize=7, frameon=False, loc="upper left")
    return figure


def beside_noise_free(points):
    """Ceiling against what the noise-free mean scores, a point a gene and slide; a panel a cohort.

    points: of `drawn.noise_free`.
    """
    cohorts = list(points.groupby("cohort", sort=False))
    with plt.rc_context(STYLE):
        if not cohorts:
            return empty("of no cohort the noise-free mean is known")
        figure, axes = grid(len(cohorts))
        for axis, (cohort, rows) in zip(axes, cohorts, strict=True):
            told = rows["ceiling_flag"] == ""
            for flagged, mine in ((False, rows[told]), (True, rows[~told])):
                axis.plot(
                    mine["noise_free_spearman"], mine["ceiling_spearman"], "o", ms=3,
                    mfc="white" if flagged else COLOURS[0], color=COLOURS[0],
                    label="flagged" if flagged else None,
                )  # fmt: skip
            bias = (rows["ceiling_spearman"] - rows["noise_free_spearman"])[told].mean()
            _identity(axis, "Spearman of the noise-free mean", "ceiling of sampling noise")
            axis.set_title(f"{cohort}: bias {bias:+.3f}", fontsize=9)
            if not told.all():
                axis.legend(fontsize=7, frameon=False, loc="upper left")
    return figure


def _identity(axis, x, y):
    axis.axline((0, 0), slope=1, **LINE)
    axis.set_xlabel(x)
    axis.set_ylabel(y)
