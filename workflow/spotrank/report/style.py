"""What figures share: colours, a grid of panels, titles, files."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from spotrank.base.store import whole
from spotrank.report.differences import PLACE
from spotrank.verdicts.floors import is_floor
from spotrank.verdicts.slides import of_slides
from spotrank.verdicts.summary import runs as runs_of

# Okabe and Ito's colours, told apart by colour-blind readers
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")

PANELS = ["cohort", "split", "encoder", "panel", "head", "auxiliary"]
SHOWN = 24  # panels of a figure at most

STYLE = {"axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 150, "font.size": 9}


def panels_of(runs):
    """`[(title, best loss, its runs)]` of each combination of PANELS, floors left out, and a note.

    runs: of `summary.runs`. Titles name what varies and what leaks. Of more than SHOWN combinations
    these are the best of each PLACE, then the second best, …, as the note says.
    """
    runs = runs[~is_floor(runs)]
    varying = [key for key in PANELS if runs[key].nunique() > 1] or ["cohort"]
    panels, ranked = [], []
    for key, rows in runs.groupby(PANELS, sort=False):
        title = ", ".join(str(rows[key].iloc[0]).replace("_", " ") for key in varying)
        means = _by_loss(rows)
        panels.append((title + leak_note(rows), means.idxmax(), rows))
        ranked.append((*key, means.max()))
    if len(panels) <= SHOWN:
        return panels, ""
    by_place = pd.DataFrame(ranked, columns=[*PANELS, "mean"]).groupby(PLACE)["mean"]
    rank = by_place.rank(ascending=False, method="first")
    best = rank.sort_values(kind="stable").index[:SHOWN]
    note = f"Shown are {SHOWN} of {len(panels)}, the best of each cohort, split and panel of genes "
    return [panels[i] for i in best], note + "first; all are in summary.tsv."


def leak_note(rows):
    """A line for a title that says what leaks in some fold of `rows`, or nothing."""
    return "".join(f"\n† {leak}" for leak in rows["leak"].unique() if leak)


def grid(n, width=4.2, height=3.2, columns=3, note=""):
    """A figure with `n` axes in rows of at most `columns`, a note above; `(figure, axes)`.

    Without axes it says that floors are all there is.
    """
    if not n:
        return empty("nothing but floors was scored"), []
    columns = min(n, columns)
    rows = -(-n // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(width * columns, height * rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[n:]:
        axis.remove()
    if note:
        figure.suptitle(note, fontsize=9, x=0.01, ha="left")
    return figure, list(axes.flat[:n])


def empty(why):
    """A figure that says why there is nothing to be seen."""
    figure, _ = grid(1, height=1)
    figure.text(0.5, 0.5, why, ha="center")
    return figure


def best_loss(scores):
    """The loss of the highest mean Spearman; undefined ones come last."""
    return _by_loss(runs_of(of_slides(scores))).idxmax()


def _by_loss(runs):
    return runs.groupby("loss", sort=False)["spearman"].mean().fillna(-np.inf)


def save(figure, *paths):
    """Write a figure as each path's suffix says: `.png`, or `.pdf` for papers."""
    for path in paths:
        form = Path(path).suffix[1:]
        # no time in it: equal figures are equal files
        about = {"CreationDate": None} if form == "pdf" else None
        with whole(path) as temporary:
            figure.savefig(temporary, format=form, dpi=150, metadata=about)
    plt.close(figure)
