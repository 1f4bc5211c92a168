"""What the page of the leaderboard shows, and what it says of each board."""

import pandas as pd

from spotrank.base.store import InputError
from spotrank.report.page import tables
from spotrank.report.page.answer import holes_in_words, interval, listed, number
from spotrank.verdicts.summary import CEILED

SCRIPTS = ("draw.js", "tables.js", "leaderboard.js")
HEADS = {
    "rank_low": "", "between": "95 % interval", "p_best": "P(best)", "firsts": "highest in",
}  # fmt: skip
METHODS = [
    "A board is of one split, panel, head, loss and metric; its rows differ in the encoder only. A "
    "task is a cohort, and all tasks weigh the same. Of a score that was measured more than once "
    "the last is shown. The scores of one task share samples, spots, patches, training and seeds.",
    "A rank is 1 + the number of encoders of a higher mean over tasks. Its 95 % interval, and the "
    "probability to be the best, are of 10,000 draws: the means of each task are drawn from its "
    "patients' joint t, paired over encoders, and averaged over tasks. Where the patients' numbers "
    "are not at hand, they are drawn from each encoder's own interval by Student's t, as if of "
    "other patients, which as a rule makes ranks less sure than they could be.",
    "Only encoders that have all tasks, leak nothing and lack nothing are ranked; floors never "
    "are. With one patient in a task no rank has an interval. Ranks are not corrected for the "
    "number of boards.",
]


def data(cells, boards, printed, left_out):
    """What the page shows, as JSON holds it; `InputError` if there is no board.

    cells, boards, printed, left_out: see `report.leaderboard`.
    """
    if not boards:
        raise InputError(
            "the ledger has no encoder's score; run a study with encoders, or correct the key "
            "ledger."
        )
    keys = [key for key, *_ in boards]
    parts = [key for key in keys[0] if key != "metric"]
    varying = [part for part in parts if len({key[part] for key in keys}) > 1]
    fixed = [part for part in parts if part not in varying]
    studies = cells["study"].nunique()
    signs = ["†" * bool(cell.leak) + "‡" * bool(cell.holes) for cell in cells.itertuples()]
    signs = dict(enumerate(signs))
    return {
        "question": "Which encoder predicts expression best over all tasks? "
        f"Here: {', '.join(f'{part} {keys[0][part]}' for part in fixed)}.",
        "boards": [
            _board(
                ", ".join([_metric(key["metric"]), *(key[part] for part in varying)]),
                key,
                *rest,
                signs,
            )
            for key, *rest in boards
        ],
        "cells": [_facts(cell) for cell in cells.to_dict("records")],
        "printed": _printed(printed) if len(printed) else None,
        "methods": METHODS
        + [f"Left out, as other settings have more encoders: {left_out} numbers."] * (left_out > 0),
        "made": f"{studies} {'study' if studies == 1 else 'studies'}, "
        f"{cells['date'].min()[:10]} to {cells['date'].max()[:10]}. Each score opens its study, "
        "commit and provenance.",
    }


def _metric(name):
    """A metric in words, after the persons who found it."""
    return name.replace("_", " ").replace("spearman", "Spearman").replace("pearson", "Pearson")


def _board(name, key, table, how, signs):
    """A board as the page draws it."""
    standing = table["standing"]
    ranked = standing["rank"].notna()
    marked = standing.assign(marks=tables.marks(standing)).rename_axis("encoder").reset_index()
    shown = (marked[ranked.to_numpy()] if ranked.any() else marked[marked["mean"].notna()]).copy()
    return {
        "name": name,
        "said": _said(standing, table["value"], how, key["metric"]),
        "warnings": _warnings(standing, table["value"]),
        "ranked": bool(ranked.any()),
        "caption": _caption(ranked.any(), how),
        "rows": [
            {
                "name": row["encoder"],
                "rank": tables.plain(row["rank"]),
                "low": tables.plain(row["rank_low"]),
                "high": tables.plain(row["rank_high"]),
                "between": _between(row),
                "mean": tables.plain(row["mean"]),
                "marks": row["marks"],
            }
            for row in shown.to_dict("records")
        ],
        "table": _table(marked, table, signs),
    }


def _warnings(standing, values):
    """Why encoders are not ranked, a sentence each."""
    said = []
    for name, row in standing[~standing.index.str.endswith(" (floor)")].iterrows():
        lacking = values.columns[values.loc[name].isna()]
        why = [f"leaks in {row['leak']}"] * bool(row["leak"])
        why += [holes_in_words(row["holes"])] * bool(row["holes"])
        why += [f"no score in {listed(lacking)}"] if len(lacking) else []
        if why:
            said.append(f"{name} is not ranked: {'; '.join(why)}.")
    return said


