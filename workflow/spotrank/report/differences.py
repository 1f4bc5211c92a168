"""Comparisons of the best row of each cohort with the others.

Apart from `comparisons`, whose figures need matplotlib: each start of Snakemake loads this one.
"""

import pandas as pd

from spotrank.fitting.heads import GIVEN
from spotrank.verdicts.compare import DIFFER, swapped
from spotrank.verdicts.floors import OF_ALL, is_given
from spotrank.verdicts.summary import KEYS

PLACE = ["cohort", "split", "panel"]  # rows elsewhere have other patients or genes


def to_best(comparisons):
    """Comparisons of the best row of each of PLACE with every other that differs in one thing.

    comparisons: of `compare.compare`. The best row has the highest mean of all but floors, and but
    other tools, whose means are over other genes, unless nothing else is compared. Returns
    DataFrame: PLACE, `best` and `row` (what tells them apart), KEYS of the best, `differ`, `mean`,
    `difference` of the row to the best, `low`, `high`, `p_holm`, `n_patients`, `verdict`, `leak`,
    `holes`.
    """
    pairs = comparisons[comparisons["differ"] != "panel"]
    both = pd.concat([_to_tools(pairs[pairs["differ"] != "floor"]), swapped(pairs)])
    for key in DIFFER:  # b may be the best
        own = both["differ"].isin([key, "given", "floor"] if key == "loss" else [key])
        both[key] = both["b"].where(own, both[key])
    best = highest(both, "mean_b").drop_duplicates(PLACE)
    of_best = both.reset_index().merge(best[KEYS], on=KEYS).sort_values("index", kind="stable")
    of_best["place"] = of_best.groupby(PLACE, sort=False).ngroup()
    of_best["kind"] = of_best["differ"].map([*DIFFER, "given", "floor"].index)
    order = {"place": True, "kind": True, "difference": False}
    of_best = of_best.sort_values(list(order), ascending=list(order.values()), kind="stable")
    columns = [*KEYS, "differ", "a", "mean_a", "difference", "low", "high", "p_holm"]
    columns += ["n_patients", "verdict", "leak", "holes"]
    return of_best[columns].rename(columns={"a": "row", "mean_a": "mean"}).reset_index(drop=True)


def highest(pairs, mean):
    """`pairs` by their `mean`, the highest first, and behind them those with other tools: their
    means are over the genes that a tool predicted, which may be the easier ones."""
    order = (pairs["differ"] == "given") + 2 * is_given(pairs)
    return pairs.assign(order=order).sort_values(
        ["order", mean], ascending=[True, False], kind="stable"
    )


def _to_tools(pairs):
    """`pairs` with the KEYS of the tool where one is `b`, and what tells `a` apart in its name."""
    given, named = pairs["differ"] == "given", ["encoder", "head", "auxiliary"]
    varying = [key for key in named if pairs.loc[given, key].nunique() > 1]
    name = pairs[[*varying, "a"]].agg(", ".join, axis=1) if len(pairs) else pairs["a"]
    return pairs.assign(
        a=pairs["a"].mask(given, name),
        encoder=pairs["encoder"].mask(given, OF_ALL),
        head=pairs["head"].mask(given, GIVEN),
        auxiliary=pairs["auxiliary"].mask(given, "none"),
    )
