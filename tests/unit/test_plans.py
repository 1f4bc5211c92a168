"""Folds across cohorts: who trains, who is tested, what leaks."""

import pandas as pd
import pytest

from spotrank.spots import split
from spotrank.study import plans, units
from spotrank.study.files import Files
from spotrank.study.made_by import MadeBy
from spotrank.study.study import Study

A, B = ["SIM1", "SIM2", "SIM3"], ["SIM4", "SIM5", "SIM6"]  # patients 1, 2, 2 and 3, 4, 4


@pytest.fixture
def two(study):
    """A config of two cohorts, of which the second is tested only."""
    own = study["cohorts"].pop("c")
    study["cohorts"] = {
        "a": own | {"samples": A},
        "b": own | {"samples": B, "role": "test"},
    }
    return study


def with_strategies(config, *strategies):
    return Study(config | {"split": {"strategy": list(strategies)}})


def test_a_cohort_that_is_tested_only(two):
    found = with_strategies(two, "leave_one_patient_out").plans
    assert list(found) == [("a", "leave_one_patient_out"), ("b", "from_a")]
    folds = found["b", "from_a"]
    assert [fold["test"] for fold in folds] == [["SIM4"], ["SIM5", "SIM6"]]
    for fold in folds:
        assert (fold["train"], fold["validation"]) == (A, [])
        assert fold["cohorts"] == dict.fromkeys(A, "a") | dict.fromkeys(B, "b")
        assert fold["final"] == ["a", "leave_one_patient_out"]


def test_one_cohort_left_out(two):
    del two["cohorts"]["b"]["role"]
    found = with_strategies(two, "leave_one_cohort_out").plans
    assert list(found) == [("a", "leave_one_cohort_out"), ("b", "leave_one_cohort_out")]
    (fold,) = found["b", "leave_one_cohort_out"]
    assert fold["test"] == B
    assert sorted(fold["train"] + fold["validation"]) == A
    assert fold["validation"] in (["SIM1"], ["SIM2", "SIM3"])  # a patient
    assert split.cohort_of(fold, "b", "SIM1") == "a"


def test_a_cohort_that_is_tested_only_trains_nothing(two):
    found = with_strategies(two, "leave_one_cohort_out").plans
    assert list(found) == [("b", "leave_one_cohort_out")]
    study = with_strategies(two, "leave_one_cohort_out", "leave_one_sample_out")
    assert ("b", "from_a") in study.plans
    assert study.test_samples("a") == A
    assert study.tested_in("b", "SIM5")["split"] == "leave_one_cohort_out"


def test_patients_of_two_cohorts_are_not_one_by_name_alone(two):
    """Both tables have a 'Patient 2', of two data sets, but for the donor that is known."""
    study = with_strategies(two, "leave_one_patient_out")
    assert study.leaks["b", "from_a"] == ["", ""]


@pytest.mark.parametrize("column", ["donor", "section"])
def test_a_donor_or_section_in_both_is_named(two, monkeypatch, column):
    whose = {"donor": ["SIM2", "SIM3", "SIM5", "SIM6"], "section": ["SIM3", "SIM5"]}[column]
    known = pd.DataFrame({"donor": None, "section": None}, index=whose)
    known[column] = "X"
    monkeypatch.setattr(units, "known", lambda: known.astype(object))
    study = with_strategies(two, "leave_one_patient_out", "leave_one_cohort_out")
    apart, leaking = study.leaks["b", "from_a"]
    assert apart == ""
    said = {"donor": "a/X = b/X in training and test", "section": "SIM3 and SIM5 are one section"}
    assert said[column] in leaking
    assert said[column] in study.leaks["b", "leave_one_cohort_out"][0]
    table = split.table(study.plans, study.patients, study.leaks)
    own = table[(table["split"] == "from_a") & (table["fold"] == 1)]
    assert (own["leak"] == leaking).all()
    assert set(own["patient"]) == set(study.patients["a"].values()) | {study.patients["b"]["SIM5"]}


def test_genes_of_all_samples_leak_to_no_other_cohort(two):
    study = with_strategies(
        two | {"genes": {"number": 10, "samples": "all"}}, "leave_one_patient_out"
    )
    (panel,) = study.panels
    said = "genes chosen with the test samples in view"
    assert study.leak("a", "leave_one_patient_out", 0, panel, "stain_statistics", "linear") == said
    assert study.leak("b", "from_a", 0, panel, "stain_statistics", "linear") == ""


def test_what_decides_an_external_cell(two):
    """All that decides the final model, and the cohort that is tested."""
    study = with_strategies(two, "leave_one_patient_out")
    made_by = MadeBy(study, Files(study))
    cell = next(own for own in study.cells if own["cohort"] == "b" and own["head"] == "linear")
    assert plans.stage(cell) == "external"
    decides = made_by.external(**cell)
    of_model = {key: cell[key] for key in ("encoder", "panel", "head", "auxiliary")}
    final = made_by.final(cohort="a", split="leave_one_patient_out", **of_model)
    other = {key for key in final if final[key] != decides[key]}
    assert other == {"samples", "fold", "cohort"}
    assert decides["samples"] == ["SIM4"]
    assert set(decides["cohort"]) == {"a", "b"}
    path = made_by.files.of_fit("scores/scores.parquet", **cell)
    assert {"external fold", "external folds", "score leak"} <= set(made_by.cells()[path])


def test_floors_of_a_cohort_that_is_tested_only(two):
    study = with_strategies(two, "leave_one_patient_out")
    heads = {cell["head"] for cell in study.cells if cell["split"] == "from_a"}
    assert heads == {"linear", "floor", "nearest"}
    two["cohorts"]["b"]["embeddings"] = {"stain_statistics": "."}
    two["cohorts"]["a"]["embeddings"] = {"stain_statistics": "."}
    blind = with_strategies(two, "leave_one_patient_out")
    assert len([own for own in blind.remarks if "no floor 'stain'" in own]) == 2