def _table(rows, table, signs):
    """Rank, mean and the score of each task; a score opens what is known of it."""
    shown = rows[["encoder", "rank"]].assign(
        between=[_between(row) for row in rows.to_dict("records")],
        p_best=rows["p_best"],
        mean=rows["mean"],
        firsts=rows["firsts"],
    )
    for cohort, numbers in table["cell"].items():
        numbers = numbers.fillna(-1).astype(int)
        own = table["value"][cohort], numbers, [signs.get(i, "") for i in numbers]
        shown[cohort] = list(zip(*own, strict=True))
    floor = rows["encoder"].str.endswith(" (floor)")
    shown["kind"] = floor.map({True: "floor", False: "encoder"})
    empty = [name for name in ("rank", "between", "p_best", "firsts") if shown[name].isna().all()]
    shown = shown.drop(columns=empty)
    return tables.table("standing", "Standing", shown, HEADS)


def _between(row):
    if pd.isna(row["rank_low"]):
        return None
    low, high = int(row["rank_low"]), int(row["rank_high"])
    return f"{low} to {high}" if low < high else f"{low}"


def _said(standing, values, how, metric):
    """The answer of a board, in sentences."""
    encoders = standing[~standing.index.str.endswith(" (floor)")]
    n_tasks = values.shape[1]
    tasks = f"{n_tasks} tasks" if n_tasks > 1 else "the only task"
    ranked = encoders[encoders["rank"].notna()]
    if ranked.empty:
        top = encoders["mean"].idxmax() if encoders["mean"].notna().any() else None
        lead = f"{top} has the highest mean, {number(encoders['mean'].max())}." if top else ""
        if len(encoders) == 1:
            return [f"{encoders.index[0]} is the only encoder of this board.", lead]
        leaks = (encoders["leak"] != "").all()
        why = (
            "every row leaks" if leaks else "fewer than two encoders have all tasks without a mark"
        )
        return [f"Nothing can be said of new patients: {why}.", lead]
    top = ranked.iloc[0]
    lead = (
        f"{top.name} leads {len(ranked)} encoders with a mean {_metric(metric)} of "
        f"{number(top['mean'])} over {tasks}"
    )
    won = f" and is highest in {top['firsts']:.0f} of {n_tasks}" if n_tasks > 1 else ""
    if pd.isna(top["rank_low"]):
        return [f"{lead}{won}.", _why_not(how, metric)]
    between = _between(top).replace(" to ", " and ")
    rank = f"lies between {between}" if "and" in between else f"is {between}"
    alike = ranked.index[1:][(ranked["rank_low"] == 1).to_numpy()[1:]]
    first = [f"So may be first: {listed(alike)}."] if len(alike) else []
    return [f"{lead}{won}; its rank {rank} (95 %).", *first]


def _why_not(how, metric):
    if metric not in CEILED:
        return f"No interval over patients is known of the {_metric(metric)}, so none of a rank."
    return f"No rank has an interval: too few patients in {', '.join(how['none'])}."


def _caption(ranked, how):
    said = "Dots: ranks. Bars: 95 % intervals." if ranked else "Means over tasks, not ranked."
    if how["none"] or not ranked:
        return "Dots: ranks, without intervals." if ranked else said
    kinds = {"paired": "Drawn from patients", "alone": "Drawn from intervals alone"}
    return " ".join([said, *(f"{kinds[key]}: {', '.join(how[key])}." for key in kinds if how[key])])


def _facts(cell):
    """What is known of a cell, in words."""
    n = cell["n_patients"]
    ends = interval(cell)
    commit = cell["commit"][:12] or "unknown"
    return [
        ["row", ", ".join(cell[key] for key in ("cohort", "encoder", "head", "loss", "panel"))],
        [_metric(cell["metric"]), " ".join(filter(None, [number(cell["value"]), ends]))],
        ["patients", f"{n:.0f}, {cell['n_samples']:.0f} slides, {cell['n_spots']:.0f} spots"],
        ["study", f"{cell['study']}, {cell['date'][:10]}"],
        ["commit", commit + " and changes" * (cell["changed"] == "True")],
        ["provenance", cell["provenance"]],
        *([why, cell[why]] for why in ("leak", "holes") if cell[why]),
    ]


def _printed(printed):
    """Printed numbers beside measured ones; what is the same in all rows stands below."""
    of = ["table", "metric", "cohort", "encoder", "head", "loss", "split", "panel"]
    keys = [key for key in of if key in ("cohort", "encoder") or printed[key].nunique() > 1]
    shown = printed[[*keys, "printed", "value", "difference"]].assign(marks=tables.marks(printed))
    facets = ("table", "cohort", "encoder", "head")
    heads = {"value": "measured"}
    note = ", ".join(f"{key} {printed[key].iloc[0]}" for key in of if key not in keys) + "."
    return tables.table("printed", "Beside the printed numbers", shown, heads, facets, note)
