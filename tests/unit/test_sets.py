"""Gene sets: their file, their scores, and the means of these."""

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from test_score import fold  # noqa: F401 (a fixture)

from spotrank.base.store import InputError
from spotrank.genes import sets
from spotrank.scoring import score
from spotrank.verdicts.sets import summarise_sets


def test_a_file_as_people_write_it(tmp_path):
    path = tmp_path / "sets.gmt"
    path.write_bytes("\ufeffA B\thttp://x\tg\t h \tg\t\t\r\n\r\nC\t\ti\r\n".encode())
    assert sets.read(path) == {"A B": ["g", "h"], "C": ["i"]}


def test_sets_of_which_a_gene_is_measured_pass(tmp_path):
    path = tmp_path / "sets.gmt"
    path.write_text("A\t\tx\ty\nB\t\tg\n")
    sets.check_measured(path, {"g", "h"}, "cohorts.c")
    sets.check_measured(path, set(), "cohorts.c")  # files that are yet to come
    with pytest.raises(InputError, match="none of its genes, such as 'x'"):
        sets.check_measured(path, {"h"}, "cohorts.c")


def test_scores_of_sets(fold):  # noqa: F811
    path, spots = fold
    with h5py.File(path, "a") as file:
        file["slope"][1], file["intercept"][1] = [1, -2, 0], [0, 5, 1]
        predicted = file["predictions"][1, 30:]
    given = {"two": ["g", "h", "elsewhere"], "one": ["g"], "none": ["elsewhere"], "three": [*"ghi"]}
    found = pd.concat(score.score_sets(path, spots, "none", given))
    assert len(found) == 2 * 2 * 4
    mine = found[(found["loss"] == "pearson") & (found["sample"] == "B")].set_index("set")
    assert mine["n_in_set"].to_dict() == {"two": 3, "one": 1, "none": 1, "three": 3}
    assert mine["n_genes"].to_dict() == {"two": 2, "one": 1, "none": 0, "three": 3}
    truth = np.log1p(spots["B"].X.toarray())
    calibrated = predicted[:, 0] + 5 - 2 * predicted[:, 1]
    expected = stats.spearmanr(calibrated, truth[:, :2].sum(1)).statistic
    assert mine.loc["two", "spearman"] == pytest.approx(expected)
    # gene i is constant on the slide and so are its predictions: it changes no rank
    assert mine.loc["three", "spearman"] == pytest.approx(expected)
    assert mine.loc[["one", "none"], "spearman"].isna().all()


def test_no_set_has_two_genes(fold):  # noqa: F811
    path, spots = fold
    found = pd.concat(score.score_sets(path, spots, "none", {"one": ["g"]}))
    assert found["spearman"].isna().all()


def test_means_of_sets():
    cell = dict.fromkeys(("cohort", "split", "encoder", "panel", "head", "loss"), "x")
    cell |= {"auxiliary": "none", "set": "A", "n_in_set": 5}
    rows = [
        cell | {"fold": f, "seed": 0, "sample": s, "n_genes": 2 + f, "spearman": r, "leak": "P" * f}
        for f, s, r in ((0, "a", 0.2), (0, "b", 0.4), (1, "c", np.nan), (1, "d", 0.5))
    ]
    (row,) = summarise_sets(pd.DataFrame(rows)).to_dict("records")
    assert row["spearman_mean"] == pytest.approx(0.4)  # of 0.3 and 0.5
    assert row["spearman_sd"] == pytest.approx(0.02**0.5)
    assert (row["n_in_set"], row["n_genes"], row["n_folds"], row["n_undefined"]) == (5, 2.5, 2, 1)
    assert row["leak"] == "1 of 2 folds: P"
