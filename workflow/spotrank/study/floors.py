"""The floors of a study: which of them each cohort has, and their fits beside the others."""

from spotrank.base.store import InputError
from spotrank.base.words import one_of
from spotrank.fitting.heads import GIVEN, OF_FLOORS
from spotrank.spots.floors import FLOORS
from spotrank.study import grids

NEAREST = "nearest"  # of each encoder's embeddings; the others look at none
STAINS = "stain_statistics"  # what the floor 'stain' looks at
NO_ENCODER = "none"


def names(config):
    """The floors that a config names; `InputError` for one that there isn't."""
    return [one_of(name, [*FLOORS, NEAREST], "floors") for name in config["floors"]]


def add_entries(config, encoders, heads, auxiliary):
    """Add what the floors' cells are called to `heads` and strategies for `auxiliary` genes.

    `InputError` if something else goes by one of these names.
    """
    entry = {"options": {}, "training": config["training"]}
    own = {name: {"head": name} | entry for name in OF_FLOORS}
    none = {"strategy": "none", "options": {}, "prior": "dispersion", "number": "all"}
    for key, chosen, entries in (
        ("encoders", {**encoders}, {NO_ENCODER: None}),
        ("heads", heads, own),
        ("auxiliary", auxiliary, {"none": none}),
    ):
        for name, entry in entries.items():
            if chosen.setdefault(name, entry) != entry:
                raise InputError(
                    f"config: {key}: '{name}' is a name of the floors' own; give another 'name'."
                )


def without_embedding(study, cohort):
    """The floors of a cohort that one fit makes together."""
    own = [name for name in names(study.config) if name != NEAREST]
    return [name for name in own if name != "stain" or _shows_stains(study, cohort)]


def _shows_stains(study, cohort):
    """Whether slides are read, also of cohorts that it is tested with, and no other encoder goes by
    the name of the one that is needed."""
    return study.entry(STAINS) == STAINS and all(
        not all(study.is_given(name, encoder) for encoder in study.encoders)
        and not study.is_given(name, STAINS)
        for name in study.beside[cohort]
    )


def remarks(study):
    """A sentence for each cohort that lacks a floor."""
    return [
        f"cohorts.{cohort}: no floor 'stain', for no slide of it is read, or none of a cohort that "
        f"trains or tests with it; name {STAINS} among the "
        "encoders where there are slides, or leave 'stain' out of 'floors'."
        for cohort in study.cohorts
        if "stain" in names(study.config) and not _shows_stains(study, cohort)
    ]


def fits(study, cohort):
    """`(encoder, head, strategy)` of a cohort's floors."""
    found = [(NO_ENCODER, "floor", "none")] * bool(without_embedding(study, cohort))
    if NEAREST in names(study.config):
        found += [(encoder, NEAREST, "none") for encoder in study.embedding_encoders]
    return found


def head(study, cohort, label):
    """The entry of a head as it is fitted to a cohort."""
    entry = study.heads[label]
    if label == "floor":
        return entry | {"options": {"floors": without_embedding(study, cohort)}}
    if grids.built(entry).by_patient:
        return entry | {"options": entry["options"] | {"patients": study.patients[cohort]}}
    return entry


def losses_of(study, cohort, label):
    """`{label: (name, options)}` of the losses that a head is fitted with to a cohort; labels alone
    of one that is solved, or given."""
    if label == GIVEN:
        return study.cohorts[cohort]["predictions"]
    return dict.fromkeys(grids.built(head(study, cohort, label)).labels) or study.losses


def embedded(study, cohort, encoder):
    """The encoder whose embeddings stand for `encoder`, which may be none; or None."""
    if encoder != NO_ENCODER:
        return encoder
    return STAINS if "stain" in without_embedding(study, cohort) else None
