"""Which samples and spots train, validate and test, fold by fold.

A fold is a dict `{train, validation, test, within}`: sample ids, and how the spots of a sample
that trains are shared out, `{}` if they all train (see `parts`). A strategy of `STRATEGIES` is a
function that returns the test samples of its folds and the unit (`patient` or `sample`) that is
held out; one of `WITHIN_SLIDE` names how a slide's own spots are shared out, a row of `SHARES`.
"""

import numpy as np
import pandas as pd

from spotrank.base.store import InputError
from spotrank.base.words import nearest, one_of
from spotrank.spots import sections


def leave_one_out(unit):
    """A strategy that tests each `unit` ('patient' or 'sample') in turn."""

    def folds(samples, split, where):
        units = samples[unit].unique()
        if len(units) < 2:
            raise InputError(
                f"{where}: one {unit} can't be left out, for there is no other; "
                "add samples or choose another split.strategy."
            )
        return [list(samples.index[samples[unit] == held_out]) for held_out in units], unit

    return folds


def patient_k_fold(samples, split, where):
    """Patients dealt out at random over `folds` folds of nearly equal numbers of patients."""
    patients = samples["patient"].unique()
    if len(patients) < split["folds"]:
        raise InputError(
            f"{where}: {len(patients)} patients are fewer than split.folds = {split['folds']}; "
            "lower split.folds or add patients."
        )
    dealt = np.random.default_rng(split["seed"]).permutation(patients)
    return [
        list(samples.index[samples["patient"].isin(dealt[k :: split["folds"]])])
        for k in range(split["folds"])
    ], "patient"


def fixed(samples, split, where):
    """One fold, of the samples that split.ids names as `test`, or the folds of a published task."""
    if "folds" in split["ids"]:
        return split["ids"]["folds"], "sample"
    if "test" not in split["ids"]:
        raise InputError(
            f"{where}: the strategy 'fixed' needs split.ids with a 'test', or a task that has a "
            "published split; add it."
        )
    return [split["ids"]["test"]], "sample"


def leave_one_cohort_out(samples, split, where):
    """One fold, of the samples of split.cohort; samples: of several cohorts, with `cohort`."""
    return [list(samples.index[samples["cohort"] == split["cohort"]])], "patient"


ACROSS = "leave_one_cohort_out"  # the strategy that trains on other cohorts
WITHIN_SLIDE = {"spots_k_fold": "random", "spatial_blocks": "blocks"}
STRATEGIES = {
    "fixed": fixed,
    "leave_one_patient_out": leave_one_out("patient"),
    "leave_one_sample_out": leave_one_out("sample"),
    "patient_k_fold": patient_k_fold,
    ACROSS: leave_one_cohort_out,
}


def plan(cohort, samples, strategy, split):
    """Folds of a cohort.

    cohort: its name; samples: its metadata with the column `patient`, indexed by sample, and
    `section` where several samples are one, which then count as one sample;
    strategy: a row of `STRATEGIES`; split: the config's part, `split.ids` being this cohort's.
    Training samples are those that split.ids names, or all but the fold's test samples. Validation
    samples are those named, or drawn from training: a patient where patients are held out and two
    remain, else a sample, else a share of the only sample's spots. Strategies of `WITHIN_SLIDE`
    train, validate and test on each slide by itself.
    Raises `InputError` for unknown ids, a sample in two sets, or too few samples.
    """
    where = f"cohorts.{cohort}, {strategy}"
    samples = samples.assign(sample=samples.get("section", samples.index))
    named = split["ids"]
    for part in ("train", "validation", "test"):
        for sample in named.get(part, []):
            if sample not in samples.index:
                raise InputError(
                    f"{where}: split.ids.{part} names '{sample}', which is no sample of the cohort"
                    f"{nearest(sample, samples.index)}; mend it."
                )
    for a, b in (("train", "validation"), ("train", "test"), ("validation", "test")):
        for sample in sorted(set(named.get(a, [])) & set(named.get(b, []))):
            raise InputError(f"{where}: '{sample}' is in {a} and in {b}; keep it in one of them.")
    one_of(strategy, [*STRATEGIES, *WITHIN_SLIDE], "split.strategy")
    if strategy in WITHIN_SLIDE:
        if split["folds"] < 3:
            raise InputError(
                f"{where}: split.folds is {split['folds']}, but a slide needs 3 to train, validate "
                "and test; raise it."
            )
        shared = {"by": WITHIN_SLIDE[strategy], "folds": split["folds"], "seed": split["seed"]}
        return [
            {"train": [slide], "validation": [], "test": [slide], "within": shared | {"fold": fold}}
            for slide in named.get("test", samples.index)
            for fold in range(split["folds"])
        ]
    folds = []
    folds_of = STRATEGIES[strategy]
    tests, unit = folds_of(samples, split, where)
    for number, test in enumerate(tests):
        rest = [sample for sample in named.get("train", samples.index) if sample not in test]
        validation = [sample for sample in named.get("validation", []) if sample not in test]
        if not validation:
            rng = np.random.default_rng([split["seed"], number])
            validation = _draw(samples.loc[rest], unit, rng)
        train = [sample for sample in rest if sample not in validation]
        if not train:
            raise InputError(f"{where}: fold {number} has no sample to train on; add samples.")
        fold = {"train": train, "validation": validation, "test": test}
        within = {} if validation else {"by": "end", "share": split["validation_share"]}
        folds.append(fold | {"within": within})
    return folds


