"""One number a patient: what intervals and tests are made of (docs/statistics.md)."""

import numpy as np
from scipy import special

from spotrank.verdicts.slides import CEILED, KEYS

LEVEL = 0.95  # of intervals


def by_patient(slides, persons, metrics=("spearman",)):
    """Mean over slides, then seeds: a row for each of KEYS, patient and fold.

    slides: of `slides.of_slides`; persons: `{cohort: {patient: person}}`, who is one over all
    cohorts. Returns DataFrame: KEYS, `fold`, `person`, `metrics`, and `n_genes` of a slide.
    """
    keys = [*KEYS, "fold", "patient"]
    means = dict.fromkeys(metrics, "mean") | {"n_genes": "max"}
    table = slides
    for by in ([*keys, "seed"], keys):
        table = table.groupby(by, sort=False).agg(means).reset_index()
    whom = zip(table["cohort"], table.pop("patient"), strict=True)
    table = table.assign(person=[persons[cohort][patient] for cohort, patient in whom])
    # two patients of a cohort may be one person by what another cohort knows
    return table.groupby([*KEYS, "fold", "person"], sort=False).agg(means).reset_index()


def patients(slides, persons):
    """Mean over folds: a row for each of KEYS and `patient`, the first label of a person.

    slides, persons: see `by_patient`. Returns DataFrame: KEYS, `patient` and the metrics CEILED.
    """
    values = by_patient(slides, persons, CEILED)
    label = {
        (cohort, person): patient
        for cohort, own in persons.items()
        for patient, person in reversed(own.items())
    }
    whom = zip(values["cohort"], values["person"], strict=True)
    values = values.assign(patient=[label[cohort, person] for cohort, person in whom])
    by_person = values.groupby([*KEYS, "patient"], sort=False)
    return by_person[list(CEILED)].mean().reset_index()


def grid(values, metric, rows):
    """`values` of `by_patient` as an array `(rows, cells)`, NaN where there is none, and the person
    of each cell. rows: DataFrame of KEYS. A cell is a person in a fold of a cohort."""
    wide = values.pivot(index=KEYS, columns=["person", "fold"], values=metric)
    return wide.reindex(rows.set_index(KEYS).index).to_numpy(float), wide.columns.codes[0]


def over_folds(cells, person):
    """Mean over the folds of each person, `(rows, persons)`; NaN where a person has none.

    cells, person: of `grid`, or differences of such cells.
    """
    there, own = np.isfinite(cells), person[:, None] == np.unique(person)
    with np.errstate(invalid="ignore"):
        mean = np.where(there, cells, 0) @ own.astype(float) / (there @ own.astype(float))
    return mean.round(12)  # another order of a sum makes no difference between rows


def student(x):
    """Mean of each row of `x` `(rows, persons)` with Student's interval, and its test against 0.

    NaN are left out. Returns arrays `{mean, sd, low, high, p, n}`; of fewer than two persons all
    but the mean and `n` are NaN. Where all numbers are 0, `p` is 1.
    """
    n = np.isfinite(x).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(x, 1) / n
        sd = np.sqrt(np.nansum((x - mean[:, None]) ** 2, 1) / np.where(n > 1, n - 1, np.nan))
        error = sd / np.sqrt(n)
        half = special.stdtrit(n - 1, (1 + LEVEL) / 2) * error
        p = 2 * special.stdtr(n - 1, -np.abs(mean / error))
    p = np.where((sd == 0) & (mean == 0), 1.0, p)
    return {"mean": mean, "sd": sd, "low": mean - half, "high": mean + half, "p": p, "n": n}
