"""The tables of the page, as JSON holds them: columns with a head, rows of text and numbers."""

import pandas as pd

from spotrank.report.differences import PLACE, to_best
from spotrank.verdicts.compare import COLUMNS
from spotrank.verdicts.floors import is_floor
from spotrank.verdicts.summary import KEYS

MOST_PAIRS = 4000  # more of them would fill the page; those with the best row remain
# columns of numbers and their heads; digits after the point, or a share in percent
SCORES = {
    "spearman_mean": "Spearman",
    "spearman_low": "",
    "spearman_high": "",
    "interval": "95 % interval",
    "spearman_sd": "sd of folds and seeds",
    "spearman_share": "share of ceiling",
    "ceiling_spearman": "ceiling",
    "pearson_mean": "Pearson",
    "pooled_spearman_mean": "pooled Spearman",
    "pooled_pearson_mean": "pooled Pearson",
    "spearman_given_depth_mean": "Spearman given depth",
    "spearman_best50": "Spearman of 50 best",
    "mse": "MSE (log1p²)",
    "mae": "MAE (log1p)",
    "moran_correlation": "Moran's I correlation",
    "ari": "ARI of domains",
    "rank_low": "rank from",
    "rank_high": "to rank",
    "p_best": "P(best)",
    "n_patients": "patients",
    "n_samples": "slides",
    "n_folds": "folds",
    "n_seeds": "seeds",
    "n_genes": "genes",
    "n_undefined": "undefined",
}
# shown when asked for
MORE = {
    "spearman_sd", "ceiling_spearman", "pooled_pearson_mean", "mae", "moran_correlation", "ari",
    "rank_low", "rank_high", "n_samples", "n_folds", "n_seeds", "n_genes", "spearman_best50",
}  # fmt: skip
SHARES = ("spearman_share", "p_best")
WHOLE = ("rank_low", "rank_high", "number")


def scores(summary):
    """The summary: keys that vary, and what is known of any row; a mean opens its cell."""
    floor = is_floor(summary)
    keys = [key for key in KEYS if summary.loc[~floor, key].nunique() > 1 or key == "loss"]
    shown = [name for name in SCORES if name in summary and summary[name].notna().any()]
    rows = summary[[*keys, *shown]].assign(
        kind=floor.map({True: "floor", False: "method"}), marks=marks(summary)
    )
    rows["spearman_mean"] = _opening(summary)
    if "spearman_low" in shown:
        ends = zip(rows.pop("spearman_low"), rows.pop("spearman_high"), strict=True)
        rows.insert(rows.columns.get_loc("spearman_mean") + 1, "interval", list(ends))
    return table("scores", "Scores", rows, SCORES, [*keys, "kind"], more=MORE)


def wide(summary):
    """Mean Spearman, a column a cohort, split and panel; None where there is but one."""
    floor = is_floor(summary)
    places = [key for key in PLACE if summary[key].nunique() > 1]
    if not places:
        return None
    keys = [
        key
        for key in KEYS
        if key not in PLACE and (summary.loc[~floor, key].nunique() > 1 or key == "loss")
    ]
    own = summary.assign(
        place=summary[places].agg(", ".join, axis=1),
        kind=floor.map({True: "floor", False: "method"}),
        cell=_opening(summary),
    )
    keys.append("kind")
    rows = own.pivot_table("cell", keys, "place", "first", sort=False)
    rows = rows.reindex(pd.MultiIndex.from_frame(own[keys].drop_duplicates()))
    rows = rows[list(own["place"].unique())].reset_index()
    return table("wide", "Scores by cohort", rows, {}, keys)


def _opening(summary):
    """Each mean with the number of its row, whose cell it opens, and a sign if it is marked."""
    signs = [
        "†" * bool(leak) + "‡" * bool(hole)
        for leak, hole in zip(summary["leak"], summary["holes"], strict=True)
    ]
    return list(zip(summary["spearman_mean"], range(len(summary)), signs, strict=True))


def marks(rows):
    """What leaks and what is missing, in words."""
    both = zip(rows["leak"], rows["holes"], strict=True)
    return ["; ".join(filter(None, own)) for own in both]


