"""Differences between rows of the tables: by hand, against scipy and statsmodels, by symmetry."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from spotrank.report import comparisons as pages
from spotrank.report import differences, style, tables
from spotrank.verdicts import best, units
from spotrank.verdicts.compare import ALL, compare, read, sign_flips, swapped
from spotrank.verdicts.slides import gather, of_slides
from spotrank.verdicts.summary import BESIDE, METRICS, summarise

NUMBERS = (
    *METRICS, *BESIDE, "mean_count", "train_pearson", "moran_observed", "moran_predicted"
)  # fmt: skip

NAN = float("nan")


def scores(means, **also):
    """Scores of one gene, slide, fold and seed a patient; means: `{loss: a number a patient}`."""
    rows = [
        {"cohort": "c", "split": "s", "encoder": "e", "panel": "p", "head": "linear", "loss": loss,
         "auxiliary": "none", "fold": patient, "patient": patient, "sample": f"{patient} 1",
         "seed": 0, "gene": "g", "leak": "", "ceiling_flag": "", **also,
         **dict.fromkeys(NUMBERS, mean)}
        for loss, numbers in means.items()
        for patient, mean in enumerate(numbers)
        if mean is not None
    ]  # fmt: skip
    return pd.DataFrame(rows)


def compared(table, planned=None, persons=None):
    own = table.groupby("cohort", sort=False)["patient"].unique()
    # patients of other cohorts are others, unless said to be the same
    persons = persons or {
        cohort: {patient: 100 * i + patient for patient in patients}
        for i, (cohort, patients) in enumerate(own.items())
    }
    means = gather(lambda: [table])
    return compare(means, summarise(means.means, planned), persons)


def test_two_patients_by_hand():
    row = compared(scores({"mse": [0.3, 0.5], "poisson": [0.2, 0.2]})).iloc[0]
    # differences .1 and .3: mean .2, sd √.02, error .1, t = 2 with one degree: p = 1 − 2 atan(2)/π
    assert (row["a"], row["b"], row["differ"]) == ("mse", "poisson", "loss")
    assert (row["mean_a"], row["mean_b"]) == (pytest.approx(0.4), pytest.approx(0.2))
    assert (row["difference"], row["sd"]) == (pytest.approx(0.2), pytest.approx(0.02**0.5))
    assert row["p"] == row["p_t"] == row["p_holm"] == pytest.approx(1 - 2 * np.arctan(2) / np.pi)
    # the quantile of one degree is tan(.475 π)
    assert row["high"] - row["difference"] == pytest.approx(0.1 * np.tan(0.475 * np.pi))
    assert np.isnan(row["p_flip"])
    assert row["verdict"] == "can't be told (2 patients)"


def test_three_patients_by_hand():
    # differences .1, .2, .3: sd .1, t = 2 √3 with two degrees: p = 1 − t / √(t² + 2)
    row = compared(scores({"mse": [0.1, 0.2, 0.3], "poisson": [0, 0, 0]})).iloc[0]
    assert row["p"] == pytest.approx(1 - np.sqrt(12 / 14))
    assert row["verdict"] == "can't be told (3 patients)"


def test_one_patient_tells_nothing():
    row = compared(scores({"mse": [0.9], "poisson": [0.1]})).iloc[0]
    assert row["verdict"] == "can't be told (1 patient)"
    assert row[["low", "high", "p_t", "p_flip", "p", "p_holm"]].isna().all()
    assert row["difference"] == pytest.approx(0.8)


def test_words():
    """A verdict is of a against b; rows that are equal in everything are no verdict."""
    base = [0.1, 0.2, 0.3, 0.4, 0.5]
    higher = [x + 0.1 + 0.001 * i for i, x in enumerate(base)]
    table = compared(scores({"mse": base, "poisson": higher, "pearson": base}))
    told = table.set_index(["a", "b"])
    assert told.loc[("mse", "poisson"), "verdict"] == "worse"
    assert told.loc[("poisson", "pearson"), "verdict"] == "better"
    same = told.loc[("mse", "pearson")]
    assert (same["p"], same["p_holm"], same["difference"]) == (1, 1, 0)
    assert same["verdict"] == "can't be told (5 patients)"


def test_genes_slides_and_seeds_are_no_units():
    """More genes, slides and seeds of the same patients, the same p; means go up the levels."""
    few = scores({"mse": [0.3, 0.5, 0.1], "poisson": [0.2, 0.2, 0.2]})
    many = pd.concat(
        [
            few.assign(
                gene=gene, sample=few["sample"] + slide, seed=seed, spearman=few["spearman"] + x
            )
            for gene in "gh"
            for slide in "kl"
            for seed, x in ((0, -0.01), (1, 0.01))
        ]
    )  # fmt: skip
    one, other = compared(few).iloc[0], compared(many).iloc[0]
    assert other[["difference", "low", "p"]].tolist() == pytest.approx(
        one[["difference", "low", "p"]].tolist()
    )
    assert (other["n_patients"], other["n_seeds"], other["n_genes"]) == (3, 2, 2)
    # a slide of many genes and one of few weigh the same, a patient of two slides as one of one
    uneven = pd.concat(
        [scores({"mse": [0.5, 0.2], "poisson": [0, 0]})]
        + [scores({"mse": [0.1], "poisson": [0]}, sample="other", gene=gene) for gene in "ghi"]
    )
    assert compared(uneven).iloc[0]["mean_a"] == pytest.approx(((0.5 + 0.1) / 2 + 0.2) / 2)


def test_undefined_genes_are_left_out():
    table = pd.concat(
        [
            scores({"mse": [0.3, 0.5], "poisson": [0.2, 0.2]}),
            scores({"mse": [NAN, 0.1], "poisson": [NAN, 0.2]}, gene="h"),
        ]
    )
    assert compared(table).iloc[0]["mean_a"] == pytest.approx((0.3 + (0.5 + 0.1) / 2) / 2)


def test_joined_patients_are_one():
    table = scores({"mse": [0.3, 0.5, 0.1], "poisson": [0.2, 0.2, 0.2]})
    joined = table.assign(patient=[0, 0, 1, 0, 0, 1])  # folds 0 and 1 test one patient
    row = compared(joined).iloc[0]
    assert row["n_patients"] == 2
    by_hand = compared(scores({"mse": [0.4, 0.1], "poisson": [0.2, 0.2]})).iloc[0]
    assert row["p"] == pytest.approx(by_hand["p"])


def test_rows_that_leak_give_no_verdict():
    base = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    means = {"mse": base, "poisson": [x + 0.3 + 0.01 * x for x in base]}
    leaking = scores({"pearson": base}, leak="x in training and test")
    table = compared(pd.concat([scores(means), leaking])).set_index(["a", "b"])
    row = table.loc[("poisson", "pearson")]
    assert row["verdict"] == "none: leaks"
    assert row["leak"] == "6 of 6 folds: x in training and test"
    assert row[["p_t", "p_flip", "p", "p_holm"]].isna().all()
    # and it is none of Holm's tests
    assert table.loc[("mse", "poisson"), "p_holm"] == table.loc[("mse", "poisson"), "p"] < 0.05


def test_rows_with_holes_are_compared_on_common_patients():
    table = scores({"mse": [0.3, 0.5, 0.9], "poisson": [0.2, 0.2, None]})
    planned = {("c", "s", "e", "p", "linear", loss, "none"): 3 for loss in ("mse", "poisson")}
    row = compared(table, planned).iloc[0]
    assert (row["n_patients"], row["mean_a"]) == (2, pytest.approx(0.4))
    assert row["holes"] == "2 of 3 folds"
    # in a fold that one row lacks, a patient has no part either
    folds = pd.concat([scores({"mse": [0.3, 0.5], "poisson": [0.2, 0.2]}),
                       scores({"mse": [0.9, 0.9]}, fold=7)])  # fmt: skip
    assert compared(folds).iloc[0]["mean_a"] == pytest.approx(0.4)


def test_only_what_differs_in_one_thing():
    grid = pd.concat(
        scores({"mse": [0.1, 0.2], "pearson": [0.2, 0.4]}, encoder=encoder, head=head)
        for encoder in ("e", "f")
        for head in ("linear", "mlp")
    )
    table = compared(grid)
    assert table["differ"].value_counts().to_dict() == {"loss": 4, "encoder": 4, "head": 4}
    row = table[table["differ"] == "head"].iloc[0]
    assert row[["encoder", "loss", "head", "a", "b"]].tolist() == ["e", "mse", "", "linear", "mlp"]


def test_floors_are_compared_with_every_row_and_not_among_them():
    rows = [
        scores({"mse": [0.1, 0.2], "pearson": [0.2, 0.4]}),
        scores({"mse": [0.1, 0.3]}, encoder="f"),
        scores({"depth": [0.1, 0.1], "stain": [0, 0.1]}, encoder="none", head="floor"),
        scores({"nearest": [0.1, 0.1]}, encoder="f", head="nearest"),
    ]
    table = compared(pd.concat(rows))
    floors = table[table["differ"] == "floor"]
    assert list(floors[["encoder", "a", "b"]].itertuples(index=False, name=None)) == [
        ("e", "mse", "depth"), ("e", "mse", "stain"), ("e", "pearson", "depth"),
        ("e", "pearson", "stain"), ("f", "mse", "depth"), ("f", "mse", "stain"),
        ("f", "mse", "nearest"),
    ]  # fmt: skip
    assert set(table["differ"]) == {"loss", "encoder", "floor"}


def test_panels_are_compared_on_the_genes_that_both_have():
    def panel(name, genes):
        return pd.concat(
            scores({"mse": [x, 2 * x]}, panel=name, gene=gene) for gene, x in genes.items()
        )

    both = pd.concat([panel("p", {"g": 0.1, "h": 0.9}), panel("q", {"g": 0.2, "i": 0.9})])
    row = compared(both).iloc[0]
    assert row[["differ", "a", "b", "panel", "n_genes"]].tolist() == ["panel", "p", "q", "", 1]
    assert row["difference"] == pytest.approx(0.15 - 0.3)
    assert compared(pd.concat([panel("p", {"g": 0.1}), panel("q", {"i": 0.2})])).empty


def test_over_all_cohorts():
    """Each patient one number, whatever his cohort's size; rows that one cohort lacks stay out."""
    one = scores({"mse": [0.3, 0.5], "poisson": [0.2, 0.2], "pearson": [0.1, 0.1]})
    two = scores({"mse": [0.1], "poisson": [0.2]}, cohort="d")
    table = compared(pd.concat([one, two]))
    over = table[table["cohort"] == ALL]
    assert over[["a", "b", "n_patients"]].to_numpy().tolist() == [["mse", "poisson", 3]]
    assert over["mean_a"].item() == pytest.approx(0.3)
    # patient 0 of both is one donor
    persons = {"c": {0: 0, 1: 1}, "d": {0: 0}}
    over = compared(pd.concat([one, two]), persons=persons).iloc[-1]
    assert (over["cohort"], over["n_patients"]) == (ALL, 2)
    assert over["mean_a"] == pytest.approx(((0.3 + 0.1) / 2 + 0.5) / 2)


