import bad_bundles
import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.covariance import LedoitWolf

from spotrank.base.store import InputError
from spotrank.bundles import bundle, card, home
from spotrank.bundles.expected import expected
from spotrank.bundles.row import choose
from spotrank.study.bundle import named
from spotrank.study.study import Study
from spotrank.verdicts.compare import COLUMNS
from spotrank.verdicts.summary import KEYS

ROW = dict(
    zip(KEYS, ("c", "one_out", "encoder", "variance-3", "linear", "mse", "none"), strict=True)
)


def test_the_distance_is_mahalanobis_with_a_shrunk_covariance():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 5)) @ rng.normal(size=(5, 5)) + 3
    x = (x / x.std(0)).astype("f4")  # shrinking is towards equal variances
    found = home.measure(x, np.repeat([0, 1, 2], 100))
    theirs = LedoitWolf().fit(x).mahalanobis(x) ** 0.5
    np.testing.assert_allclose(home.distance(x, found["mean"], found["whiten"]), theirs, rtol=1e-3)


def test_the_threshold_is_of_held_out_groups_each_counting_the_same():
    rng = np.random.default_rng(1)
    near, far = rng.normal(size=(200, 3)), rng.normal([30, 0, 0], size=(20, 3))
    x, group = np.concatenate((near, far)).astype("f4"), np.repeat([0, 1], (200, 20))
    found = home.measure(x, group)
    known = [home._shape(x[group != own]) for own in (0, 1)]
    distances = [home.distance(x[group == own], *known[own]) for own in (0, 1)]
    weights = np.repeat([1 / 200, 1 / 20], (200, 20))
    order = np.argsort(np.concatenate(distances))
    reached = np.cumsum(weights[order]) / 2 >= 0.99 - 1e-9
    assert found["threshold"] == pytest.approx(np.concatenate(distances)[order][reached][0])


def test_a_single_group_and_a_constant_number_have_a_home():
    x = np.random.default_rng(2).normal(size=(1000, 3)).astype("f4")
    x[:, 1] = 7
    found = home.measure(x, np.zeros(1000))
    distance = home.distance(x, found["mean"], found["whiten"])
    assert np.mean(distance > found["threshold"]) == pytest.approx(0.01, abs=0.002)


def scores(values):
    """Scores of genes `a` (predictable), `b` (by chance) of patients; values: `{gene: numbers}`."""
    rows = [
        {**ROW, "fold": i, "patient": f"p{i}", "sample": f"s{i}", "seed": seed, "gene": gene,
         "spearman": value, "ceiling_spearman": 0.8, "ceiling_flag": "", "leak": ""}
        for gene, own in values.items()
        for i, value in enumerate(own)
        for seed in (0, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows)


PERSONS = {"c": {f"p{i}": i for i in range(4)}}


def test_what_to_expect_of_a_gene_is_the_mean_over_patients():
    values = {"a": (0.4, 0.5, 0.6, 0.5), "b": (0.3, -0.3, 0.2, -0.1)}
    found = expected(scores(values), ROW, ["b", "a", "unseen"], PERSONS)
    assert found.loc["a", "spearman"] == pytest.approx(0.5)
    low, high = stats.t.interval(0.95, 3, 0.5, stats.sem(values["a"]))
    assert tuple(found.loc["a", ["spearman_low", "spearman_high"]]) == pytest.approx((low, high))
    assert found.loc["a", "share"] == pytest.approx(0.5 / 0.8)
    assert list(found["predictable"]) == ["no", "yes", "unknown"]
    assert list(found["n_patients"]) == [4, 4, 0]


def test_a_leak_tells_of_no_gene():
    leaking = scores({"a": (0.4, 0.5, 0.6, 0.5)}).assign(leak="p0 in training and test")
    assert list(expected(leaking, ROW, ["a"], PERSONS)["predictable"]) == ["unknown"]


def summary(**rows):
    """Losses and their means; what begins with 'leaky' leaks."""
    return pd.DataFrame(
        [
            ROW | {"loss": loss, "spearman_mean": mean, "holes": ""}
            | {"leak": "said" if loss.startswith("leaky") else ""}
            for loss, mean in rows.items()
        ]
    )  # fmt: skip


NONE = pd.DataFrame(columns=COLUMNS)


def test_the_best_row_that_leaks_nothing_is_chosen():
    row, untold = choose(summary(mse=0.3, leaky=0.9, pearson=0.4), NONE, {"cohort": "c"})
    assert row == ROW | {"loss": "pearson"}
    assert untold == {}


def test_what_cannot_be_told_from_the_row_is_told():
    pair = {key: ROW[key] for key in KEYS} | {
        "loss": "", "differ": "loss", "a": "mse", "b": "pearson",
        "verdict": "can't be told (4 patients)",
    }  # fmt: skip
    comparisons = pd.DataFrame([pair]).reindex(columns=COLUMNS)
    assert choose(summary(mse=0.3, pearson=0.4), comparisons, {})[1] == {"loss": ["mse"]}


def test_a_row_named_in_full_is_taken_though_it_leaks():
    row, _ = choose(summary(mse=0.3, leaky=0.9), NONE, {"loss": "leaky"})
    assert row["loss"] == "leaky"


@pytest.mark.parametrize(
    ("rows", "named", "said"),
    [
        ({"mse": 0.3}, {"loss": "msee"}, "the study has no row of loss msee"),
        ({"leaky": 0.3, "leaky2": 0.4}, {}, r"no row is without a leak .*'bundle' \(loss\)"),
    ],
)
def test_no_row(rows, named, said):
    with pytest.raises(InputError, match=said):
        choose(summary(**rows), NONE, named)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"bundle": {"cohort": "d"}}, "bundle.cohort"),
        ({"bundle": {"encoder": "uni"}}, "bundle.encoder"),
        ({"bundle": {"loss": "msee"}}, "bundle.loss has no .* choose from mse, strank_list"),
        ({"bundle": {"split": "leave_one_cohort_out"}}, "bundle.split"),
        ({"cohorts": ["c", "d"]}, "bundle lacks 'cohort', and the study has several"),
    ],
)
def test_a_row_that_the_study_has_not(keys, said, study):
    if "cohorts" in keys:
        study["cohorts"]["d"] = study["cohorts"]["c"]
    else:
        study |= keys
    with pytest.raises(InputError, match=said):
        named(Study(study))


