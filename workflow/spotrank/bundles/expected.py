"""What to expect of each gene on a slide of a new patient, by the folds that held patients out."""

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from spotrank.verdicts.summary import KEYS
from spotrank.verdicts.units import over_folds, student

LEVEL = 0.05  # false discoveries among the genes that are called predictable
COLUMNS = [
    "spearman", "spearman_low", "spearman_high", "ceiling_spearman", "share", "n_patients",
    "predictable",
]  # fmt: skip


def expected(scores, row, genes, persons):
    """DataFrame of COLUMNS, a row for each of `genes`.

    scores: as in `scores.parquet`; row: `{key: label}` of `summary.KEYS`; persons: see
    `units.by_patient`. A gene's score is the mean over patients of that over seeds and slides, with
    Student's 95 % interval; its ceiling the mean over the same slides, and `share` their ratio.
    `predictable`: 'yes' where the mean is above 0 beyond chance, at 5 % false discoveries among
    the genes (Benjamini & Hochberg 1995), 'no' where it is not, 'unknown' where no two patients
    tell, or the row leaks.
    """
    own = scores[(scores[KEYS] == pd.Series(row)[KEYS]).all(axis=1)]
    leaks = (own["leak"] != "").any()
    own = own[own["gene"].isin(genes)].assign(person=own["patient"].map(persons[row["cohort"]]))
    both = (own["ceiling_flag"] == "") & own["spearman"].notna()
    own["ceiling_spearman"] = own["ceiling_spearman"].where(both)
    cells = ["gene", "person", "fold"]
    slides = own.groupby([*cells, "sample"], observed=True)[["spearman", "ceiling_spearman"]].mean()
    means = slides.groupby(cells, observed=True).mean()
    wide = means["spearman"].unstack(["person", "fold"]).reindex(genes)
    of_t = student(over_folds(wide.to_numpy(float), wide.columns.codes[0]))
    known = np.isfinite(of_t["p"]) & (not leaks)
    one_sided = np.where(of_t["mean"] > 0, of_t["p"] / 2, 1 - of_t["p"] / 2)
    told = np.zeros(len(genes), bool)
    if known.any():
        told[known] = false_discovery_control(one_sided[known]) < LEVEL
    ceiling = means["ceiling_spearman"].groupby("gene", observed=True).mean().reindex(genes)
    table = {
        "spearman": of_t["mean"],
        "spearman_low": of_t["low"].clip(-1),
        "spearman_high": of_t["high"].clip(max=1),
        "ceiling_spearman": ceiling.to_numpy(),
        "share": of_t["mean"] / ceiling.to_numpy(),
        "n_patients": of_t["n"],
        "predictable": np.where(known, np.where(told, "yes", "no"), "unknown"),
    }
    return pd.DataFrame(table, index=pd.Index(genes, name="gene"))[COLUMNS]
