"""Figures of a study's scores and training."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from spotrank.report.style import COLOURS, STYLE, empty, grid
from spotrank.verdicts.floors import floors_of, is_floor

RUN = ["fit", "seed"]


def scores_by_loss(runs, panels, note):
    """Mean Spearman over genes for each loss: a point a fold and seed, a bar for their mean.

    Below a line, in grey, the floors; dotted what sampling noise leaves to be reached. Colours tell
    folds apart where there are enough.

    runs: of `summary.runs`; panels, note: of `style.panels_of`.
    """
    with plt.rc_context(STYLE):
        floor = is_floor(runs)
        losses, floors = (list(dict.fromkeys(runs.loc[own, "loss"])) for own in (~floor, floor))
        losses += floors
        first_floor = len(losses) - len(floors)
        height = 1.2 + 0.25 * len(losses)
        figure, axes = grid(len(panels), width=5.6, height=height, columns=2, note=note)
        rng = np.random.default_rng(0)
        for axis, (title, _, rows) in zip(axes, panels, strict=True):
            parts = {f"fold {fold}": [fold] for fold in sorted(rows["fold"].unique())}
            if len(parts) > len(COLOURS):
                parts = {"a fold and seed": rows["fold"].unique()}
            lines = {
                "ceiling of sampling noise": (rows["ceiling_spearman"].mean(), ":"),
                "noise-free mean": (rows["noise_free_spearman"].mean(), "--"),
            }
            rows = pd.concat([rows, floors_of(runs, rows)])
            for y, loss in enumerate(losses):
                mine, of_floor = rows[rows["loss"] == loss], y >= first_floor
                ink = "#999999" if of_floor else "black"
                axis.plot([mine["spearman"].mean()] * 2, [y - 0.32, y + 0.32], color=ink, lw=2)
                for (label, folds), colour in zip(parts.items(), COLOURS, strict=False):
                    points = mine.loc[mine["fold"].isin(folds), "spearman"]
                    axis.scatter(
                        points,
                        y + rng.uniform(-0.22, 0.22, len(points)),
                        s=14,
                        color=ink if of_floor else colour,
                        alpha=0.7,
                        linewidths=0,
                        label=label if y == 0 else None,
                    )
            if floors:
                axis.axhline(first_floor - 0.5, color="#999999", lw=0.6)
            for label, (best, style) in lines.items():
                if np.isfinite(best):
                    axis.axvline(best, color="black", ls=style, lw=1, label=label)
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


def genes(panels, note):
    """Spearman of each gene against its mean count, averaged over slides and seeds, best loss.

    panels: of `drawn.genes`.
    """
    with plt.rc_context(STYLE):
        figure, axes = grid(len(panels), note=note)
        for axis, (title, loss, mean) in zip(axes, panels, strict=True):
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


def histories(histories, note):
    """Validation loss over epochs, a panel a loss: each run from 1 (first epoch) to 0 (its best).

    histories, note: of `drawn.histories`.
    """
    histories = histories[np.isfinite(histories["monitored"].astype(float))]
    losses = list(dict.fromkeys(histories["loss"]))
    with plt.rc_context(STYLE):
        if not losses:
            return empty("no head was trained step by step")
        figure, axes = grid(len(losses), width=2.9, height=2.3, columns=4, note=note)
        for axis, loss in zip(axes, losses, strict=True):
            for _, run in histories[histories["loss"] == loss].groupby(RUN, sort=False):
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


def auxiliary_genes(histories, note):
    """Auxiliary genes in use over epochs, a panel a strategy and loss, a line a run that uses any.

    histories, note: of `drawn.histories`.
    """
    histories = histories[histories.groupby(RUN)["n_auxiliary"].transform("any")]
    panels = histories[["auxiliary", "loss"]].drop_duplicates().to_numpy().tolist()
    with plt.rc_context(STYLE):
        if not panels:
            return empty("no auxiliary gene was in use")
        figure, axes = grid(len(panels), width=2.9, height=2.3, columns=4, note=note)
        for axis, (strategy, loss) in zip(axes, panels, strict=True):
            mine = histories[(histories["auxiliary"] == strategy) & (histories["loss"] == loss)]
            for _, run in mine.groupby(RUN, sort=False):
                best = run["monitored"].to_numpy().argmin()
                axis.plot(run["epoch"], run["n_auxiliary"], lw=0.7, alpha=0.7, color=COLOURS[0])
                axis.plot(*run[["epoch", "n_auxiliary"]].iloc[best], "o", ms=3, color=COLOURS[1])
            axis.set_title(f"{strategy}, {loss}", fontsize=9)
            axis.set_xlabel("epoch")
            axis.set_ylim(bottom=0)
        for axis in axes[::4]:
            axis.set_ylabel("auxiliary genes in use")
    return figure
