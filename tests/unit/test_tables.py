from functools import partial

import pandas as pd
import pytest

from spotrank.report import tables
from spotrank.verdicts.summary import summarise


def scores(leak=""):
    """Two losses, two cohorts, two folds, two seeds, two genes: numbers easy to average."""
    rows = []
    for cohort, base in (("a", 0.1), ("b", 0.3)):
        for loss, bonus in (("mse", 0.0), ("strank_list", 0.2)):
            for fold in (0, 1):
                for seed in (0, 1):
                    rows += [
                        {
                            "cohort": cohort,
                            "split": "s",
                            "encoder": "e_1",
                            "panel": "p",
                            "head": "linear",
                            "loss": loss,
                            "auxiliary": "none",
                            "fold": fold,
                            "seed": seed,
                            "sample": f"S{fold}",
                            "gene": gene,
                            "spearman": value,
                            "pearson": value,
                            "pooled_spearman": value,
                            "pooled_pearson": value,
                            "mse": 1.0,
                            "noise_free_spearman": None,
                            "depth_spearman": 0.2,
                            "n_auxiliary": 0,
                            "spearman_given_depth": value,
                            "ceiling_spearman": 0.8,
                            "ceiling_pearson": 0.8,
                            "ceiling_flag": "",
                            "leak": leak if cohort == "b" and fold == 1 else "",
                        }
                        for gene, value in (("g", base + bonus + 0.1 * fold), ("h", float("nan")))
                    ]
    return pd.DataFrame(rows).astype({"noise_free_spearman": float})


def test_summary_by_hand():
    table = summarise(scores()).set_index(["cohort", "loss"])
    row = table.loc[("b", "strank_list")]
    # folds 0.5, 0.5, 0.6, 0.6: mean 0.55, sd √(4·0.05²/3)
    assert row["spearman_mean"] == pytest.approx(0.55)
    assert row["spearman_sd"] == pytest.approx((4 * 0.05**2 / 3) ** 0.5)
    # gene h is undefined on 2 slides with 2 seeds: counted, neither dropped nor zero
    assert row["n_undefined"] == 4
    assert (row["n_folds"], row["n_seeds"], row["n_genes"]) == (2, 2, 2)


def test_share_of_the_ceiling_by_hand():
    rows = scores().query("cohort == 'a' and loss == 'mse' and fold == 0 and seed == 0")
    genes = pd.DataFrame(
        {
            "gene": ["g", "h", "i", "j"],
            "spearman": [0.1, 0.3, float("nan"), 0.9],
            "ceiling_spearman": [0.2, 0.6, 0.7, 0.1],
            "ceiling_flag": ["", "", "", "may not vary at all"],
        }
    )
    columns = rows.iloc[[0] * 4].drop(columns=genes.columns).reset_index(drop=True)
    row = summarise(columns.join(genes)).loc[0]
    assert row["ceiling_spearman"] == pytest.approx((0.2 + 0.6 + 0.7) / 3)  # unflagged
    # of those that have a score: (0.1 + 0.3) / (0.2 + 0.6), not the mean of 1/2, 1/2 and 9
    assert row["spearman_share"] == pytest.approx(0.5)
    assert row["spearman_mean"] == pytest.approx(1.3 / 3)  # flagged or not


def test_best_and_second_and_mean():
    numbers, *marks = tables.wide(summarise(scores()))
    text_of = partial(tables.formatted, numbers, *marks)
    assert numbers.loc["mse"].tolist() == pytest.approx([0.15, 0.35, 0.25])
    text = " ".join(tables.markdown(text_of, []).split())
    assert "| strank_list | **0.350** | **0.550** | **0.450** |" in text
    assert "<u>0.150</u>" in text
    assert r"\textbf{0.350}" in tables.latex(text_of, [])


def test_a_leak_is_marked_where_it_is():
    planned = {
        (cohort, "s", "e_1", "p", "linear", loss, "none"): n
        for cohort, n in (("a", 3), ("b", 2))
        for loss in ("mse", "strank_list")
    }
    summary = summarise(scores("P_1 in training and test"), planned)
    numbers, leaks, holes = tables.wide(summary)
    below = [*tables.notes(leaks), *tables.notes(holes, "‡")]
    text_of = partial(tables.formatted, numbers, leaks, holes)
    text = " ".join(tables.markdown(text_of, below).split())
    assert "**0.350** ‡ |" in text
    assert "‡ a: 2 of 3 folds." in text
    assert "**0.550** †" in text
    assert "† b: 1 of 2 folds: P_1 in training and test." in text
    assert r"P\_1 in training" in tables.latex(text_of, below)
    assert r"strank\_list" in tables.latex(text_of, below)
    assert "P_1 in training and test" in tables.tsv(numbers, leaks, "id")


def test_what_was_planned_and_is_not_there_is_marked():
    """A loss that lacks a cohort has no mean: it would be of other cohorts than the others'."""
    planned = {
        (cohort, "s", "e_1", "p", "linear", loss, "none"): 2
        for cohort in ("a", "b", "c")
        for loss in ("mse", "strank_list")
    }
    there = scores().query("cohort == 'a' or loss == 'mse'")
    summary = summarise(there, planned)
    assert summary["holes"].tolist() == ["", "", "", *["0 of 2 folds"] * 3]
    assert summary["n_samples"].tolist() == [2, 2, 2, 0, 0, 0]
    text_of = partial(tables.formatted, *tables.wide(summary))
    lines = [" ".join(line.split()) for line in tables.markdown(text_of, []).splitlines()]
    assert "| mse | <u>0.150</u> | **0.350** | – ‡ | – ‡ |" in lines
    assert "| strank_list | **0.350** | – ‡ | – ‡ | – ‡ |" in lines
