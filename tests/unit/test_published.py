"""Printed and measured numbers side by side."""

import pandas as pd
import pytest
from conftest import ROOT

from spotrank.base.store import InputError
from spotrank.report import figures, published, style, tables


def summary():
    """Two cohorts, three losses; the list loss with the sd that it has."""
    rows = []
    for cohort, base in (("a", 0.1), ("b", 0.3)):
        for loss, bonus in (("mse", 0.0), ("strank_list", 0.2), ("pearson_within", 0.4)):
            rows.append(
                {"cohort": cohort, "split": "s", "encoder": "e", "panel": "p", "head": "linear",
                 "loss": loss, "auxiliary": "none", "spearman_mean": base + bonus,
                 "spearman_sd": 0.01, "n_samples": 2, "n_folds": 3, "n_seeds": 1, "n_genes": 50,
                 "n_undefined": 1, "leak": "x in test" if cohort == "b" else "", "holes": ""}
            )  # fmt: skip
    return pd.DataFrame(rows)


def printed(tmp_path, text):
    (tmp_path / "printed.tsv").write_text(text)
    return published.read(published.path_of(str(tmp_path / "printed.tsv")))


TABLE = (
    "cohort\tloss\tspearman\na\tmse\t.2\na\tstrank_list\t.25\na\tmargin_rank\t.1\n"
    "b\tmse\t.3\nmean\tmse\t.25\nmean\tstrank_list\t.4\n"
)


def test_beside_by_hand(tmp_path):
    table = published.beside(summary(), *printed(tmp_path, TABLE))
    assert list(table.index) == [
        ("a", "mse"), ("a", "strank_list"), ("a", "margin_rank"), ("a", "pearson_within"),
        ("b", "mse"), ("b", "strank_list"), ("b", "pearson_within"),
        ("mean", "mse"), ("mean", "strank_list"), ("mean", "pearson_within"),
    ]  # fmt: skip
    row = table.loc[("a", "mse")]
    assert (row["published"], row["measured"]) == (0.2, pytest.approx(0.1))
    assert row["difference"] == pytest.approx(-0.1)
    # of two cohorts
    mean = table.loc[("mean", "strank_list")]
    assert mean["measured"] == pytest.approx((0.3 + 0.5) / 2)
    assert (mean["n_samples"], mean["n_folds"], mean["n_seeds"]) == (4, 6, 1)
    assert (mean["n_undefined"], mean["leak"]) == (2, "x in test")
    assert pd.isna(table.loc[("a", "margin_rank"), "measured"])


def test_text(tmp_path):
    table = published.beside(summary(), *printed(tmp_path, TABLE))
    below = published.notes(table)
    assert "† b: x in test." in below
    text = tables.markdown(lambda *formats: published.formatted(table, *formats), below)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "| a | mse | <u>0.200</u> | 0.100 ± 0.010 | -0.100 | 2 | 3 | 1 | 50 | 1 |" in lines
    assert "| a | pearson_within | – | 0.500 ± 0.010 | – | 2 | 3 | 1 | 50 | 1 |" in lines
    assert any(line.startswith("| b | mse | **0.300** | 0.300 ± 0.010 †") for line in lines)


def test_mean_over_panels_is_of_the_same_samples(tmp_path):
    one = summary().query("cohort == 'a'")
    two = pd.concat([one.assign(number=25, n_genes=25), one.assign(number=50)])
    text = "number\tloss\tspearman\n25\tmse\t.2\n50\tmse\t.3\nmean\tmse\t.25\n"
    mean = published.beside(two, *printed(tmp_path, text)).loc[("mean", "mse")]
    assert (mean["n_samples"], mean["n_folds"], mean["n_genes"]) == (2, 3, 50)
    assert mean["n_undefined"] == 2


