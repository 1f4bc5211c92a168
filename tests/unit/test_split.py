import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spotrank import split
from spotrank.store import InputError

OPTIONS = {"ids": {}, "folds": 2, "validation_share": 0.2, "seed": 0}


def samples(patients):
    ids = pd.Index([f"S{i}" for i in range(len(patients))], name="sample")
    return pd.DataFrame({"patient": list(patients)}, index=ids)


@given(
    st.lists(st.sampled_from("ABCDE"), min_size=3, max_size=9).filter(lambda p: len(set(p)) > 1),
    st.sampled_from(["leave_one_patient_out", "leave_one_sample_out", "patient_k_fold"]),
    st.integers(0, 5),
)
def test_every_sample_is_tested_once_and_sets_are_apart(patients, strategy, seed):
    table = samples(patients)
    folds = split.plan("c", table, strategy, OPTIONS | {"seed": seed})
    tested = [sample for fold in folds for sample in fold["test"]]
    assert sorted(tested) == sorted(table.index)
    for fold in folds:
        parts = fold["train"] + fold["validation"] + fold["test"]
        assert sorted(parts) == sorted(table.index)
        assert fold["train"]
        assert bool(fold["within"]) == (not fold["validation"])
        if strategy != "leave_one_sample_out":
            assert split.leaks(fold, table["patient"]) == ""


def test_a_patient_validates_where_two_remain():
    folds = split.plan("c", samples("AABBCC"), "leave_one_patient_out", OPTIONS)
    for fold in folds:
        assert len(fold["validation"]) == 2
        assert len(fold["train"]) == 2


def test_same_patient_in_training_is_said():
    fold = {"train": ["S1"], "validation": ["S2"], "test": ["S0"]}
    assert split.leaks(fold, samples("AAB")["patient"]) == "A in training and test"


def test_outer_share_keeps_its_distance():
    spatial = np.stack(np.meshgrid(np.arange(30.0), np.arange(10.0)), -1).reshape(-1, 2) * 100
    train, validation = split.outer_share(spatial, 0.2, 112)
    assert validation.mean() == pytest.approx(0.2, abs=0.04)
    assert not (train & validation).any()
    gap = np.linalg.norm(spatial[train][:, None] - spatial[validation][None], axis=2).min()
    assert gap > 112


@pytest.mark.parametrize(
    ("patients", "strategy", "options", "sentence"),
    [
        ("AAB", "patient_k_fold", {"folds": 3}, "2 patients are fewer than split.folds = 3"),
        ("AAA", "leave_one_patient_out", {}, "one patient can't be left out"),
        ("AAB", "fixed", {}, "needs split.ids with a 'test'"),
        ("AAB", "fixed", {"ids": {"test": ["S9"]}}, "'S9', which is no sample"),
        (
            "AAB",
            "fixed",
            {"ids": {"test": ["S0"], "validation": ["S0"]}},
            "'S0' is in validation and in test",
        ),
        (
            "AAB",
            "fixed",
            {"ids": {"test": ["S0"], "train": ["S1"], "validation": ["S1"]}},
            "'S1' is in train and in validation",
        ),
        ("AAB", "leave_one_patient", {}, "did you mean 'leave_one_patient_out'"),
    ],
)
def test_bad_plans_are_refused(patients, strategy, options, sentence):
    with pytest.raises(InputError, match=sentence):
        split.plan("c", samples(patients), strategy, OPTIONS | options)