def test_a_cohort_that_only_tests_leaves_those_that_train_together():
    own = scores({"mse": [0.3, 0.5], "poisson": [0.2, 0.2]})
    elsewhere = scores({"mse": [0.1], "poisson": [0.2]}, cohort="t", split="from_c")
    table = pd.concat([own, own.assign(cohort="d"), elsewhere])
    over = compared(table)
    over = over[over["cohort"] == ALL]
    assert over[["split", "n_patients"]].to_numpy().tolist() == [["s", 4]]
    summary = summarise(of_slides(table))
    numbers, *_ = tables.wide(summary)
    assert list(numbers) == ["c, s", "d, s", "t, from_c", "mean, s"]
    assert numbers.loc["mse", "mean, s"] == pytest.approx(0.4)
    places, _ = tables.verdicts(numbers, compared(table).assign(verdict="better"))
    assert places.loc["mse", "mean, s"] == 1


def test_one_row_has_nothing_beside_it(tmp_path):
    table = compared(scores({"mse": [0.1, 0.2]}))
    table.to_csv(tmp_path / "comparisons.tsv", sep="\t", index=False)
    assert (tmp_path / "comparisons.tsv").read_text().startswith("cohort\tsplit\tdiffer\t")
    again = read(tmp_path / "comparisons.tsv")
    assert again.empty
    style.save(pages.forest(again), tmp_path / "comparisons.png")
    assert "All 0 pairs" in pages.html(again, "")


