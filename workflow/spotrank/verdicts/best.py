"""How sure the means of a summary are, and which row is best."""

import numpy as np
import pandas as pd
from scipy import stats

from spotrank.verdicts.floors import is_floor, is_partial
from spotrank.verdicts.units import LEVEL, by_patient, grid, over_folds, student

DRAWS = 10_000
COLUMNS = [
    "n_patients", "spearman_low", "spearman_high", "pearson_low", "pearson_high",
    "rank_low", "rank_high", "p_best",
]  # fmt: skip


def beside(summary, slides, persons):
    """`summary` of `summary.summarise` with COLUMNS: 95 % intervals of the means over patients, and
    `ranked` among rows of one cohort, split and panel.

    slides, persons: see `units.by_patient`. Ranked are rows that lack no patient and no gene that
    another has, leak nothing and are no floors, if there are two or more.
    """
    values = by_patient(slides, persons, ("spearman", "pearson"))
    summary = summary.assign(**dict.fromkeys(COLUMNS, np.nan))
    for place, rows in summary.groupby(["cohort", "split"], sort=False):
        mine = values[(values["cohort"] == place[0]) & (values["split"] == place[1])]
        for metric in ("pearson", "spearman"):
            patients = over_folds(*grid(mine, metric, rows))
            of_t = student(patients)
            summary.loc[rows.index, "n_patients"] = of_t["n"]
            for end in ("low", "high"):
                summary.loc[rows.index, f"{metric}_{end}"] = of_t[end]
        whole = ~is_partial(rows)
        complete = np.isfinite(patients).all(1) & (rows["leak"] == "") & ~is_floor(rows) & whole
        for _, own in rows[complete].groupby("panel", sort=False):
            if patients.shape[1] > 1 and len(own) > 1:
                table = ranked(patients[rows.index.get_indexer(own.index)])
                summary.loc[own.index, list(table)] = table.to_numpy()
    return summary.astype({"n_patients": int})


def ranked(patients):
    """`standing` of rows by draws of their means; patients: `(rows, persons)`, see `draws`."""
    return standing(draws(patients, np.random.default_rng(0)))


def draws(patients, rng):
    """Means of rows, drawn `(DRAWS, rows)`; patients: `(rows, persons)`, of two persons or more.

    They are drawn from the persons' joint t: n − 1 degrees of freedom, scale S / n, S the
    covariance of what is left of the numbers without the means of their row and person. n persons
    know n − 1 directions only, in which a row between two others is never the best: so one variance
    for all rows, without covariance, counts beside S as if k more persons had told it (k: number of
    rows).
    """
    k, n = patients.shape
    mean = patients.mean(1)
    left = patients - mean[:, None]
    left = left - left.mean(0)
    spread = np.sqrt((left**2).sum() / (k - 1))  # times √(n − 1), as is that of `drawn`
    drawn = rng.standard_normal((DRAWS, n)) @ left.T
    drawn *= np.sqrt(n - 1)  # in place: thousands of rows have arrays of 100 MB
    alike = rng.standard_normal((DRAWS, k))
    alike *= spread
    alike *= np.sqrt(k)
    drawn += alike
    drawn /= np.sqrt((n - 1 + k) * n * rng.chisquare(n - 1, (DRAWS, 1)))
    drawn += mean
    return drawn


def standing(draws):
    """Rank intervals of rows `(draws, rows)`, and the probability of each to be the best.

    A rank is 1 + the number of better rows; rows that are equal in a draw share its first place.
    """
    parts = np.array_split(draws, 20)
    ranks = [stats.rankdata(-own.round(12), "min", axis=1).astype("i4") for own in parts]
    ranks = np.concatenate(ranks)
    first = ranks == 1
    low, high = np.quantile(ranks, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], 0, method="inverted_cdf")
    share = (first / first.sum(1, keepdims=True)).mean(0)
    return pd.DataFrame({"rank_low": low, "rank_high": high, "p_best": share})
