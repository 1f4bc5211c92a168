from functools import partial

import pandas as pd
import pytest

from spotrank.report import tables
from spotrank.verdicts.compare import COLUMNS, compare
from spotrank.verdicts.slides import gather, of_slides
from spotrank.verdicts.summary import summarise

OF_SLIDE = ("mae", "ari", "nmi", "train_pearson", "moran_observed", "moran_predicted")
PERSONS = {"a": {"P0": 0, "P1": 1}, "b": {"P0": 2, "P1": 3}}


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
                            "patient": f"P{fold}",
                            "gene": gene,
                            "spearman": value,
                            "pearson": value,
                            "pooled_spearman": value,
                            "pooled_pearson": value,
                            "mse": 1.0,
                            "mean_count": 2.0,
                            "noise_free_spearman": None,
                            "depth_spearman": 0.2,
                            "n_auxiliary": 0,
                            "spearman_given_depth": value,
                            **dict.fromkeys(OF_SLIDE, 0.5),
                            "ceiling_spearman": 0.8,
                            "ceiling_pearson": 0.8,
                            "ceiling_flag": "",
                            "leak": leak if cohort == "b" and fold == 1 else "",
                        }
                        for gene, value in (("g", base + bonus + 0.1 * fold), ("h", float("nan")))
                    ]
    return pd.DataFrame(rows).astype({"noise_free_spearman": float})


def test_summary_by_hand():
    table = summarise(of_slides(scores())).set_index(["cohort", "loss"])
    row = table.loc[("b", "strank_list")]
    # folds 0.5, 0.5, 0.6, 0.6: mean 0.55, sd √(4·0.05²/3)
    assert row["spearman_mean"] == pytest.approx(0.55)
    assert row["spearman_sd"] == pytest.approx((4 * 0.05**2 / 3) ** 0.5)
    # gene h is undefined on 2 slides with 2 seeds: counted, neither dropped nor zero
    assert row["n_undefined"] == 4
    assert (row["n_folds"], row["n_seeds"], row["n_genes"]) == (2, 2, 2)


def table_of(scores, planned=None):
    """Function of formats that gives a table's text, numbers and what can't be told apart."""
    means = gather(lambda: [scores])
    summary = summarise(means.means, planned)
    numbers, *marks = tables.wide(summary)
    places, apart = tables.verdicts(numbers, compare(means, summary, PERSONS))
    return partial(tables.formatted, numbers, *marks, places), numbers, apart


def test_lots_of_cells_give_what_all_give_at_once():
    """Whatever cells come together, with two panels and two tools; texts as categories, too."""
    own = scores()
    tools = [own.assign(head="given", loss=name) for name in ("tool", "other")]
    tools[1].loc[tools[1]["fold"] == 1, "mse"] = float("nan")
    frame = pd.concat([own, own[own["gene"] == "g"].assign(panel="q"), *tools], ignore_index=True)
    cells = [rows for _, rows in frame.groupby(["cohort", "panel", "head", "loss", "fold"])]
    texts = dict.fromkeys(frame.select_dtypes(object), "category")
    whole = gather(lambda: [pd.concat(cells)])
    lots = gather(lambda: (rows.astype(texts) for rows in cells))
    assert len(whole.predicted) == 3
    assert len(whole.common) == 1
    pd.testing.assert_frame_equal(lots.means, whole.means, check_exact=True)
    for kind in ("predicted", "common"):
        one, other = getattr(lots, kind), getattr(whole, kind)
        assert one.keys() == other.keys()
        for key, table in one.items():
            pd.testing.assert_frame_equal(
                table.reset_index(drop=True), other[key].reset_index(drop=True), check_exact=True
            )


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
    row = summarise(of_slides(columns.join(genes))).loc[0]
    assert row["ceiling_spearman"] == pytest.approx((0.2 + 0.6 + 0.7) / 3)  # unflagged
    # of those that have a score: (0.1 + 0.3) / (0.2 + 0.6), not the mean of 1/2, 1/2 and 9
    assert row["spearman_share"] == pytest.approx(0.5)
    assert row["spearman_mean"] == pytest.approx(1.3 / 3)  # flagged or not


def test_best_and_second_and_mean():
    """Each loss is .2 from the other in both patients, without spread."""
    text_of, numbers, apart = table_of(scores())
    assert apart == []
    assert numbers.loc["mse"].tolist() == pytest.approx([0.15, 0.35, 0.25])
    text = " ".join(tables.markdown(text_of, []).split())
    assert "| strank_list | **0.350** | **0.550** | **0.450** |" in text
    assert "<u>0.150</u>" in text
    assert r"\textbf{0.350}" in tables.latex(text_of, [])