def test_p_are_scipys_and_holms_is_statsmodels(rng):
    means = {loss: rng.normal(0.2, 0.1, 9) for loss in ("mse", "poisson", "pearson", "margin_rank")}
    means["poisson"] = means["mse"] + rng.normal(0.02, 0.01, 9)
    table = compared(scores(means))
    assert len(table) == 6
    for row in table.itertuples():
        a, b = means[row.a], means[row.b]
        of_t = stats.ttest_rel(a, b)
        assert row.p_t == pytest.approx(of_t.pvalue)
        interval = of_t.confidence_interval(0.95)
        assert (row.low, row.high) == (pytest.approx(interval.low), pytest.approx(interval.high))
        exact = stats.permutation_test(
            (a, b), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf
        )
        assert row.p_flip == pytest.approx(exact.pvalue)
        assert row.p == max(row.p_t, row.p_flip)
    np.testing.assert_allclose(table["p_holm"], multipletests(table["p"], method="holm")[1])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_sign_flips_count_from_six_to_fourteen(rng):
    x = rng.normal(1, 1, (1, 15))
    for n in (2, 5, 15):
        assert np.isnan(sign_flips(x[:, :n])).all()
    # all of one sign: only that pattern and its mirror image are as far
    assert sign_flips(np.abs(x[:, :6])) == 2 / 2**6
    # a person who is not there is no person
    assert sign_flips(np.abs(np.insert(x[:, :6], 3, NAN, axis=1))) == 2 / 2**6
    assert sign_flips(np.zeros((1, 8))) == 1