def _draw(samples, unit, rng):
    """Samples of one `unit`, or one sample where there is only one unit; [] if one sample."""
    for column in (unit, "sample"):
        units = samples[column].unique()
        if len(units) > 1:
            return list(samples.index[samples[column] == rng.choice(units)])
    return []


def of_all(samples):
    """The fold in which all samples train."""
    return {"train": list(samples), "validation": [], "test": [], "within": {}}


def samples_of(fold, *parts):
    """Samples of a fold's `parts`, each once."""
    return list(dict.fromkeys(sample for part in parts for sample in fold[part]))


def cohort_of(fold, cohort, sample):
    """The cohort of a fold's sample; cohort: the one that it tests."""
    return fold.get("cohorts", {}).get(sample, cohort)


def leaks(fold, patients, section_of=None):
    """What a fold leaks, in words: the patients in test and in training or validation, and samples
    there that are one section; or ''.

    section_of: section by sample, where several samples are one.
    """
    trained = fold["train"] + fold["validation"]
    seen = sorted({patients[sample] for sample in fold["test"]} & {patients[s] for s in trained})
    said = [f"{', '.join(seen)} in training and test"] if seen else []
    groups = {}
    for sample in trained + fold["test"]:
        groups.setdefault((section_of or {}).get(sample, sample), set()).add(sample)
    return "; ".join(said + sections.across(groups.values(), fold["test"]))


def parts(fold, sample, place, gap):
    """The part of each spot of a sample: 'train', 'validation', 'test' or 'none' `(n_spots,)`.

    place: centres `(n_spots, 2)`; gap: distance in units of `place` that spots of one part keep
    from those of another, except where they are dealt out at random.
    """
    if fold["within"] and sample in fold["train"]:
        options = dict(fold["within"])
        return SHARES[options.pop("by")](place, gap, **options)
    part = next(part for part in ("train", "validation", "test") if sample in fold[part])
    return np.full(len(place), part)


def end_share(place, gap, share):
    """The `share` of spots at one end of the tissue validates, the others train."""
    along = _along(place)
    border = np.quantile(along, 1 - share)
    part = np.where(along > border, "validation", "none")
    part[along <= border - gap] = "train"
    return part


def random_share(place, gap, folds, fold, seed):
    """Spots dealt out at random: a fold tests, the next validates, the others train (AGL).

    Patches of neighbours overlap, so test spots have been seen in part.
    """
    number = np.random.default_rng(seed).permutation(len(place)) % folds
    return _by_number(number, folds, fold)


def block_share(place, gap, folds, fold, seed):
    """Blocks of as many spots each along the tissue: one tests, the next validates, others train.

    Spots of training and validation nearer than `gap` to a test spot have no part, nor training
    spots so near to a validation spot.
    """
    from scipy.spatial import cKDTree

    number = _along(place).argsort().argsort() * folds // len(place)
    part = _by_number(number, folds, fold)
    for others in ("test", "validation"):
        distance = cKDTree(place[part == others]).query(place)[0]
        near = (distance < gap) & (part != others) & (part != "test")
        part[near] = "none"
    return part


SHARES = {"end": end_share, "random": random_share, "blocks": block_share}


def _along(place):
    """Position along the tissue's longest axis `(n_spots,)`."""
    centred = place - place.mean(0)
    along = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
    return along * np.sign(along[np.abs(along).argmax()])  # the axis has no sign of its own


def _by_number(number, folds, fold):
    part = np.where(number == fold, "test", np.full(len(number), "train", "U10"))
    part[number == (fold + 1) % folds] = "validation"
    return part


def table(plans, patients, leaks_of):
    """The plan as rows `cohort, split, fold, set, sample, patient, part, leak`.

    plans: `{(cohort, strategy): folds}`; patients: `{cohort: {sample: patient}}`; leaks_of: what
    leaks in each fold, as plans.
    """
    rows = []
    for (cohort, strategy), folds in plans.items():
        for number, fold in enumerate(folds):
            within = fold["within"]
            parts = [
                (part, sample, "all")
                for part in ("train", "validation", "test")
                for sample in fold[part]
            ]
            if within.get("by") == "end":
                share, only = within["share"], fold["train"][0]
                parts = [
                    ("train", only, f"inner {1 - share:.0%}"),
                    ("validation", only, f"outer {share:.0%}"),
                    *[part for part in parts if part[0] == "test"],
                ]
            elif within:
                how, folds, slide = within["by"], within["folds"], fold["test"][0]
                parts = [
                    ("train", slide, f"{folds - 2} of {folds}, {how}"),
                    ("validation", slide, f"1 of {folds}, {how}"),
                    ("test", slide, f"1 of {folds}, {how}"),
                ]
            rows += [
                (
                    cohort,
                    strategy,
                    number,
                    part,
                    sample,
                    patients[cohort_of(fold, cohort, sample)][sample],
                    spots,
                    leaks_of[cohort, strategy][number],
                )
                for part, sample, spots in parts
            ]
    columns = ["cohort", "split", "fold", "set", "sample", "patient", "spots", "leak"]
    return pd.DataFrame(rows, columns=columns)
