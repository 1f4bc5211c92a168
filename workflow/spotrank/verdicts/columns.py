"""Columns of the summary that are of some genes of a panel, or of all of them at once.

Each is made a column of the scores, a number a gene, whose mean over the genes of a slide and run
is what is asked for.
"""

from itertools import product

import numpy as np

BEST = (10, 50, 200)
OF_BEST = ("spearman", "pearson")
LEAK = "_by_test_leak"  # ends the name of what is chosen on the test slide itself
COLUMNS = [
    *(f"{metric}_best{k}{name}" for name in ("", LEAK) for metric in OF_BEST for k in BEST),
    "moran_correlation",
]


def columns(scores, keys):
    """`{name: Series}` of COLUMNS; keys: columns of `scores` that tell slides and runs apart."""
    of_slide = scores.groupby(keys, sort=False, observed=True)
    return best(scores, of_slide) | {"moran_correlation": moran_correlation(scores, of_slide)}


def best(scores, of_slide):
    """`{name: score of a gene that is among the k best of its slide and run, else NaN}`.

    The best are those of the highest correlation in training, the same for either metric; those
    with LEAK have the highest score on the test slide itself, as papers choose them.
    A gene without a correlation comes last, one that was not predicted or measured has no part. NaN
    where there are fewer than k genes, or nothing is known of the training.
    """
    there = scores["mse"].notna()
    size = of_slide["mse"].transform("count")
    trained = of_slide["train_pearson"].transform("count") > 0
    ranked = scores[["train_pearson", *OF_BEST]].fillna(-np.inf).where(there)
    place = ranked.groupby(of_slide.ngroup()).rank(method="first", ascending=False)
    found = {}
    for metric, k in product(OF_BEST, BEST):
        for name, ranking in (("", "train_pearson"), (LEAK, metric)):
            chosen = (place[ranking] <= k) & (size >= k) & (trained | bool(name))
            found[f"{metric}_best{k}{name}"] = scores[metric].where(chosen)
    return found


def moran_correlation(scores, of_slide):
    """A gene's part in Pearson's correlation of observed and predicted Moran's I over genes: the
    product of both in standard deviations; NaN of two genes, which always lie on a line."""
    both = ["moran_observed", "moran_predicted"]
    defined = scores[both].notna().all(axis=1)
    values = scores[both].where(defined)
    of_slide = values.groupby(of_slide.ngroup())
    spread = of_slide.transform("std", ddof=0).where(of_slide.transform("count") > 2)
    return ((values - of_slide.transform("mean")) / spread).prod(axis=1, skipna=False)