numbers = st.lists(
    st.tuples(*[st.integers(-99, 99).map(lambda x: x / 100)] * 2), min_size=2, max_size=9
)


@settings(max_examples=15, deadline=None)
@given(numbers, st.randoms(use_true_random=False))
def test_symmetries(pairs, random):
    """Swapped, the other side is seen; order of rows and what is added to all change nothing."""
    means = dict(zip(("mse", "poisson"), map(list, zip(*pairs, strict=True)), strict=True))
    order = random.sample(range(len(pairs)), len(pairs))
    cohorts = {
        "plain": means,
        "swapped": dict(reversed(means.items())),
        "shuffled": {loss: [own[i] for i in order] for loss, own in means.items()},
        "shifted": {loss: [x + 0.25 for x in own] for loss, own in means.items()},
    }
    table = pd.concat(scores(own, cohort=cohort) for cohort, own in cohorts.items())
    table = compared(table).set_index("cohort").drop(ALL)
    assert table.loc["swapped", ["a", "b"]].tolist() == ["poisson", "mse"]
    same = pd.concat([table.drop("swapped"), swapped(table.loc[["swapped"]])])
    assert same["verdict"].nunique() == 1
    for name in ("difference", "low", "high", "p_t", "p_flip", "p"):
        assert same[name].tolist() == pytest.approx([same[name].iloc[0]] * 4, nan_ok=True)


def test_intervals_of_means_are_scipys(rng):
    means = {loss: rng.normal(0.2, 0.1, 5) for loss in ("mse", "poisson", "pearson")}
    persons = {"c": {patient: patient for patient in range(5)}}
    summary = best.beside(summarise(own := of_slides(scores(means))), own, persons)
    for row in summary.itertuples():
        interval = stats.ttest_1samp(means[row.loss], 0).confidence_interval(0.95)
        assert (row.spearman_low, row.spearman_high) == pytest.approx(tuple(interval))
        assert (row.pearson_low, row.n_patients) == (row.spearman_low, 5)
    assert summary["p_best"].sum() == pytest.approx(1)


