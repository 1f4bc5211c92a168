"""Means of all scores of a study: a row a fold and seed, and a row a table's row."""

import pandas as pd

from spotrank.verdicts import columns
from spotrank.verdicts.slides import BESIDE, CEILED, KEYS, MEANS, METRICS

SYNTHETIC_KEYS = ["sampling", "loss", "list_size", "thinning"]


def runs(slides):
    """Mean of each metric over slides: a row for each fold and seed of KEYS.

    slides: of `slides.of_slides`. `n_undefined` is summed over slides; `n_lacking` is that of the
    slide that lacks most.
    """
    table = slides.groupby([*KEYS, "fold", "seed"], sort=False).agg(
        **{metric: (metric, "mean") for metric in MEANS},
        n_genes=("n_genes", "max"),
        n_undefined=("n_undefined", "sum"),
        n_lacking=("n_lacking", "max"),
        leak=("leak", "first"),
    )
    return table.reset_index()


def summarise(slides, planned=None):
    """One row for each combination of KEYS.

    slides: of `slides.of_slides`; planned: `{KEYS: folds that were planned}`, also of what has no
    scores; by default what is there. `holes` says how many folds are lacking, and how many genes.

    Mean and standard deviation are taken over the folds and seeds of `runs`; `n_undefined` counts
    genes × slides × seeds without a correlation; `leak` says in how many folds test patients are in
    training, and which. `spearman_share` is the share of the ceiling of sampling noise that the
    score reaches, a ratio of the means over the same genes (not a mean of ratios, in which genes
    with a ceiling near 0 explode), `pearson_share` likewise.
    """
    grouped = runs(slides).groupby(KEYS, sort=False)
    table = grouped.agg(
        **{
            f"{metric}_{name}": (metric, function)
            for metric in METRICS
            for name, function in (("mean", "mean"), ("sd", "std"))
        },
        n_folds=("fold", "nunique"),
        n_seeds=("seed", "nunique"),
        n_genes=("n_genes", "max"),
        n_undefined=("n_undefined", "sum"),
        n_lacking=("n_lacking", "max"),
        **{metric: (metric, "mean") for metric in (*BESIDE, *columns.COLUMNS)},
    )
    for metric in CEILED:
        scored, reachable = table.pop(f"scored_{metric}"), table.pop(f"reachable_{metric}")
        table[f"{metric}_share"] = scored / reachable
    tested = slides[[*KEYS, "sample"]].drop_duplicates()
    table.insert(table.columns.get_loc("n_folds"), "n_samples", tested.groupby(KEYS).size(), True)
    table["leak"] = grouped[["fold", "leak"]].apply(leak_in_words)
    planned = planned or table["n_folds"].to_dict()
    table = table.reindex(pd.MultiIndex.from_tuples(planned, names=KEYS))
    counts = [name for name in table if name.startswith("n_") and name != "n_auxiliary"]
    table = table.fillna(dict.fromkeys(counts, 0) | {"leak": ""}).astype(dict.fromkeys(counts, int))
    whole = planned.values(), table["n_genes"]
    table["holes"] = [
        "; ".join(
            [f"{folds} of {all_folds} folds"] * (folds < all_folds)
            + [f"{lacking} of {genes} genes are lacking"] * (lacking > 0)
        )
        for folds, lacking, all_folds, genes in zip(
            table["n_folds"], table["n_lacking"], *whole, strict=True
        )
    ]
    return table.reset_index()


def summarise_synthetic(scores):
    """One row for each combination of SYNTHETIC_KEYS of the synthetic study.

    Mean and standard deviation are taken over seeds of the mean over functions; `n_undefined`
    counts runs whose score is constant, which have no part in them.
    """
    scores = scores.assign(n_undefined=scores["spearman"].isna())
    seeds = scores.groupby([*SYNTHETIC_KEYS, "seed"], sort=False).agg(
        spearman=("spearman", "mean"), n_undefined=("n_undefined", "sum")
    )
    grouped = seeds.reset_index().groupby(SYNTHETIC_KEYS, sort=False)
    return grouped.agg(
        spearman_mean=("spearman", "mean"),
        spearman_sd=("spearman", "std"),
        n_seeds=("seed", "nunique"),
        n_undefined=("n_undefined", "sum"),
    ).reset_index()


def leak_in_words(folds):
    folds = folds.drop_duplicates("fold")
    leaking = folds[folds["leak"] != ""]
    if leaking.empty:
        return ""
    what = "; ".join(leaking["leak"].unique())
    return f"{len(leaking)} of {len(folds)} folds: {what}"
