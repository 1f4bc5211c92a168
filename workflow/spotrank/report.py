"""Figures of a study's scores."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from spotrank import slides, tables

# Okabe and Ito's colours, told apart by colour-blind readers
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
HISTORY = ["auxiliary", "loss", "run", "epoch", "monitored", "n_auxiliary"]
PANELS = ["cohort", "split", "encoder", "panel", "head", "auxiliary"]
STYLE = {"axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 150, "font.size": 9}


def panels_of(frame):
    """`(title, rows)` of each combination of PANELS; titles name what varies and what leaks."""
    varying = [key for key in PANELS if frame[key].nunique() > 1] or ["cohort"]
    for _, rows in frame.groupby(PANELS, sort=False):
        title = ", ".join(str(rows[key].iloc[0]).replace("_", " ") for key in varying)
        yield title + leak_note(rows), rows


def leak_note(rows):
    """A line for a title that says what leaks in some fold of `rows`, or nothing."""
    return "".join(f"\n† {leak}" for leak in rows["leak"].unique() if leak)


def grid(n, width=4.2, height=3.2, columns=3):
    """A figure with `n` axes in rows of at most `columns`; returns `(figure, list of axes)`."""
    columns = min(n, columns)
    rows = -(-n // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(width * columns, height * rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[n:]:
        axis.remove()
    return figure, list(axes.flat[:n])


def empty(why):
    """A figure that says why there is nothing to be seen."""
    figure, _ = grid(1, height=1)
    figure.text(0.5, 0.5, why, ha="center")
    return figure


def scores_by_loss(scores):
    """Mean Spearman over genes for each loss: a point a fold and seed, a bar for their mean."""
    runs = tables.runs(scores)
    panels = list(panels_of(runs))
    with plt.rc_context(STYLE):
        losses = list(dict.fromkeys(runs["loss"]))
        figure, axes = grid(len(panels), height=1.2 + 0.3 * len(losses), columns=2)
        rng = np.random.default_rng(0)
        for axis, (title, rows) in zip(axes, panels, strict=True):
            folds = sorted(rows["fold"].unique())
            for y, loss in enumerate(losses):
                mine = rows[rows["loss"] == loss]
                axis.plot([mine["spearman"].mean()] * 2, [y - 0.32, y + 0.32], color="black", lw=2)
                for fold in folds:
                    points = mine.loc[mine["fold"] == fold, "spearman"]
                    axis.scatter(
                        points,
                        y + rng.uniform(-0.22, 0.22, len(points)),
                        s=14,
                        color=COLOURS[folds.index(fold) % len(COLOURS)],
                        alpha=0.7,
                        linewidths=0,
                        label=f"fold {fold}" if y == 0 else None,
                    )
            best = rows["noise_free_spearman"].mean()
            if np.isfinite(best):
                axis.axvline(best, color="black", ls="--", lw=1, label="noise-free mean")
            axis.axvline(0, color="#999999", lw=0.6)
            axis.set_yticks(range(len(losses)), losses)
            axis.invert_yaxis()
            axis.set_title(title, fontsize=9)
            axis.set_xlabel("Spearman (mean over genes)")
            axis.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def beside_published(table, metric):
    """Published (open) and measured (filled) numbers, a line between them; a panel a setting.

    table: of `published.beside`, labels as columns before `published`.
    """
    labels = list(table.columns[: table.columns.get_loc("published")])
    settings = table[labels[:-1]].astype(str)
    if "number" in settings:
        settings["number"] += " genes"
    titles = settings.agg(", ".join, axis=1) if labels[1:] else ""
    table = table.assign(setting=titles, method=table[labels[-1]].astype(str))
    panels = list(table.groupby("setting", sort=False))
    with plt.rc_context(STYLE):
        height = 0.9 + 0.22 * max(len(rows) for _, rows in panels)
        figure, axes = grid(len(panels), width=3.6, height=height)
        for axis, (setting, rows) in zip(axes, panels, strict=True):
            axis.sharex(axes[0])  # before anything is drawn, or the limits stay the first panel's
            y = np.arange(len(rows))
            axis.hlines(y, rows["published"], rows["measured"], color="#999999", lw=1)
            axis.errorbar(
                rows["published"], y, xerr=rows["published_sd"], fmt="o", ms=5, mfc="white",
                color="black", lw=0.8, label="published",
            )  # fmt: skip
            axis.errorbar(
                rows["measured"], y, xerr=rows["sd"], fmt="o", ms=5, color=COLOURS[0], lw=0.8,
                label="measured",
            )  # fmt: skip
            axis.set_yticks(y, rows["method"].str.replace("_", " "))
            axis.invert_yaxis()
            axis.set_title(setting.replace("_", " "), fontsize=9)
            axis.set_xlabel(metric.replace("_", " "))
        figure.legend(
            *axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=2, frameon=False
        )
    return figure


def genes(scores):
    """Spearman of each gene against its mean count, averaged over slides and seeds, best loss."""
    panels = list(panels_of(scores))
    with plt.rc_context(STYLE):
        figure, axes = grid(len(panels))
        for axis, (title, rows) in zip(axes, panels, strict=True):
            loss = best_loss(rows)
            rows = rows[rows["loss"] == loss]
            mean = rows.groupby("gene")[["mean_count", "spearman", "noise_free_spearman"]].mean()
            if mean["noise_free_spearman"].notna().any():
                axis.scatter(
                    mean["mean_count"],
                    mean["noise_free_spearman"],
                    s=16,
                    facecolors="none",
                    edgecolors="#999999",
                    label="noise-free mean",
                )
            axis.scatter(mean["mean_count"], mean["spearman"], s=12, color=COLOURS[0], label=loss)
            axis.set_xscale("log")
            axis.axhline(0, color="#999999", lw=0.6)
            axis.set_xlabel("mean count a spot")
            axis.set_ylabel("Spearman")
            axis.set_title(title, fontsize=9)
            axis.legend(fontsize=7, frameon=False)
    return figure


def best_loss(scores):
    """The loss of the highest mean Spearman; undefined ones come last."""
    mean = tables.runs(scores).groupby("loss", sort=False)["spearman"].mean()
    return mean.fillna(-np.inf).idxmax()


def histories(histories):
    """Validation loss over epochs, a panel a loss: each run from 1 (first epoch) to 0 (its best).

    histories: DataFrame of `fit.fit`'s histories with a column `run` that tells runs apart.
    """
    losses = list(dict.fromkeys(histories["loss"]))
    with plt.rc_context(STYLE):
        if not losses:
            return empty("no head was trained step by step")
        figure, axes = grid(len(losses), width=2.9, height=2.3, columns=4)
        for axis, loss in zip(axes, losses, strict=True):
            for _, run in histories[histories["loss"] == loss].groupby("run", sort=False):
                curve = run["monitored"].to_numpy()
                fall = curve[0] - curve.min()
                axis.plot(
                    run["epoch"],
                    (curve - curve.min()) / (fall or 1),
                    lw=0.7,
                    alpha=0.7,
                    color=COLOURS[0],
                )
                axis.plot(run["epoch"].iloc[curve.argmin()], 0, "o", ms=3, color=COLOURS[1])
            axis.set_ylim(-0.08, 1.25)
            axis.set_title(loss, fontsize=9)
            axis.set_xlabel("epoch")
        for axis in axes[::4]:
            axis.set_ylabel("validation\n(first = 1, best = 0)")
    return figure


def auxiliary_genes(histories):
    """Auxiliary genes in use over epochs, a panel a strategy and loss, a line a run.

    histories: as for `histories`, with the column `auxiliary`.
    """
    panels = histories[["auxiliary", "loss"]].drop_duplicates().to_numpy().tolist()
    with plt.rc_context(STYLE):
        if not panels:
            return empty("no auxiliary gene was in use")
        figure, axes = grid(len(panels), width=2.9, height=2.3, columns=4)
        for axis, (strategy, loss) in zip(axes, panels, strict=True):
            mine = histories[(histories["auxiliary"] == strategy) & (histories["loss"] == loss)]
            for _, run in mine.groupby("run", sort=False):
                best = run["monitored"].to_numpy().argmin()
                axis.plot(run["epoch"], run["n_auxiliary"], lw=0.7, alpha=0.7, color=COLOURS[0])
                axis.plot(*run[["epoch", "n_auxiliary"]].iloc[best], "o", ms=3, color=COLOURS[1])
            axis.set_title(f"{strategy}, {loss}", fontsize=9)
            axis.set_xlabel("epoch")
            axis.set_ylim(bottom=0)
        for axis in axes[::4]:
            axis.set_ylabel("auxiliary genes in use")
    return figure


def synthetic_scores(scores):
    """Spearman with the noise-free mean by loss, by size of the lists and by thinning.

    scores: `tables/synthetic.parquet`; a point is a seed's mean over functions.
    """
    keys = tables.SYNTHETIC_KEYS
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


def synthetic_curves(curves):
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


def maps(title, spots, predicted, truth, scores, wsi=None):
    """Observed and predicted expression on the tissue, for the best and the worst gene of a slide.

    spots: AnnData of `pair`; predicted, truth: `{gene: (n_spots,)}` in log1p units; scores: Series
    of Spearman by gene; wsi: the slide to draw under the spots, if any.
    """
    place = spots.obsm["spatial"] * spots.uns["pixel_size_um"] / 1000  # mm
    ranked = scores.dropna().sort_values() if scores.notna().any() else scores
    chosen = {"best": ranked.index[-1], "worst": ranked.index[0]}
    low, high = place.min(0) - 0.15, place.max(0) + 0.15
    background = slides.overview(wsi) if wsi else None
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


def save(figure, path):
    from spotrank.store import whole

    with whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)
    plt.close(figure)
