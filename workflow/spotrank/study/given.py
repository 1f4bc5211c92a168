"""What other tools predicted for a study's cohorts: their cells beside those that are fitted."""

from spotrank.base.store import InputError
from spotrank.fitting import given
from spotrank.fitting.heads import GIVEN
from spotrank.study.floors import NO_ENCODER


def check_heads(heads):
    """`InputError` if a head goes by the name of what is given."""
    if GIVEN in heads:
        raise InputError(
            f"config: heads: '{GIVEN}' is the name of other tools' predictions; give another "
            "'name'."
        )


def folders(study, cohort):
    """`{tool: folder}` of a cohort."""
    return study.cohorts[cohort].get("predictions", {})


def fits(study, cohort):
    """`(encoder, head, strategy)` of a cohort's given predictions, one cell of them all."""
    return [(NO_ENCODER, GIVEN, "none")] * bool(folders(study, cohort))


def check(study, cohort, samples):
    """`InputError` if what was predicted for some samples is not there."""
    for folder in folders(study, cohort).values():
        for sample in samples:
            given.check_there(folder, sample)


def files(study, cohort, samples):
    """Files of what was predicted for some samples, of each tool all of them."""
    return [
        str(given.path_of(folder, sample))
        for folder in folders(study, cohort).values()
        for sample in samples
    ]