def differences(comparisons):
    """All pairs with their verdicts, or where these are too many, those with the best rows."""
    if len(comparisons) > MOST_PAIRS:
        rows, note = to_best(comparisons), "Rows less the best of their cohort, split and panel."
        note += f" All {len(comparisons):,} pairs are in tables/comparisons.tsv."
    else:
        rows, note = comparisons, "a less b, over patients, 95 % intervals, p after Holm."
    keys = [key for key in KEYS if rows[key].nunique() > 1]
    numbers = {
        "mean": "mean", "mean_a": "mean a", "mean_b": "mean b", "difference": "difference",
        "low": "", "high": "", "interval": "95 % interval", "p_holm": "p (Holm)",
        "n_patients": "patients",
    }  # fmt: skip
    words = [name for name in ("differ", "row", "a", "b") if name in rows]
    shown = [*keys, *words, *(name for name in numbers if name in rows), "verdict"]
    facets = [key for key in (*keys, "differ") if key in COLUMNS]
    own = rows[shown]
    ends = zip(own.pop("low"), own.pop("high"), strict=True)
    own.insert(own.columns.get_loc("difference") + 1, "interval", list(ends))
    return table("differences", "Differences", own, numbers, facets, note)


def samples(rows):
    """What each sample lost, how it is used, and what looks wrong."""
    shown = rows.drop(columns="provenance", errors="ignore")
    for name, other in (("unit", "patient"), ("section", "sample")):
        if (shown[name] == shown[other]).all():
            shown = shown.drop(columns=name)
    heads = {name: name.replace("_", " ").replace("um ", "µm ") for name in shown}
    return table("samples", "Samples", shown, heads, ["cohort"])


def published(rows):
    """Printed numbers beside measured ones."""
    shown = rows.drop(columns="provenance", errors="ignore")
    heads = {name: name.replace("_", " ").removeprefix("n ") for name in shown}
    return table("published", "Beside the published numbers", shown, heads)


def sets(rows):
    """Scores of gene sets."""
    keys = [key for key in KEYS if rows[key].nunique() > 1 or key == "loss"]
    numbers = {"spearman_mean": "Spearman", "spearman_sd": "sd", "n_genes": "genes"}
    shown = rows[["set", *keys, *numbers]]
    return table("sets", "Gene sets", shown, numbers, facets=keys)


def table(name, title, rows, heads, facets=(), note="", more=()):
    """`rows` with what the page needs to show them: `{name, title, note, columns, rows}`.

    heads: `{column: head}`, of others the name itself; facets: columns of few values to choose by;
    more: those shown when asked for. A column is `{head, kind, facet, more}`, kind being text,
    digits after the point, 'share', 'p', 'interval' (two numbers) or 'cell' (see `_opening`).
    """
    columns = [
        {
            "head": heads.get(key, str(key).replace("_", " ")),
            "kind": _kind(rows[key]),
            "facet": key in facets and 1 < rows[key].nunique() < 50,
            "more": key in more,
        }
        for key in rows
    ]
    values = rows.astype(object).itertuples(index=False, name=None)
    rows = [[plain(x) for x in row] for row in values]
    return {"name": name, "title": title, "note": note, "columns": columns, "rows": rows}


def _kind(column):
    first = column.dropna().iloc[0] if column.notna().any() else ""
    if isinstance(first, tuple):
        return "cell" if len(first) == 3 else "interval"
    if not pd.api.types.is_numeric_dtype(column):
        return "text"
    if column.name in SHARES:
        return "share"
    if column.name == "p_holm":
        return "p"
    values = column.dropna()
    return 0 if column.name in WHOLE or (values == values.round()).all() else 3


def plain(x):
    """A value as JSON holds it: None for what is no number, four digits of what is."""
    if isinstance(x, tuple):
        return [plain(part) for part in x]
    if pd.isna(x):
        return None
    if isinstance(x, str):
        return x
    x = float(x)
    return int(x) if x.is_integer() else float(f"{x:.4g}")
