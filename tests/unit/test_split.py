import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotrank.base.store import InputError
from spotrank.spots import split

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


SPATIAL = np.stack(np.meshgrid(np.arange(30.0), np.arange(10.0)), -1).reshape(-1, 2) * 100


def distance(part, a, b):
    return np.linalg.norm(SPATIAL[part == a][:, None] - SPATIAL[part == b][None], axis=2).min()


def within(**options):
    fold = {"train": ["S0"], "validation": [], "test": ["S1"], "within": options}
    return split.parts(fold, "S0", SPATIAL, 150)


def test_one_end_of_the_only_sample_validates():
    part = within(by="end", share=0.2)
    assert (part == "validation").mean() == pytest.approx(0.2, abs=0.04)
    assert distance(part, "train", "validation") > 150
    fold = {"train": ["S0"], "validation": [], "test": ["S1"], "within": {"by": "end"}}
    assert set(split.parts(fold, "S1", SPATIAL, 150)) == {"test"}


@pytest.mark.parametrize("strategy", split.WITHIN_SLIDE)
def test_every_spot_of_a_slide_is_tested_once(strategy):
    folds = split.plan("c", samples("AAB"), strategy, OPTIONS | {"folds": 5, "seed": 1})
    assert [fold["test"][0] for fold in folds] == ["S0"] * 5 + ["S1"] * 5 + ["S2"] * 5
    assert split.leaks(folds[0], samples("AAB")["patient"]) == "A in training and test"
    parts = np.stack([split.parts(fold, "S0", SPATIAL, 150) for fold in folds[:5]])
    assert ((parts == "test").sum(0) == 1).all()
    if strategy == "spots_k_fold":
        for part in parts:  # 3:1:1
            assert [(part == name).sum() for name in ("train", "validation", "test")] == [
                180,
                60,
                60,
            ]
        again = split.plan("c", samples("AAB"), strategy, OPTIONS | {"folds": 5, "seed": 2})
        assert (split.parts(again[0], "S0", SPATIAL, 150) != parts[0]).any()
    else:
        for part in parts:
            assert distance(part, "train", "test") >= 150
            assert distance(part, "validation", "test") >= 150
            assert distance(part, "train", "validation") >= 150
            assert (part == "train").sum() > 100


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
