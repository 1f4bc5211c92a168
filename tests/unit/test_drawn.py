"""What figures draw, gathered lot by lot: equal to what all scores at once give."""

from itertools import product

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_compare import NUMBERS, compared
from test_compare import scores as of_patients

from spotrank.base.store import row_groups, write_lots
from spotrank.report import ceilings, comparisons, drawn, figures, style


def scores(rng, encoders=2, folds=2):
    """Scores of two cohorts, losses, seeds and slides a fold and three genes, and of a floor."""
    names = [f"e{i}" for i in range(encoders)]
    rows = product("ab", [*names, "none"], range(folds), ("mse", "poisson"), (0, 1), "12", "hgk")
    columns = ["cohort", "encoder", "fold", "loss", "seed", "sample", "gene"]
    table = pd.DataFrame(rows, columns=columns)
    table["head"] = np.where(table["encoder"] == "none", "floor", "linear")
    table["loss"] = table["loss"].mask(table["encoder"] == "none", "depth")
    table["sample"] = table["fold"].astype(str) + table["sample"]
    table["patient"] = table["fold"].astype(str)
    table = table.assign(split="s", panel="p", auxiliary="none", leak="")
    numbers = [*NUMBERS, "ceiling_spearman_sd"]
    table[numbers] = rng.uniform(size=(len(table), len(numbers)))
    table["mean_count"] = table["mean_count"].astype("float32")
    table.loc[rng.random(len(table)) < 0.2, "spearman"] = np.nan
    table.loc[table["cohort"] == "b", "noise_free_spearman"] = np.nan
    return table.assign(ceiling_flag=np.where(rng.random(len(table)) < 0.2, "few counts", ""))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def table(rng):
    return scores(rng)


@pytest.fixture
def lots(table, tmp_path):
    """A function that reads some columns of `table`, stored in lots of a cell each."""
    cells = (own for _, own in table.groupby(["cohort", "encoder", "fold"], sort=False))
    found = (pa.Table.from_pandas(own, preserve_index=False) for own in cells)
    write_lots(found, tmp_path / "scores.parquet", {})
    return lambda *columns: row_groups(tmp_path / "scores.parquet", *columns)


def test_means_of_genes_are_those_of_all_rows(table, lots):
    panels, note = style.panels_of(drawn.runs(lots()))
    found = drawn.genes(lots(drawn.OF_GENES), panels)
    assert note == ""
    assert [title for title, *_ in found] == ["a, e0", "a, e1", "b, e0", "b, e1"]
    for title, loss, means in found:
        mine = (table["cohort"] + ", " + table["encoder"] == title) & (table["loss"] == loss)
        by_gene = table.assign(flagged=table["ceiling_flag"] != "")[mine].groupby("gene")
        expected = by_gene[list(means)].mean()
        assert list(means.index) == list(expected.index) == ["g", "h", "k"]
        np.testing.assert_allclose(means, expected, rtol=1e-6)
        own = table[table["cohort"] + ", " + table["encoder"] == title]
        assert loss == style.best_loss(own)
    for draw in (figures.genes, ceilings.below_ceiling):
        assert [axis.get_title() for axis in draw(found, note).axes] == [one[0] for one in found]


def test_where_floors_are_all_there_is(table):
    """As where holes are marked and no fit has come yet."""
    table = table[table["head"] == "floor"]
    runs = drawn.runs([table])
    panels, note = style.panels_of(runs)
    genes = drawn.genes([table], panels)
    for figure in (
        figures.scores_by_loss(runs, panels, note),
        figures.genes(genes, note),
        ceilings.below_ceiling(genes, note),
    ):
        assert [text.get_text() for text in figure.texts] == ["nothing but floors was scored"]


def test_a_point_a_gene_and_slide_where_the_noise_free_mean_is_known(table, lots):
    found = drawn.noise_free(lots(drawn.OF_NOISE_FREE))
    known = table[table["noise_free_spearman"].notna()]
    expected = known.drop_duplicates(drawn.POINT)[drawn.OF_NOISE_FREE]
    pd.testing.assert_frame_equal(found.reset_index(drop=True), expected.reset_index(drop=True))
    assert len(ceilings.beside_noise_free(found).axes) == 1
    nothing = drawn.noise_free([table[table["cohort"] == "b"]])
    assert len(ceilings.beside_noise_free(nothing).texts) == 1