def test_no_mean_of_other_cohorts(tmp_path):
    one = summary().query("cohort == 'a'")
    table = published.beside(one, *printed(tmp_path, TABLE))
    assert pd.isna(table.loc[("mean", "mse"), "measured"])
    three = pd.concat([summary(), one.assign(cohort="c")])
    table = published.beside(three, *printed(tmp_path, TABLE))
    assert table.loc[("mean", "mse"), "measured"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("cohort\tloss\ta\nb\tmse\t1\n", "has no column of a metric"),
        ("cohort\tloss\tspearman\na\tmse\thigh\n", "not a table of numbers"),
        ("\0", "has no column of a metric"),
    ],
)
def test_not_a_printed_table(tmp_path, text, sentence):
    with pytest.raises(InputError, match=sentence):
        printed(tmp_path, text)


def test_a_column_that_no_study_has(tmp_path):
    table = printed(tmp_path, "cohrt\tspearman\na\t1\n")
    with pytest.raises(InputError, match="the printed table's column 'cohrt' is none"):
        published.beside(summary(), *table)


def test_pooled_beside_within(tmp_path):
    pooled = summary().assign(
        pooled_pearson_mean=0.4, pooled_pearson_sd=0.1, pearson_mean=0.3, pearson_sd=0.1
    )
    table = published.beside(
        pooled, *printed(tmp_path, "cohort\tloss\tpooled_pearson\na\tmse\t.5\nmean\tmse\t.4\n")
    )
    assert table.loc[("a", "mse"), ["measured", "within_slides"]].tolist() == [0.4, 0.3]
    text = published.formatted(table, "{}", "{}")
    assert text["within slides"].iloc[0] == "0.300"
    table = published.beside(pooled, *printed(tmp_path, "cohort\tloss\tpearson\na\tmse\t.5\n"))
    assert table.loc[("a", "mse"), ["measured", "pooled"]].tolist() == [0.3, 0.4]
    assert "within_slides" not in table


def test_a_table_of_losses_only(tmp_path):
    one = summary().query("cohort == 'a'")
    table = published.beside(one, *printed(tmp_path, "loss\tspearman\nstrank_list\t.5\nmse\t.1\n"))
    assert list(table.index) == ["strank_list", "mse", "pearson_within"]
    assert published.notes(table) == []


def test_no_such_table():
    with pytest.raises(InputError, match="did you mean 'strank_table2'"):
        published.path_of("strank_tabel2")


@pytest.mark.parametrize("path", published.FOLDER.glob("*.tsv"), ids=lambda path: path.stem)
def test_figures_of_all_printed_tables(path):
    table, keys, metric = published.read(path)
    beside = table.rename(columns={metric: "published"}).assign(measured=0.1, sd=0.02)
    beside = beside.reindex(columns=[*keys, "published", "published_sd", "measured", "sd"])
    figure = figures.beside_published(beside, metric)
    for axis in figure.axes:  # no panel's numbers lie outside of it
        low, high = axis.get_xlim()
        assert low < 0.1 < high
        assert low < table[metric].min() <= table[metric].max() < high
    style.plt.close(figure)


def test_numbers_are_as_printed(reference):
    """A few of each table, against the transcription."""
    folder = reference / "published"
    source = pd.read_csv(folder / "strank_T2_hest_scc.tsv", sep="\t", index_col=0)
    ours = pd.read_csv(published.FOLDER / "strank_table2.tsv", sep="\t")
    ours = ours.pivot(index="loss", columns="cohort", values="spearman")
    names = ["mse", "poisson", "negative_binomial", "margin_rank", "strank_pair", "pearson",
             "strank_list"]  # fmt: skip
    assert (ours.loc[names, source.columns[:-1]].to_numpy() == source.iloc[:, :-1].to_numpy()).all()
    assert ours.loc["mse", "mean"] == source.loc["MSE", "Ave"]
    leaderboard = pd.read_csv(folder / "hest_leaderboard_030426.tsv", sep="\t")
    ours = pd.read_csv(published.FOLDER / "hest_bench.tsv", sep="\t")
    assert len(ours) == leaderboard.iloc[:, 1:].size
    assert ours["pooled_pearson"].sum() == pytest.approx(leaderboard.iloc[:, 1:].sum().sum())
    assert (ROOT / "config/published").exists()