def test_ranks_of_few_patients_are_no_certainty(rng):
    """Two patients have one direction: a row between two others must not be excluded by it."""
    table = best.ranked(np.array([[0.2, 0.4], [0.25, 0.35], [0.3, 0.3]]))
    assert (table["rank_low"] == 1).all()
    assert (table["rank_high"] == 3).all()
    assert (table["p_best"] > 0.2).all()


def test_ranks_of_what_is_clear_and_what_is_equal(rng):
    noise = rng.normal(0, 0.01, (3, 12))
    table = best.ranked(noise + rng.normal(0, 0.2, 12) + np.array([[0.1], [0.9], [0.5]]))
    assert table.to_numpy().tolist() == [[3, 3, 0], [1, 1, 1], [2, 2, 0]]
    equal = best.ranked(np.full((4, 3), 0.2))
    assert equal["p_best"].tolist() == [0.25] * 4
    assert (equal[["rank_low", "rank_high"]] == 1).all(axis=None)


def test_ranked_is_what_can_be_believed():
    means = {
        "mse": [0.1, 0.2],
        "poisson": [0.2, None],
        "pearson": [0.3, 0.3],
        "strank_list": [0.1, 0.3],
    }
    table = scores(means)
    table.loc[table["loss"] == "pearson", "leak"] = "x in training and test"
    depth = scores({"depth": [0.1, 0.2]}, encoder="none", head="floor")
    table = pd.concat([table, depth])
    own = of_slides(table)
    summary = best.beside(summarise(own), own, {"c": {0: 0, 1: 1}}).set_index("loss")
    assert summary["p_best"].notna().to_dict() == {
        "mse": True, "poisson": False, "pearson": False, "strank_list": True, "depth": False,
    }  # fmt: skip
    assert summary["n_patients"].tolist() == [2, 1, 2, 2, 2]
    assert np.isfinite(summary.loc["pearson", "spearman_low"])


def test_cells_of_a_grid_keep_their_person():
    values = units.by_patient(
        of_slides(pd.concat([scores({"mse": [0.1, 0.2]}), scores({"mse": [0.3, 0.4]}, fold=9)])),
        {"c": {0: 7, 1: 3}},
    )
    cells, person = units.grid(values, "spearman", values[:1])
    assert sorted(zip(person, cells[0], strict=True)) == [(0, 0.2), (0, 0.4), (1, 0.1), (1, 0.3)]
    np.testing.assert_allclose(units.over_folds(cells, person), [[0.3, 0.2]])


def test_the_page_and_figure_are_of_the_highest_mean(rng, tmp_path):
    means = {loss: rng.normal(0.2, 0.1, 4) for loss in ("mse", "poisson")}
    table = pd.concat(
        [
            scores(means | {"pearson": means["mse"] + 0.1}),
            scores({"pearson": means["mse"]}, encoder="f"),
            scores({"depth": means["mse"] + 0.3}, encoder="none", head="floor"),
        ]
    )
    found = differences.to_best(compared(table))
    assert set(found["loss"]) == {"pearson"}
    assert set(found["encoder"]) == {"e"}
    named = found.set_index(["differ", "row"])["difference"]
    assert named[("loss", "mse")] == pytest.approx(-0.1)
    assert named[("encoder", "f")] == pytest.approx(-0.1)
    assert named[("floor", "depth")] == pytest.approx(0.2)
    assert len(found) == 4
    figure = pages.forest(compared(table))
    labels = [[text.get_text() for text in axis.get_yticklabels()] for axis in figure.axes]
    assert labels[0][-1] == "encoder: f"
    assert labels[1] == ["depth"]
    style.save(figure, tmp_path / "forest.png")


def test_every_pair_of_a_grid(rng):
    losses = ("mse", "poisson", "pearson", "margin_rank")
    table = compared(scores({loss: rng.normal(0, 1, 3) for loss in losses}))
    assert list(zip(table["a"], table["b"], strict=True)) == list(combinations(losses, 2))
