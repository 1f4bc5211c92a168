"""A table of a study's samples: what each lost on its way, how it is used, what looks wrong."""

import pandas as pd

from spotrank.report.tables import STYLE
from spotrank.spots import quality
from spotrank.spots.split import cohort_of

PARTS = ("train", "validation", "test")
COLUMNS = [
    "cohort", "sample", "patient", "unit", "section", "marks", "measured", "lost_enough_genes",
    "lost_low_mito", "lost_on_slide", "lost_has_patch", "spots",
    *(f"{part}_folds" for part in PARTS), "genes", "controls", "doubled", "median_depth",
    "without_mito", "um_per_px", "um_per_px_by_pitch", "um_per_px_by_slide",
]  # fmt: skip


def table(known, plans, patients, units, sections):
    """A row a sample, in columns `COLUMNS`; what is not known of any has none.

    known: `{cohort/sample: what pair found}`, see `quality.measure`; plans: `{(cohort, strategy):
    folds}`; patients, units, sections: `{cohort: {sample: …}}`, the patient as written and whom it
    is held out with. Columns `lost_…` count the spots that a
    step of `pair` left out of those that were left; `train_folds` and so on the folds in which a
    sample takes part; `marks` says what looks like a mistake.
    """
    rows = []
    for name, own in sorted(known.items()):
        cohort, _, sample = name.partition("/")
        folds = [
            fold
            for key, folds in plans.items()
            for fold in folds
            if cohort_of(fold, key[0], sample) == cohort
        ]
        row = {f"{part}_folds": sum(sample in fold[part] for fold in folds) for part in PARTS}
        marked, wrong = quality.doubts(own)
        row |= {"cohort": cohort, "sample": sample, "marks": "; ".join([*wrong, *marked])}
        of_sample = {"patient": patients, "unit": units, "section": sections}
        row |= {key: of_cohort[cohort][sample] for key, of_cohort in of_sample.items()}
        rows.append(own | row)
    rows = pd.DataFrame(rows)
    return rows[[column for column in COLUMNS if column in rows]]


def html(rows, note):
    """A page of its own, for the report, whose heads may be broken."""
    rows = rows.rename(columns=lambda name: name.replace("_", " ").replace("um ", "µm "))
    text = rows.to_html(index=False, border=0, float_format="{:.4g}".format, na_rep="–")
    return f"<!doctype html><meta charset='utf-8'><style>{STYLE}</style>{text}<p>{note}</p>\n"
