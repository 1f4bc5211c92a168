"""Patients that a difference needs."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.power import TTestPower

from spotrank.base.store import InputError
from spotrank.verdicts import power
from spotrank.verdicts.compare import ALL, read


def comparisons(sd, **also):
    return pd.DataFrame({"cohort": "c", "differ": "loss", "sd": sd, "p": 0.5} | also)


def test_patients_by_the_book():
    """The textbook's 34 for half a standard deviation, and the power that is asked for."""
    assert power.patients(0.5, 0.05) == 34
    for effect in (0.05, 0.2, 0.6):
        n = power.patients(effect, 0.01)
        assert TTestPower().power(effect, n, 0.01) >= 0.8 > TTestPower().power(effect, n - 1, 0.01)
    assert power.patients(1000, 0.05) == 3


def test_sign_flips_must_be_able_to_reach_the_level():
    # t alone would do with 9; of 36 tests, 2^(1 − n) ≤ .05 / 36 from 11 on, of 5,000 not until 14
    assert power.patients(2.2, 0.05 / 36) == 11
    assert power.patients(3, 0.05 / 5000) == 15
    # with five or fewer nothing is flipped
    assert power.patients(5, 0.01) == 4


def test_plan_by_hand():
    pairs = comparisons([0.02, 0.02, 0.04, 0.0])
    over = comparisons([9.0], cohort=ALL)
    leaking = comparisons([9.0], p=np.nan)
    table = power.plan(pd.concat([pairs, over, leaking]), "comparisons.tsv")
    row = table.query("spread == 'middling' and difference == .01").iloc[0]
    assert (row["sd"], row["n_pairs"], row["n_tests"]) == (0.02, 3, 5)
    assert row["alone"] == power.patients(0.5, 0.05) == 34
    assert row["first_of"] == power.patients(0.5, 0.01)
    assert table.query("spread == 'wide'")["sd"].unique() == pytest.approx([0.036])
    assert table["difference"].tolist() == [0.01, 0.02, 0.05] * 2
    said = power.in_words(table)
    assert f"a difference of 0.01 needs 34 ({row['first_of']})" in said
    assert "first of 5 by Holm" in said


def test_what_tells_no_spread(tmp_path):
    with pytest.raises(InputError, match=r"x.tsv: no two rows of it were tested"):
        power.plan(comparisons([np.nan], p=np.nan), "x.tsv")
    with pytest.raises(InputError, match=r"x.tsv: no such file; run the study first"):
        read(tmp_path / "x.tsv")
