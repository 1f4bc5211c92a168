"""What other tools predicted: read as it was written, in whatever form."""

from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from test_tables import scores

from spotrank.cohorts import h5ad
from spotrank.fitting import given
from spotrank.fitting.heads import GIVEN
from spotrank.report import differences, tables
from spotrank.verdicts import best
from spotrank.verdicts.compare import compare
from spotrank.verdicts.floors import is_floor
from spotrank.verdicts.slides import gather, of_slides
from spotrank.verdicts.summary import summarise

SPOTS = [f"AAAC{i}-1" for i in range(30)]
GENES = [f"G{i}" for i in range(12)] + ["HLA.A"]
WANTED = ["HLA.A", "G7", "LACKING", "G0"]
FORMS = ("dense", "csr", "csc", "float16", "integers", "index", "barcode", "named index")


def table():
    values = np.random.default_rng(0).poisson(2, (len(SPOTS), len(GENES)))
    return pd.DataFrame(values.astype(float), SPOTS, GENES)


def write(folder, form):
    own = table()
    if form in ("dense", "csr", "csc", "float16", "integers"):
        x = own.to_numpy("f4")
        x = {
            "dense": x,
            "csr": sparse.csr_matrix(x),
            "csc": sparse.csc_matrix(x),
            "float16": x.astype("f2"),
            "integers": x.astype("i4"),
        }[form]
        adata = anndata.AnnData(x, own[[]], pd.DataFrame(index=own.columns))
        adata.write_h5ad(folder / "S.h5ad")
    elif form == "barcode":
        own.rename_axis("barcode").reset_index().to_parquet(folder / "S.parquet", index=False)
    else:
        name = "spot" if form == "named index" else None
        own.rename_axis(name).to_parquet(folder / "S.parquet")
    return given.path_of(folder, "S")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same(tmp_path, monkeypatch, form):
    monkeypatch.setattr(h5ad, "BLOCK", 500)  # some rows at a time
    asked = SPOTS[20:3:-1]
    found = given.read(write(tmp_path, form), asked, WANTED)
    expected = table().reindex(columns=WANTED).loc[asked]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected.to_numpy("f4"))  # NaN of what it lacks


def test_runs_are_tools_and_rows_are_samples(tmp_path):
    paths = []
    for tool in range(2):
        for sample in "ab":
            path = tmp_path / f"{tool}{sample}.parquet"
            (table() + tool * 10 + (sample == "b")).to_parquet(path)
            paths.append(path)
    tested = SimpleNamespace(
        sample=np.array(["a", "a", "b"]), barcode=np.array([SPOTS[3], SPOTS[1], SPOTS[3]])
    )
    parts = list(given.scores(paths, tested, ["G1"]))
    assert [(run, rows.start, rows.stop) for run, rows, _ in parts] == [
        (0, 0, 2), (0, 2, 3), (1, 0, 2), (1, 2, 3),
    ]  # fmt: skip
    first = table()["G1"].iloc[[3, 1]].to_numpy()
    assert parts[0][2][:, 0] == pytest.approx(first)
    assert parts[3][2][:, 0] == pytest.approx(first[:1] + 11)


def test_the_spots_of_a_part(tmp_path):
    """Within a slide a fold tests some of its spots."""
    place = np.stack([np.arange(30.0), np.zeros(30)], 1) * 200
    adata = anndata.AnnData(
        obs=pd.DataFrame(index=SPOTS), obsm={"spatial": place}, uns={"pixel_size_um": 0.5}
    )
    shared = {"by": "blocks", "folds": 3, "fold": 1, "seed": 0}
    fold = {"train": ["S"], "validation": [], "test": ["S"], "within": shared}
    tested = given.tested(fold, 50, {"S": adata})
    assert list(tested.barcode) == SPOTS[10:20]
    assert set(tested.sample) == {"S"}


def with_tools():
    """Scores of `test_tables.scores` in which a loss is a tool's, which lacks the gene 'G'."""
    own = scores()
    tool = own["loss"] == "strank_list"
    own["mse"] = 1.0
    own.loc[tool, ["encoder", "head", "loss"]] = ["none", GIVEN, "STPath"]
    other = own[own["gene"] == "g"].assign(gene="G", spearman=0.9)
    other.loc[other["head"] == GIVEN, ["spearman", "mse"]] = np.nan
    return pd.concat([own, other], ignore_index=True)


def test_a_tool_is_compared_on_its_own_genes_and_not_ranked():
    own = with_tools()
    persons = {c: {p: p for p in rows["patient"].unique()} for c, rows in own.groupby("cohort")}
    summary = summarise(of_slides(own))
    pairs = compare(gather(lambda: [own]), summary, persons)
    row = pairs[(pairs["differ"] == "given") & (pairs["cohort"] == "a")].squeeze()
    assert (row["a"], row["b"], row["loss"]) == ("mse", "STPath", "")
    assert row["difference"] == pytest.approx(-0.2)  # as without the gene that the tool lacks
    assert row["n_genes"] == own["gene"].nunique() - 1
    ranked = best.beside(summary, of_slides(own), persons).set_index(["cohort", "loss"])
    assert ranked["p_best"].isna().all()  # of two rows one lacks a gene
    numbers, _, lacking = tables.wide(summary)
    assert list(numbers.index) == ["mse", "STPath (given)"]
    assert lacking.loc["STPath (given)", "a"].endswith("genes are lacking")
    places, _ = tables.verdicts(numbers, pairs)
    assert places.loc["STPath (given)", "a"] == 1
    found = differences.to_best(pairs)
    mine = found[(found["cohort"] == "a") & (found["differ"] == "given")].squeeze()
    # the tool has the higher mean, but over its own genes: it is set beside what is fitted
    assert (mine["encoder"], mine["head"], mine["loss"], mine["row"]) == (
        "e_1", "linear", "mse", "STPath",
    )  # fmt: skip


def test_a_gene_lacks_that_was_not_predicted_and_none_of_a_run_that_diverged():
    own = with_tools()
    own.loc[(own["loss"] == "mse") & (own["seed"] == 1), ["spearman", "mse"]] = np.nan
    summary = summarise(of_slides(own)).set_index(["cohort", "loss"])
    assert summary["n_lacking"].to_dict() == {
        ("a", "mse"): 0, ("a", "STPath"): 1, ("b", "mse"): 0, ("b", "STPath"): 1,
    }  # fmt: skip
    elsewhere = own.assign(mean_count=own["mean_count"].where(own["gene"] != "g"))
    assert summarise(of_slides(elsewhere))["n_lacking"].tolist() == [1, 2, 1, 2]


def test_the_nearest_spots_are_no_floor_where_only_they_are_fitted():
    heads = pd.DataFrame({"head": ["nearest", GIVEN]})
    assert is_floor(heads).tolist() == [False, False]
    assert is_floor(pd.DataFrame({"head": ["nearest", GIVEN, "linear"]})).tolist() == [
        True, False, False,
    ]  # fmt: skip


def test_the_most_is_reached_by_a_row_of_all_genes():
    there = with_tools().assign(ceiling_spearman=0.95, ceiling_flag="")
    there.loc[there["loss"] == "mse", "spearman"] -= 0.6
    assert all(" mse reaches " in said for said in tables.ceilings(summarise(of_slides(there))))
