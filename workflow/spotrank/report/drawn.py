"""What figures draw of scores and histories, read one after the other: a lot of cells, a fit."""

import numpy as np
import pandas as pd

from spotrank.base.store import read_parquet
from spotrank.report.style import PANELS
from spotrank.verdicts import summary
from spotrank.verdicts.slides import of_slides

CEILING = ["ceiling_spearman", "ceiling_flag"]
# columns of scores that `genes` and `noise_free` read
OF_GENES = [
    *PANELS, "loss", "gene", "mean_count", "spearman", "noise_free_spearman", "ceiling_spearman_sd",
    *CEILING,
]  # fmt: skip
POINT = ["cohort", "sample", "gene"]
OF_NOISE_FREE = [*POINT, "noise_free_spearman", *CEILING]
FITS = 200  # whose histories are drawn at most
HISTORY = ["auxiliary", "loss", "seed", "epoch", "monitored", "n_auxiliary"]


def runs(lots):
    """`summary.runs` of DataFrames of whole cells."""
    return summary.runs(pd.concat(map(of_slides, lots), ignore_index=True))


def genes(lots, panels):
    """`[(title, best loss, means)]` of each of `style.panels_of`'s panels.

    lots: DataFrames of scores, of OF_GENES at least. means: DataFrame by gene, of slides and seeds;
    `flagged` is the share where the ceiling is.
    """
    best = [rows[rows["loss"] == loss].iloc[0] for _, loss, rows in panels]
    best = pd.DataFrame(best, columns=[*PANELS, "loss"]).assign(number=range(len(panels)))
    numbers = ["mean_count", "spearman", "noise_free_spearman", "ceiling_spearman"]
    numbers += ["ceiling_spearman_sd", "flagged"]
    found = None
    for scores in lots:
        scores = scores.merge(best).assign(flagged=lambda own: own["ceiling_flag"] != "")
        scores = scores.astype({"gene": object, "mean_count": float})  # sums of float32 lose digits
        own = scores.groupby(["number", "gene"])[numbers].agg(["sum", "count"])
        found = pd.concat([found, own]).groupby(level=[0, 1]).sum()
    means = found.xs("sum", axis=1, level=1) / found.xs("count", axis=1, level=1)
    return [(title, loss, means.loc[i]) for i, (title, loss, _) in enumerate(panels)]


def noise_free(lots):
    """The first row of each gene and slide, of those where the noise-free mean is known.

    lots: DataFrames of scores, of OF_NOISE_FREE at least.
    """
    found = None
    for scores in lots:
        known = scores.loc[scores["noise_free_spearman"].notna(), OF_NOISE_FREE]
        known = known.drop_duplicates(POINT).astype(dict.fromkeys([*POINT, "ceiling_flag"], object))
        found = pd.concat([found, known]).drop_duplicates(POINT)
    return found


def histories(paths):
    """Histories of the fits, HISTORY and the number of the `fit`, and a note.

    Of more than FITS some are drawn by lot, as the note says.
    """
    chosen = np.sort(np.random.default_rng(0).permutation(len(paths))[:FITS])
    read = [read_parquet(paths[i]).to_pandas()[HISTORY].assign(fit=i) for i in chosen]
    found = pd.concat(read or [pd.DataFrame(columns=[*HISTORY, "fit"])])
    note = f"{FITS} of {len(paths)} fits, drawn by lot." if len(paths) > FITS else ""
    return found, note