@pytest.fixture
def written(tmp_path):
    bad_bundles.write(tmp_path)
    return bundle.read(tmp_path)


def test_predictions_are_the_mean_over_seeds_in_log1p_units(written, tmp_path):
    x = np.random.default_rng(3).normal(size=(9, 4)).astype("f4")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = x
        ((block, found),) = written.predict(file["x"], np.zeros((9, 2)))
    own = {key: value.numpy() for key, value in written._parameters.items()}
    by_hand = np.mean(
        [
            (x @ own["weight"][seed] + own["bias"][seed]) * written._slope[seed]
            + written._intercept[seed]
            for seed in (0, 1)
        ],
        0,
    )
    np.testing.assert_allclose(found, by_hand, rtol=1e-4, atol=1e-5)
    assert block == slice(0, 9)
    assert written.distance(np.array([[2, 0, 0, 0], [0, 4, 0, 0]], "f4")) == pytest.approx([1, 2])
    assert list(written.genes["predictable"]) == ["yes"] * 3


def test_embeddings_of_another_dimension_are_refused(written):
    with pytest.raises(InputError, match="takes 4 numbers a spot, not 5; give embeddings of e"):
        list(written.predict(np.zeros((2, 5), "f4"), np.zeros((2, 2))))


def test_the_id_is_of_what_decides_predictions(tmp_path):
    first, again = (bad_bundles.write(tmp_path / name) for name in "ab")
    other = bad_bundles.write(tmp_path / "c", seeds=3)
    assert first["id"] == again["id"] != other["id"]


def test_a_diverged_model_is_no_bundle(tmp_path):
    nan = {"weight": torch.full((1, 4, 3), torch.nan), "bias": torch.zeros(1, 1, 3)}
    with pytest.raises(InputError, match="diverged"):
        bad_bundles.write(tmp_path, nan, seeds=1)
    assert not list(tmp_path.iterdir())


def test_the_card_warns_of_a_leak_and_names_the_weights(tmp_path):
    about = bad_bundles.write(tmp_path) | {
        "study": "s", "row": ROW, "untold": {"loss": ["pearson"]}, "leak": "p0 in both",
        "seeds": [0, 1], "epochs": 7, "made": {"provenance": "abc"},
        "licences": {"encoder": "MIT", "data": "CC0"},
        "trained_on": {"cohorts": {"c": "local"}, "patients": {"s0": "p0"}, "samples": ["s0"],
                       "organs": ["Breast"], "technologies": [], "n_spots": 1234},
    }  # fmt: skip
    about["encoder"] |= {"spec": {"weights": "x"}, "about": {"weights_sha256": "f00"}}
    genes = expected(scores({"a": (0.4, 0.5, 0.6, 0.5)}), ROW, ["a"], PERSONS)
    text = card.text(about, genes)
    assert text.startswith("---\nlibrary_name: spotrank\n")
    for words in ("**Its folds leak:** p0 in both", "`f00`", "loss pearson", "1,234 spots",
                  "| a | 0.50 | 0.37 to 0.63 | 0.80 | yes |"):  # fmt: skip
        assert words in text