def test_of_many_panels_the_best_of_each_cohort_are_drawn(rng, monkeypatch):
    monkeypatch.setattr(style, "SHOWN", 4)
    runs = drawn.runs([scores(rng, encoders=5)])
    panels, note = style.panels_of(runs)
    assert note.startswith("Shown are 4 of 10, ")
    means = runs[runs["head"] == "linear"].groupby(["cohort", "encoder", "loss"])["spearman"].mean()
    best = [means[cohort].groupby("encoder").max().nlargest(2).index for cohort in "ab"]
    titles = [
        f"{cohort}, {own[place]}"
        for place in (0, 1)
        for cohort, own in zip("ab", best, strict=True)
    ]
    assert [title for title, *_ in panels] == titles
    figure = figures.scores_by_loss(runs, panels, note)
    assert [axis.get_title() for axis in figure.axes] == titles
    assert figure.get_suptitle() == note


@pytest.mark.parametrize(("folds", "labels"), [(2, ["fold 0", "fold 1"]), (9, ["a fold and seed"])])
def test_folds_have_a_colour_each_where_there_are_enough(folds, labels, rng):
    runs = drawn.runs([scores(rng, encoders=1, folds=folds)])
    axis = figures.scores_by_loss(runs, *style.panels_of(runs)).axes[0]
    found = [text.get_text() for text in axis.get_legend().get_texts()]
    assert found == [*labels, "ceiling of sampling noise", "noise-free mean"]
    points = [points.get_offsets() for points in axis.collections]
    assert sum(map(len, points)) == 2 * 2 * folds + 2 * folds  # two losses and a floor, two seeds


def test_of_many_fits_some_histories_are_drawn(tmp_path, monkeypatch):
    paths = [str(tmp_path / f"{i}") for i in range(5)]
    for path in paths:
        history = {"auxiliary": ["none"] * 4, "loss": ["mse"] * 4, "seed": [0, 0, 1, 1]}
        history |= {"epoch": [1, 2, 1, 2], "monitored": [2.0, 1.0, 3.0, 1.0]}
        pq.write_table(pa.table(history | {"n_auxiliary": [0.0, 0, 0, 3]}), path)
    found, note = drawn.histories(paths)
    assert (found["fit"].tolist(), note) == (np.repeat(range(5), 4).tolist(), "")
    monkeypatch.setattr(drawn, "FITS", 2)
    found, note = drawn.histories(paths)
    assert note == "2 of 5 fits, drawn by lot."
    assert len(found) == 2 * 4
    axis = figures.histories(found, note).axes[0]
    assert len(axis.lines) == 2 * 2 * 2  # fits, seeds, the best of each
    axis = figures.auxiliary_genes(found, note).axes[0]
    assert len(axis.lines) == 2 * 2  # seed 1 uses some
    for draw in (figures.histories, figures.auxiliary_genes):
        assert len(draw(*drawn.histories([])).texts) == 1


def test_of_many_rows_the_highest_are_drawn(rng):
    mean = rng.normal(0.2, 0.1, 4)
    others = [of_patients({"mse": mean - i / 100}, encoder=f"e{i}") for i in range(45)]
    axis = comparisons.forest(compared(pd.concat(others))).axes[0]
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels == [f"e{i}" for i in range(1, 41)]
    assert axis.get_title().endswith("the highest 40 of 44")


def test_of_many_cohorts_the_last_and_all_are_drawn(rng, monkeypatch):
    monkeypatch.setattr(comparisons, "SHOWN", 2)
    means = {"mse": rng.normal(0.2, 0.1, 3), "poisson": rng.normal(0.2, 0.1, 3)}
    table = pd.concat([of_patients(means, cohort=f"c{i}") for i in range(3)])
    figure = comparisons.forest(compared(table))
    assert [axis.get_title().split(" (")[0] for axis in figure.axes] == ["c2", "all cohorts"]
    said = figure.legends[0].get_title().get_text()
    assert said == "2 of 4 panels are left out; see comparisons.tsv."
