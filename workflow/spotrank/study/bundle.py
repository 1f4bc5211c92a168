"""What a study's bundle is to be of: the row that its config names, and what that is trained on."""

from itertools import chain

from spotrank.base.provenance import public
from spotrank.base.store import InputError
from spotrank.base.words import one_of
from spotrank.encoders import loading, registry
from spotrank.encoders.weightless import ENCODERS
from spotrank.spots import split
from spotrank.study import floors, plans

NONE = "none is needed"
UNSTATED = "not stated; ask whose data these are"


def named(study):
    """`{key: label}` of the row that the config names; of cohorts it must be one, of splits it is
    the first of a cohort's own if none is named. `InputError` for what the study has not."""
    named = dict(study.config.get("bundle", {}))
    train = [name for name in study.cohorts if not plans.is_test(study, name)]
    if "cohort" not in named and len(train) > 1:
        raise InputError(
            "config: bundle lacks 'cohort', and the study has several; name the one to train on: "
            f"{', '.join(train)}."
        )
    if not train:
        raise InputError("config: there is no cohort to train a bundle on; add 'cohorts'.")
    named.setdefault("cohort", train[0])
    one_of(named["cohort"], train, "bundle.cohort")
    # what trains on other cohorts tells nothing of a model of this one
    own = [strategy for cohort, strategy in study.plans if cohort == named["cohort"]]
    own = [strategy for strategy in own if strategy != split.ACROSS]
    if not own:
        raise InputError(
            f"config: split.strategy: {split.ACROSS} alone tells nothing of a model of one cohort; "
            "add another, such as leave_one_patient_out."
        )
    named.setdefault("split", own[0])
    labels = {
        "split": own,
        "encoder": study.encoders,
        "panel": study.panels,
        "head": study.heads,
        "auxiliary": study.auxiliary,
    }
    for key in labels.keys() & named.keys():
        one_of(named[key], labels[key], f"bundle.{key}")
    if "loss" in named:
        heads = [named["head"]] if "head" in named else [head for _, head, _ in study.fits]
        of_heads = (floors.losses_of(study, named["cohort"], head) for head in heads)
        one_of(named["loss"], dict.fromkeys(chain(*of_heads)), "bundle.loss")
    return named


def home_encoder(study, encoder, head):
    """Whose embeddings tell how far a slide is from the training's."""
    return "stain_statistics" if study.trains_on_patches(encoder, head) else encoder


def about(study, row):
    """What a bundle of a row tells of its study."""
    cohort, encoder, head = row["cohort"], row["encoder"], row["head"]
    of_head, patches = study.heads[head], study.config["patches"]
    if of_head["head"] == "own":
        raise InputError(
            f"config: bundle: '{head}' is a head of your own, and a bundle holds no code that "
            "others would run; name a row of another head."
        )
    px = None
    if study.trains_on_patches(encoder, head):
        entry = study.entry(encoder)
        px = registry.PIXELS if entry == "pixels" else loading.input_size(entry)
    return {
        "study": study.name,
        # embeddings that are given don't tell how to embed other slides
        "entry": None if study.is_given(cohort, encoder) else _public(study.entry(encoder)),
        "home": home_encoder(study, encoder, head),
        "patches": {key: patches[key] for key in ("size", "um_per_px")},
        "head": of_head["head"],
        "options": of_head["options"],
        "sees": "patches" if px else "embeddings",
        "px": px,
        "dimension": px and 3 * px**2,
        "scaling": study.config["genes"]["scaling"],
        "counts_layer": study.cohorts[cohort].get("counts_layer"),
        "trained_on": trained_on(study, cohort),
        "licences": licences(study, cohort, encoder),
    }


def trained_on(study, cohort):
    """What a bundle says of a cohort: its source, samples, patients, organs, technologies."""
    samples, source = study.samples[cohort], study.cohorts[cohort]["source"]
    return {
        "cohorts": {cohort: source},
        "samples": list(samples.index),
        "patients": samples["patient"].to_dict(),
        "organs": _stated(samples, "organ"),
        "technologies": _stated(samples, "st_technology"),
    }


def licences(study, cohort, encoder):
    """Notes on the licences of an encoder and of a cohort's data."""
    entry = study.entry(encoder)
    if isinstance(entry, dict):
        of_encoder = entry.get("licence", UNSTATED)
    else:
        of_encoder = NONE if entry in (*ENCODERS, "pixels") else UNSTATED
    if study.sources[cohort].simulated:
        return {"encoder": of_encoder, "data": NONE}
    of_data = ", ".join(_stated(study.samples[cohort], "license"))
    return {"encoder": of_encoder, "data": of_data or UNSTATED}


def _public(entry):
    """An encoder's entry, its path of weights without what is the user's own."""
    if isinstance(entry, str):
        return entry
    return entry | {"weights": public(entry["weights"])}


def _stated(samples, column):
    return sorted(set(samples[column].dropna())) if column in samples else []
