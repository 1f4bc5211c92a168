"""Means of the scores of gene sets: a row a set and a table's row."""

from spotrank.verdicts.summary import KEYS, leak_in_words


def summarise_sets(scores):
    """One row for each combination of KEYS and set.

    scores: with the columns `score.OF_SETS`. Mean and standard deviation are taken over folds and
    seeds of the mean over slides; `n_genes` is the mean number of a set's genes in the panel, which
    a fold chooses; `n_undefined` counts slides × seeds without a score; `leak` as in `summarise`.
    """
    keys = [*KEYS, "set"]
    scores = scores.assign(n_undefined=scores["spearman"].isna())
    runs = scores.groupby([*keys, "fold", "seed"], sort=False, observed=True).agg(
        n_in_set=("n_in_set", "first"),
        n_genes=("n_genes", "first"),
        spearman=("spearman", "mean"),
        n_undefined=("n_undefined", "sum"),
        leak=("leak", "first"),
    )
    grouped = runs.reset_index().groupby(keys, sort=False, observed=True)
    table = grouped.agg(
        n_in_set=("n_in_set", "first"),
        n_genes=("n_genes", "mean"),
        spearman_mean=("spearman", "mean"),
        spearman_sd=("spearman", "std"),
        n_folds=("fold", "nunique"),
        n_seeds=("seed", "nunique"),
        n_undefined=("n_undefined", "sum"),
    )
    table["leak"] = grouped[["fold", "leak"]].apply(leak_in_words)
    return table.reset_index()
