"""The first picture: scores of each place with floors, ceiling and intervals, as data."""

from spotrank.report.page.answer import PLACE
from spotrank.report.page.tables import marks, plain
from spotrank.verdicts.floors import OF_ALL, is_floor
from spotrank.verdicts.summary import KEYS

MOST = 16  # rows of a place; the others are in the table


def picture(summary, cells):
    """`[{place, ceiling, noise_free, left_out, rows}]`: the MOST best rows of each of PLACE, and
    its floors. A row is `{name, floor, mean, low, high, folds, marks}`.

    cells: of `cells.cells`.
    """
    own = summary.assign(
        floor=is_floor(summary),
        marks=marks(summary),
        folds=[list(c["fold"].values()) for c in cells],
    )
    methods = own[~own["floor"]]
    varying = [key for key in KEYS if key not in PLACE and methods[key].nunique() > 1]
    own["name"] = own[list(dict.fromkeys([*varying, "loss"]))].agg(", ".join, axis=1)
    of_encoder = (own["encoder"] != OF_ALL) & ("encoder" in varying)
    floors = own["loss"] + (", " + own["encoder"]).where(of_encoder, "")
    own["name"] = own["name"].mask(own["floor"], floors)
    places = [key for key in PLACE if summary[key].nunique() > 1] or ["cohort"]
    found = []
    for _, rows in own.groupby(PLACE, sort=False):
        best = rows[~rows["floor"]].sort_values("spearman_mean", ascending=False, kind="stable")
        floors = rows[rows["floor"]].sort_values("spearman_mean", ascending=False)
        found.append(
            {
                "place": ", ".join(rows[places].iloc[0]).replace("_", " "),
                "ceiling": plain(best["ceiling_spearman"].mean()),
                "noise_free": plain(best["noise_free_spearman"].mean()),
                "left_out": max(len(best) - MOST, 0),
                "rows": [*_rows(best[:MOST]), *_rows(floors)],
            }
        )
    return found


def _rows(rows):
    names = ["name", "floor", "mean", "low", "high", "folds", "marks"]
    rows = rows.rename(columns=lambda name: name.removeprefix("spearman_"))
    return [
        own | {key: plain(own[key]) for key in ("mean", "low", "high")}
        for own in rows[names].to_dict("records")
    ]
