"""What lies behind each row of the summary: its means over folds, seeds, slides and genes."""

import pandas as pd
import pyarrow.parquet as pq

from spotrank.verdicts.summary import KEYS

AT_A_TIME = 1 << 18  # rows of scores: memory stays that of so many
ENDS = 5  # genes of the highest and of the lowest mean
BY = ("fold", "seed", "sample", "gene")


def cells(path, summary):
    """Mean Spearman behind each row of `summary`, in its order.

    path: of `scores.parquet`. Returns `[{fold, seed, sample: {name: mean}, best, worst: [[gene,
    mean], …]}]`. As in the summary, genes are averaged first, then slides; those of a gene are over
    all its slides, folds and seeds.
    """
    slides, genes = _sums(path)
    slides["mean"] = slides["sum"] / slides["count"]
    genes["mean"] = genes["sum"] / genes["count"]
    runs = slides.groupby([*KEYS, "fold", "seed"], sort=False)["mean"].mean().reset_index()
    means = {
        "fold": runs.groupby([*KEYS, "fold"])["mean"].mean(),
        "seed": runs.groupby([*KEYS, "seed"])["mean"].mean(),
        "sample": slides.groupby([*KEYS, "sample"])["mean"].mean(),
    }
    parts = {
        by: {key: own.droplevel(KEYS) for key, own in mean.groupby(level=KEYS)}
        for by, mean in means.items()
    }
    genes = genes[genes["mean"].notna()].sort_values("mean", ascending=False, kind="stable")
    ranked = dict(list(genes.groupby(KEYS)[["gene", "mean"]]))
    none = pd.Series(dtype=float)
    found = []
    for key in summary[KEYS].itertuples(index=False, name=None):
        own = {
            by: {str(name): _short(x) for name, x in of.get(key, none).items()}
            for by, of in parts.items()
        }
        listed = [[gene, _short(x)] for gene, x in ranked[key].to_numpy()] if key in ranked else []
        found.append(own | {"best": listed[:ENDS], "worst": listed[ENDS:][-ENDS:]})
    return found


def _sums(path):
    """Sums and counts of defined scores by run and slide, and by row and gene."""
    columns = [*KEYS, *BY, "spearman"]
    sums = {"slide": None, "gene": None}
    by = {"slide": [*KEYS, "fold", "seed", "sample"], "gene": [*KEYS, "gene"]}
    for batch in pq.ParquetFile(path).iter_batches(AT_A_TIME, columns=columns):
        scores = batch.to_pandas(strings_to_categorical=True)
        for kind, keys in by.items():
            own = scores.groupby(keys, sort=False, observed=True)["spearman"].agg(["sum", "count"])
            own = own.reset_index().astype(dict.fromkeys(keys, object))
            both = pd.concat([sums[kind], own])
            sums[kind] = both.groupby(keys, sort=False)[["sum", "count"]].sum().reset_index()
    return sums["slide"], sums["gene"]


def _short(x):
    return None if pd.isna(x) else round(float(x), 4)