def test_what_cannot_be_told_apart_has_no_mark():
    """Of three losses the best is no verdict in b, and the second nowhere."""
    there = scores()
    third = there[there["loss"] == "mse"].assign(loss="pearson")
    third["spearman"] += 1e-4 * (third["fold"] - 0.4)  # 1e-5 on average
    noisy = (there["loss"] == "strank_list") & (there["cohort"] == "b") & (there["fold"] == 0)
    there.loc[noisy, "spearman"] += 0.5
    text_of, _, apart = table_of(pd.concat([there, third]))
    text = text_of("**{}**", "<u>{}</u>")
    assert text.loc["strank_list"].tolist() == ["**0.350**", "0.800", "0.575"]
    assert text.loc["mse"].tolist() == ["0.150", "0.350", "0.250"]
    assert apart == [
        "Can't be told apart: pearson and mse (2 patients) in a.",
        "Can't be told apart: strank_list and pearson (2 patients) in b.",
        "Can't be told apart: strank_list and pearson (4 patients) in mean.",
    ]


def test_verdicts_are_those_of_the_setting_and_floors_are_no_rivals():
    """Two encoders: a loss is the best of its own; a floor above it takes no place."""
    one = scores()
    other = one.assign(encoder="e_2")
    swapped = {"mse": "strank_list", "strank_list": "mse"}
    other["loss"] = other["loss"].map(swapped)
    floor = one[one["loss"] == "mse"].assign(loss="depth", encoder="none", head="floor")
    floor["spearman"] += 0.5
    text_of, _, apart = table_of(pd.concat([one, other, floor]))
    text = text_of("**{}**", "<u>{}</u>")["a"]
    assert text[("e_1", "strank_list")] == "**0.350**"
    assert text[("e_2", "mse")] == "**0.350**"
    assert text[("e_2", "strank_list")] == "<u>0.150</u>"
    assert text[("–", "depth (floor)")] == "0.650"
    assert apart == []


def test_a_single_loss_is_not_the_best():
    there = scores().query("loss == 'mse'")
    text_of, _, apart = table_of(there)
    assert text_of("**{}**", "<u>{}</u>").loc["mse"].tolist() == ["0.150", "0.350", "0.250"]
    assert apart == []
    assert list(compare(gather(lambda: [there]), summarise(of_slides(there)), PERSONS)) == COLUMNS


def test_a_leak_is_marked_where_it_is():
    planned = {
        (cohort, "s", "e_1", "p", "linear", loss, "none"): n
        for cohort, n in (("a", 3), ("b", 2))
        for loss in ("mse", "strank_list")
    }
    summary = summarise(of_slides(scores("P_1 in training and test")), planned)
    numbers, leaks, holes = tables.wide(summary)
    below = [*tables.notes(leaks), *tables.notes(holes, "‡")]
    text_of, _, apart = table_of(scores("P_1 in training and test"), planned)
    text = " ".join(tables.markdown(text_of, below).split())
    assert "**0.350** ‡ |" in text
    assert "‡ a: 2 of 3 folds." in text
    assert "| 0.550 †" in text  # no verdict, and nothing to be said of one
    assert apart == []
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
    summary = summarise(of_slides(there), planned)
    assert summary["holes"].tolist() == ["", "", "", *["0 of 2 folds"] * 3]
    assert summary["n_samples"].tolist() == [2, 2, 2, 0, 0, 0]
    text_of, _, _ = table_of(there, planned)
    lines = [" ".join(line.split()) for line in tables.markdown(text_of, []).splitlines()]
    assert "| mse | <u>0.150</u> | 0.350 | – ‡ | – ‡ |" in lines
    assert "| strank_list | **0.350** | – ‡ | – ‡ | – ‡ |" in lines


def test_what_is_reached_of_the_ceiling_is_said():
    there = scores().assign(ceiling_spearman=0.8, ceiling_flag="")
    said = tables.ceilings(summarise(of_slides(there)))
    # the best of a: folds .3 and .4 of .8
    assert said[0] == (
        "a: the ceiling of sampling noise is 0.800, of which strank_list reaches 44%, the most."
    )
    assert len(said) == 2
    assert (
        tables.ceilings(summarise(of_slides(there.assign(ceiling_flag="may not vary at all"))))
        == []
    )
