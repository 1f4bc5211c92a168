"""Figures of the synthetic study."""

import matplotlib.pyplot as plt

from spotrank.report.style import COLOURS, STYLE, grid
from spotrank.verdicts.summary import SYNTHETIC_KEYS


def scores(scores):
    """Spearman with the noise-free mean by loss, by size of the lists and by thinning.

    scores: `tables/synthetic.parquet`; a point is a seed's mean over functions.
    """
    keys = SYNTHETIC_KEYS
    seeds = scores.groupby([*keys, "seed"], sort=False)["spearman"].mean().reset_index()
    samplings = dict(zip(seeds["sampling"].unique(), COLOURS, strict=False))
    full = seeds[seeds["thinning"] == seeds["thinning"].max()]
    lists = full[(full["loss"] == "strank_list") & (full["list_size"] > 0)]
    whole = seeds[seeds["list_size"] == 0]
    losses = list(whole["loss"].unique())
    thinned = list(samplings) if seeds["thinning"].nunique() > 1 else []
    with plt.rc_context(STYLE):
        n = 1 + (len(lists) > 0) + len(thinned)
        figure, axes = grid(n, width=4.8, height=1.2 + 0.3 * max(len(losses), 6), columns=2)
        axis, *axes = axes
        for i, (sampling, colour) in enumerate(samplings.items()):
            mine = full[(full["sampling"] == sampling) & (full["list_size"] == 0)]
            y = mine["loss"].map(losses.index) + 0.24 * (i - (len(samplings) - 1) / 2)
            axis.scatter(mine["spearman"], y, s=16, color=colour, label=sampling, linewidths=0)
            for place, rows in mine.groupby(y):
                axis.plot([rows["spearman"].mean()] * 2, [place - 0.14, place + 0.14], color=colour)
        axis.set_yticks(range(len(losses)), losses)
        axis.invert_yaxis()
        axis.set_xlabel("Spearman with the noise-free mean")
        axis.legend(fontsize=7, frameon=False)
        if len(lists):
            axis, *axes = axes
            for sampling, rows in lists.groupby("sampling", sort=False):
                _line(axis, rows, "list_size", samplings[sampling], sampling)
            axis.set_xscale("log", base=2)
            axis.set_xticks(sizes := sorted(lists["list_size"].unique()), sizes)
            axis.set_xlabel("spots a list (strank_list)")
            axis.set_ylabel("Spearman with the noise-free mean")
            axis.legend(fontsize=7, frameon=False)
        for axis, sampling in zip(axes, thinned, strict=True):
            for i, loss in enumerate(losses):
                rows = whole[(whole["sampling"] == sampling) & (whole["loss"] == loss)]
                style = "-" if i < len(COLOURS) else "--"
                _line(axis, rows, "thinning", COLOURS[i % len(COLOURS)], loss, style)
            axis.set_xscale("log")
            axis.set_xticks(shares := sorted(seeds["thinning"].unique()), shares)
            axis.minorticks_off()
            axis.set_xlabel("share of the counts that is kept")
            axis.set_ylabel("Spearman with the noise-free mean")
            axis.set_title(sampling, fontsize=9)
            axis.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _line(axis, rows, x, colour, label, style="-"):
    """Points of seeds at `x`, and a line through their means."""
    axis.scatter(rows[x], rows["spearman"], s=12, color=colour, linewidths=0)
    mean = rows.groupby(x)["spearman"].mean()
    axis.plot(mean.index, mean, style, color=colour, lw=1.2, label=label)


def curves(curves):
    """What each loss fits to each function, beside the mean, in standard deviations over x.

    curves: DataFrame `function, loss, list_size, seed, sampling, thinning, x, score, mean`; drawn
    are those of whole lists and of the fullest counts, a line a seed.
    """
    full = curves["thinning"] == curves["thinning"].max()
    curves = curves[full & (curves["list_size"] == 0)]
    losses, functions = curves["loss"].unique(), curves["function"].unique()
    samplings = dict(zip(curves["sampling"].unique(), COLOURS, strict=False))
    with plt.rc_context(STYLE | {"font.size": 8}):
        figure, axes = plt.subplots(
            len(losses), len(functions), figsize=(2.2 * len(functions), 1.15 * len(losses) + 0.6),
            squeeze=False, sharex=True, sharey=True, layout="constrained",
        )  # fmt: skip
        for (loss, function), rows in curves.groupby(["loss", "function"]):
            axis = axes[list(losses).index(loss), list(functions).index(function)]
            for (sampling, _), run in rows.groupby(["sampling", "seed"], sort=False):
                axis.plot(run["x"], _standardised(run["score"]), color=samplings[sampling], lw=0.7)
            axis.plot(run["x"], _standardised(run["mean"]), color="black", lw=1, ls=":")
        for axis, loss in zip(axes[:, 0], losses, strict=True):
            axis.set_ylabel(loss.replace(" (", "\n("), fontsize=7)
        for axis, function in zip(axes[0], functions, strict=True):
            axis.set_title(f"function {function + 1}", fontsize=9)
        for axis in axes[-1]:
            axis.set_xlabel("x")
            axis.set_ylim(-3, 3)
        lines = [plt.Line2D([], [], color=colour) for colour in samplings.values()]
        lines.append(plt.Line2D([], [], color="black", ls=":"))
        figure.legend(
            lines, [*samplings, "noise-free mean"], loc="outside upper center", ncols=3,
            frameon=False, fontsize=8,
        )  # fmt: skip
        figure.supylabel("score (standard deviations over x)", fontsize=8)
    return figure


def _standardised(values):
    return (values - values.mean()) / (values.std() or 1)
