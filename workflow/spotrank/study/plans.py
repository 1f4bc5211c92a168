"""The folds of a study: each cohort's own, and those that train on other cohorts' samples.

A fold across cohorts says in `cohorts` which one each of its samples is of. One of an external test
says in `final` whose model it tests, `[cohort, split]`.
"""

import pandas as pd

from spotrank.base.store import InputError
from spotrank.base.words import one_of
from spotrank.fitting.heads import GIVEN
from spotrank.spots import split
from spotrank.study import units

FROM = "from_"  # begins the split of an external test, before the name of the cohort that trained


def plans(study):
    """`{(cohort, split): folds}` of a `Study`, and in the same form what leaks in each, in words.

    Raises `InputError` as `split.plan` does, and for cohorts that can't be tested on each other.
    """
    found, leaks, together = {}, {}, None
    strategies = study.config["split"]["strategy"]
    for cohort in study.config["split"]["ids"]:
        one_of(cohort, study.cohorts, "split.ids")
    training = [name for name in study.cohorts if not is_test(study, name)]
    own = [strategy for strategy in strategies if strategy != split.ACROSS]
    for cohort in study.cohorts:
        others = [name for name in training if name != cohort]
        if is_test(study, cohort) and not others:
            raise InputError(
                f"config: cohorts.{cohort} has the role 'test', but there is no other that trains; "
                "add one, or leave 'role' out."
            )
        for strategy in strategies:
            if strategy == split.ACROSS and others:
                together = _together(study) if together is None else together
                found[cohort, strategy] = _left_out(study, together, cohort, others)
            elif strategy in own and not is_test(study, cohort):
                options = study.config["split"] | {"ids": _ids(study, cohort, strategy)}
                found[cohort, strategy] = split.plan(
                    cohort, study.samples[cohort], strategy, options
                )
        if is_test(study, cohort) and own:
            together = _together(study) if together is None else together
            for name in others:
                found[cohort, f"{FROM}{name}"] = _external(together, cohort, name, own[0])
    if split.ACROSS in strategies and not any(key[1] == split.ACROSS for key in found):
        raise InputError(
            f"config: split.strategy: {split.ACROSS} needs two cohorts, of which one trains; add a "
            "cohort or choose another."
        )
    for (cohort, strategy), folds in found.items():
        leaks[cohort, strategy] = [
            split.leaks(fold, *_whose(_rows(study, together, cohort, fold))) for fold in folds
        ]
    return found, leaks


def beside(study, found):
    """`{cohort: cohorts that it shares a fold with, itself included}`; found: of `plans`.

    Raises `InputError` if embeddings are given for one of them and made for another.
    """
    together = {name: {name} for name in study.cohorts}
    for (cohort, _), folds in found.items():
        for name in cohorts_of(cohort, folds[0]):
            together[cohort].add(name)
            together[name].add(cohort)
    for names in together.values():
        for encoder in study.encoders:
            given = {study.is_given(name, encoder): name for name in sorted(names)}
            if len(given) > 1:
                raise InputError(
                    f"config: embeddings '{encoder}' are given for cohorts.{given[True]} and not "
                    f"for cohorts.{given[False]}, which are trained and tested together; give both "
                    "or neither."
                )
    return together


def is_test(study, cohort):
    """Whether a cohort is tested only."""
    return study.cohorts[cohort].get("role") == "test"


def is_external(strategy):
    """Whether a split is an external test."""
    return strategy.startswith(FROM)


def stage(cell):
    """The stage that makes a cell's predictions: 'given', 'external' or 'fit'."""
    if cell["head"] == GIVEN:
        return "given"
    return "external" if is_external(cell["split"]) else "fit"


def samples_seen(study, cohort, fold):
    """All samples that a fold may look at: those of its cohort, or of its cohorts."""
    return list(fold.get("cohorts", study.samples[cohort].index))


def parts(study):
    """`{cohort: (samples that a fold trains, validates or tests on, others)}`."""
    seen = {
        (split.cohort_of(fold, cohort, sample), sample)
        for (cohort, _), folds in study.plans.items()
        for fold in folds
        for sample in split.samples_of(fold, "train", "validation", "test")
    }
    return {
        cohort: tuple(
            [sample for sample in own.index if ((cohort, sample) in seen) == is_seen]
            for is_seen in (True, False)
        )
        for cohort, own in study.samples.items()
    }


def cohorts_of(cohort, fold):
    """The cohorts of a fold's samples, each once."""
    return list(dict.fromkeys(fold.get("cohorts", {None: cohort}).values()))


def _rows(study, together, cohort, fold):
    """Rows of the samples of a fold; together: of `_together`."""
    if "cohorts" not in fold:
        return study.samples[cohort]
    return together[together["cohort"].isin(cohorts_of(cohort, fold))]


def _whose(samples):
    return samples["patient"].to_dict(), samples["section"].to_dict()


def _ids(study, cohort, strategy):
    """Samples that the config, or else the published split of the cohort's task, names."""
    named = study.config["split"]["ids"].get(cohort)
    if named is None and strategy == "fixed":
        named = study.sources[cohort].split()
    return named or {}


def _together(study):
    """The samples of all cohorts, with `cohort`, and `patient` and `section` under names that no
    other cohort has; who is one person in two cohorts has one, as has what is one section."""
    tables = {name: str(source.table()) for name, source in study.sources.items()}
    numbers = units.persons(study.samples, tables)
    rows = pd.concat(own.assign(cohort=name) for name, own in study.samples.items())
    whom = zip(rows["cohort"], rows["patient"], strict=True)
    person = pd.Series([numbers[cohort][patient] for cohort, patient in whom], rows.index)
    called = rows["cohort"] + "/" + rows["patient"]
    names = called.groupby(person.to_numpy()).agg(lambda own: " = ".join(own.unique()))
    section = units.known()["section"].reindex(rows.index)
    section = section.fillna(rows["cohort"] + "/" + rows["section"])
    return rows.assign(patient=person.map(names), section=section)


def _chosen(together, cohorts):
    """Rows of some cohorts; `InputError` for a sample that is in two of them."""
    rows = together[together["cohort"].isin(cohorts)]
    if rows.index.has_duplicates:
        sample = rows.index[rows.index.duplicated()][0]
        one, other = rows.loc[sample, "cohort"][:2]
        raise InputError(
            f"config: the sample '{sample}' is in cohorts.{one} and in cohorts.{other}, which meet "
            "in one fold; leave it out of one, or if they are two samples, give one another id."
        )
    return rows


def _left_out(study, together, cohort, others):
    """One fold, which tests a cohort and trains on the others."""
    rows = _chosen(together, [cohort, *others])
    options = study.config["split"] | {"ids": {}, "cohort": cohort}
    of_samples = {"cohorts": rows["cohort"].to_dict()}
    folds = split.plan(cohort, rows, split.ACROSS, options)
    return [fold | of_samples for fold in folds]


def _external(together, cohort, other, strategy):
    """A fold a patient of a cohort, tested on the model of all samples of the other."""
    rows = _chosen(together, [other, cohort])
    of_cohort = rows["cohort"] == cohort
    return [
        {
            "train": list(rows.index[~of_cohort]),
            "validation": [],
            "test": list(own),
            "within": {},
            "cohorts": rows["cohort"].to_dict(),
            "final": [other, strategy],
        }
        for own in rows[of_cohort].groupby("patient", sort=False).groups.values()
    ]
