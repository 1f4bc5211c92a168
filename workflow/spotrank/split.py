"""Which samples train, validate and test, fold by fold.

A fold is a dict `{train, validation, test}` of sample ids. Where only one sample is left to train
on, `validation` is empty and `within` holds the share of that sample's spots that validates.
A new strategy is a function and a row of `STRATEGIES`; each returns the test samples of its folds,
and the unit (`patient` or `sample`) that is held out.
"""

import numpy as np
import pandas as pd

from spotrank.config import nearest, one_of
from spotrank.store import InputError


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


STRATEGIES = {
    "fixed": fixed,
    "leave_one_patient_out": leave_one_out("patient"),
    "leave_one_sample_out": leave_one_out("sample"),
    "patient_k_fold": patient_k_fold,
}


def plan(cohort, samples, strategy, split):
    """Folds of a cohort.

    cohort: its name; samples: its metadata with the column `patient`, indexed by sample;
    strategy: a row of `STRATEGIES`; split: the config's part, `split.ids` being this cohort's.
    Training samples are those that split.ids names, or all but the fold's test samples. Validation
    samples are those named, or drawn from training: a patient where patients are held out and two
    remain, else a sample, else a share of the only sample's spots.
    Raises `InputError` for unknown ids, a sample in two sets, or too few samples.
    """
    where = f"cohorts.{cohort}, {strategy}"
    samples = samples.assign(sample=samples.index)
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
    folds = []
    folds_of = STRATEGIES[one_of(strategy, STRATEGIES, "split.strategy")]
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
        folds.append(fold | {"within": 0 if validation else split["validation_share"]})
    return folds


def _draw(samples, unit, rng):
    """Samples of one `unit`, or one sample where there is only one unit; [] if one sample."""
    for column in (unit, "sample"):
        units = samples[column].unique()
        if len(units) > 1:
            return list(samples.index[samples[column] == rng.choice(units)])
    return []


def leaks(fold, patients):
    """What a fold leaks, in words: the patients in test and in training or validation, or ''."""
    tested = {patients[sample] for sample in fold["test"]}
    seen = sorted(tested & {patients[sample] for sample in fold["train"] + fold["validation"]})
    return f"{', '.join(seen)} in training and test" if seen else ""


def outer_share(spatial, share, gap):
    """Split one sample's spots in two parts that lie apart.

    spatial: centres `(n_spots, 2)`; share: of the spots that validate, those farthest along the
    tissue's longest axis; gap: distance that training keeps from them, in units of `spatial`.
    Returns two bool arrays `(n_spots,)`: training, validation.
    """
    centred = spatial - spatial.mean(0)
    along = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
    along = along * np.sign(along[np.abs(along).argmax()])  # the axis has no sign of its own
    border = np.quantile(along, 1 - share)
    return along <= border - gap, along > border


def table(plans, patients):
    """The plan as rows `cohort, split, fold, set, sample, patient, part, leak`.

    plans: `{(cohort, strategy): folds}`; patients: `{cohort: Series by sample}`.
    """
    rows = []
    for (cohort, strategy), folds in plans.items():
        for number, fold in enumerate(folds):
            share = fold["within"]
            parts = [
                (part, sample, "all") for part in fold if part != "within" for sample in fold[part]
            ]
            if share:
                only = fold["train"][0]
                parts = [
                    ("train", only, f"inner {1 - share:.0%}"),
                    ("validation", only, f"outer {share:.0%}"),
                    *[part for part in parts if part[0] == "test"],
                ]
            rows += [
                (
                    cohort,
                    strategy,
                    number,
                    part,
                    sample,
                    patients[cohort][sample],
                    spots,
                    leaks(fold, patients[cohort]),
                )
                for part, sample, spots in parts
            ]
    columns = ["cohort", "split", "fold", "set", "sample", "patient", "spots", "leak"]
    return pd.DataFrame(rows, columns=columns)
