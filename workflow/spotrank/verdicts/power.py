"""How many patients a difference needs, from the spread of an earlier study's differences."""

import math

import pandas as pd
from statsmodels.stats.power import TTestPower

from spotrank.base.store import InputError
from spotrank.verdicts.compare import ALL, ALPHA, FLIPS

DIFFERENCES = (0.01, 0.02, 0.05)
POWER = 0.8
SPREADS = {"middling": 0.5, "wide": 0.9}  # quantiles of the pairs' standard deviations
STEEPEST = 5  # in standard deviations: beyond it the power's equation has no solution


def plan(comparisons, path):
    """Patients that each of DIFFERENCES needs, a row each and spread.

    comparisons: of `compare.compare`; path: of theirs, for `InputError` if they tell no spread.
    Returns DataFrame: `differ`, `n_pairs` and `spread` of the pairs within cohorts, `sd` over
    patients of that spread, `difference`, and patients for a power of 80 % at 5 %: `alone`, if the
    comparison is the only one, and `first_of`, if it is the first of Holm's `n_tests`.
    """
    pairs = comparisons[(comparisons["cohort"] != ALL) & comparisons["p"].notna()]
    pairs = pairs[pairs["sd"] > 0]
    if pairs.empty:
        raise InputError(
            f"{path}: no two rows of it were tested over two patients or more, so nothing is known "
            "of the spread; run a study of more patients that leaks nothing first."
        )
    n_tests = int(comparisons["p"].notna().sum())
    return pd.DataFrame(
        {
            "differ": differ,
            "n_pairs": len(own),
            "spread": spread,
            "sd": (sd := own["sd"].quantile(quantile)),
            "difference": difference,
            "alone": patients(difference / sd, ALPHA),
            "first_of": patients(difference / sd, ALPHA / n_tests),
            "n_tests": n_tests,
        }
        for differ, own in pairs.groupby("differ", sort=False)
        for spread, quantile in SPREADS.items()
        for difference in DIFFERENCES
    )


def patients(effect, alpha):
    """Patients that find a difference of `effect` standard deviations with 80 % power.

    By the paired t's power; of numbers at which sign flips count too, one at which they can reach
    `alpha` at all: their least p of n patients is 2^(1 − n).
    """
    n = math.ceil(TTestPower().solve_power(min(effect, STEEPEST), alpha=alpha, power=POWER))
    while n in FLIPS and 2.0 ** (1 - n) > alpha:
        n += 1
    return n


def in_words(table):
    """The table of `plan` as sentences."""
    said = []
    for (differ, spread), own in table.groupby(["differ", "spread"], sort=False):
        first = own.iloc[0]
        needs = ", ".join(
            f"{row.difference:.2f} needs {row.alone} ({row.first_of})" for row in own.itertuples()
        )
        said.append(
            f"{differ}, {spread} spread (standard deviation over patients {first['sd']:.3f}, "
            f"pairs: {first['n_pairs']}): a difference of {needs} patients."
        )
    n = table["n_tests"].iloc[0]
    said.append(
        f"For 80 % power at 5 %, two-sided, if the comparison is planned alone (in brackets: if it "
        f"is the first of {n} by Holm). Half of the pairs spread less than middling, nine of ten "
        "less than wide."
    )
    return "\n".join(said)
