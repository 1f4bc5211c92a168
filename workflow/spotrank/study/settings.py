"""What rows of other studies must share, besides what they are called, to be compared."""

from spotrank.base.provenance import digest
from spotrank.verdicts.summary import KEYS

BROUGHT = ("embeddings", "predictions")  # of a cohort: what other encoders and tools made


def settings(study):
    """`{KEYS: hash}` of what decides each row of the study's tables but the encoder: rows that are
    called the same and have one hash differ in the encoder only."""
    config = study.config
    split = {key: value for key, value in config["split"].items() if key != "strategy"}
    common = [config[key] for key in ("spots", "patches", "seeds", "training")]
    common += [split, config["genes"]["scaling"]]
    found = {}
    for key in study.n_folds:
        row = dict(zip(KEYS, key, strict=True))
        cohort = study.cohorts[row["cohort"]]
        found[key] = digest(
            [
                *common,
                {name: value for name, value in cohort.items() if name not in BROUGHT},
                study.panels[row["panel"]],
                study.heads.get(row["head"]),
                study.losses.get(row["loss"]),
                study.auxiliary.get(row["auxiliary"]),
            ]
        )
    return found
