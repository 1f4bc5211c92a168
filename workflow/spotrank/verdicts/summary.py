"""Means of all scores of a study: a row a fold and seed, and a row a table's row."""

import pandas as pd

from spotrank.verdicts import columns
from spotrank.verdicts.floors import is_given

KEYS = ["cohort", "split", "encoder", "panel", "head", "loss", "auxiliary"]
METRICS = ("spearman", "pearson", "pooled_spearman", "pooled_pearson", "spearman_given_depth")
CEILED = ("spearman", "pearson")  # metrics with a ceiling of sampling noise
# means over genes whose ceiling is not flagged: of it, and of score and it where both are
OF_CEILING = [
    f"{what}_{metric}" for what in ("ceiling", "scored", "reachable") for metric in CEILED
]
BESIDE = (
    "noise_free_spearman", "depth_spearman", "n_auxiliary", "mse", "mae", "ari", "nmi", *OF_CEILING,
)  # fmt: skip
SYNTHETIC_KEYS = ["sampling", "loss", "list_size", "thinning"]


def runs(scores):
    """Mean of each metric over genes, then over slides: a row for each fold and seed of KEYS.

    Genes whose correlation is undefined have no part in the mean; `n_undefined` counts them;
    `n_lacking` tells how many of them were not predicted, or not measured, on the slide that lacks
    most. Those whose ceiling is flagged have none in the means OF_CEILING.
    """
    keys = [*KEYS, "fold", "seed"]
    means = [*METRICS, *BESIDE, *columns.COLUMNS]
    scores = scores.assign(
        n_undefined=scores["spearman"].isna(),
        n_lacking=scores["mean_count"].isna() | is_given(scores) & scores["mse"].isna(),
        **columns.columns(scores, [*keys, "sample"]),
    )
    for metric in CEILED:
        ceiling = scores[f"ceiling_{metric}"].where(scores["ceiling_flag"] == "")
        scores[f"ceiling_{metric}"] = ceiling
        scores[f"scored_{metric}"] = scores[metric].where(ceiling.notna())
        scores[f"reachable_{metric}"] = ceiling.where(scores[metric].notna())
    slides = scores.groupby([*keys, "sample"], sort=False, observed=True).agg(
        **{metric: (metric, "mean") for metric in means},
        n_genes=("gene", "nunique"),
        n_undefined=("n_undefined", "sum"),
        n_lacking=("n_lacking", "sum"),
        leak=("leak", "first"),
    )
    table = (
        slides.groupby(keys, sort=False, observed=True)
        .agg(
            **{metric: (metric, "mean") for metric in means},
            n_genes=("n_genes", "max"),
            n_undefined=("n_undefined", "sum"),
            n_lacking=("n_lacking", "max"),
            leak=("leak", "first"),
        )
        .reset_index()
    )
    return table.astype(dict.fromkeys((*KEYS, "leak"), object))


def summarise(scores, planned=None):
    """One row for each combination of KEYS.

    planned: `{KEYS: folds that were planned}`, also of what has no scores; by default what is
    there. `holes` says how many folds are lacking, and how many genes.

    Mean and standard deviation are taken over the folds and seeds of `runs`; `n_undefined` counts
    genes × slides × seeds without a correlation; `leak` says in how many folds test patients are in
    training, and which. `spearman_share` is the share of the ceiling of sampling noise that the
    score reaches, a ratio of the means over the same genes (not a mean of ratios, in which genes
    with a ceiling near 0 explode), `pearson_share` likewise.
    """
    grouped = runs(scores).groupby(KEYS, sort=False, observed=True)
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
    tested = scores[[*KEYS, "sample"]].drop_duplicates().astype(object)
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
