"""Differences to the best row of each cohort, with intervals and verdicts: a page and a figure."""

import matplotlib.pyplot as plt
import pandas as pd

from spotrank.report import tables
from spotrank.report.differences import PLACE, to_best
from spotrank.report.style import COLOURS, SHOWN, STYLE, empty, grid
from spotrank.verdicts.summary import KEYS

ROWS = 40  # of a panel at most

# verdict of a row against the best: colour, marker
LOOKS = {
    "worse": (COLOURS[1], "v"),
    "better": (COLOURS[0], "^"),
    "can't be told": (COLOURS[6], "o"),
    "leaks": (COLOURS[7], "x"),
}


def html(comparisons, source):
    """The page of `to_best`, for the report."""
    found = to_best(comparisons)
    shown = found.drop(columns=[key for key in KEYS if found[key].nunique() < 2 and key != "loss"])
    numbers = ["mean", "difference", "low", "high", "p_holm"]
    shown[numbers] = shown[numbers].map(lambda x: "–" if pd.isna(x) else f"{x:.3f}")
    text = shown.rename(columns=lambda name: name.replace("_", " ")).to_html(index=False, border=0)
    said = f"All {len(comparisons)} pairs are in comparisons.tsv."
    return tables.page(text, [said, source])


def forest(comparisons):
    """Differences of each row to the best of its cohort, with 95 % intervals, coloured by verdict;
    those to floors, which are large, in panels of their own.

    comparisons: of `compare.compare`. Of more than ROWS in a panel the highest are drawn, of more
    than SHOWN panels the last, for those over all cohorts are such.
    """
    found = to_best(comparisons).dropna(subset="difference")
    if found.empty:
        return empty("there are no two rows to compare")
    varying = [key for key in KEYS if key not in PLACE and found[key].nunique() > 1]
    panels = list(found.groupby([*PLACE, found["differ"] == "floor"], sort=False))
    titled = [key for key in PLACE if found[key].nunique() > 1] or ["cohort"]
    left_out = f"{len(panels) - SHOWN} of {len(panels)} panels are left out; see comparisons.tsv."
    note = left_out if len(panels) > SHOWN else None
    panels = panels[-SHOWN:]
    with plt.rc_context(STYLE):
        height = 1.3 + 0.19 * min(max(len(rows) for _, rows in panels), ROWS)
        figure, axes = grid(len(panels), width=4.4, height=height, columns=4)
        for axis, ((*_, floors), rows) in zip(axes, panels, strict=True):
            shown = rows[rows["difference"].rank(ascending=False, method="first") <= ROWS]
            _draw(axis, shown)
            best = rows.iloc[0]
            title = ", ".join(best[key].replace("_", " ") for key in titled)
            n = "–".join(map(str, sorted({rows["n_patients"].min(), rows["n_patients"].max()})))
            name = ", ".join(best[key] for key in dict.fromkeys([*varying, "loss"]))
            what = f"{'floors ' if floors else ''}less {name}"
            if len(rows) > ROWS:
                what += f": the highest {ROWS} of {len(rows)}"
            axis.set_title(f"{title} (patients: {n})\n{what}", fontsize=8)
            axis.set_xlabel("difference in Spearman")
        handles = [
            plt.Line2D([], [], color=colour, marker=marker, ms=5, lw=1, label=name)
            for name, (colour, marker) in LOOKS.items()
        ]
        figure.legend(
            handles=handles, loc="outside upper left", ncols=4, frameon=False, fontsize=8,
            title=note, title_fontsize=9, alignment="left",
        )  # fmt: skip
    return figure


def _draw(axis, rows):
    """Rows of one panel; intervals are cut that would leave the differences no room."""
    reach = 4 * max(rows["difference"].abs().max(), 0.01)
    for y, row in enumerate(rows.to_dict("records")):
        colour, marker = LOOKS[_kind(row["verdict"])]
        axis.plot([row["low"], row["high"]], [y, y], color=colour, lw=1)
        axis.plot(row["difference"], y, marker, color=colour, ms=4)
    axis.axvline(0, color="#999999", lw=0.6)
    ends = rows[["low", "high", "difference"]].clip(-reach, reach)
    axis.set_xlim(ends.min(axis=None) - 0.05 * reach, max(ends.max(axis=None), 0) + 0.05 * reach)
    several = rows["differ"].nunique() > 1
    names = [
        f"{row['differ']}: {row['row']}" if several else row["row"]
        for row in rows.to_dict("records")
    ]
    axis.set_yticks(range(len(rows)), names, fontsize=7)
    axis.set_ylim(len(rows) - 0.4, -0.6)


def _kind(verdict):
    return next((kind for kind in LOOKS if kind in verdict), "leaks")
