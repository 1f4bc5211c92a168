"""A whole synthetic study, and one beside a cohort."""

import json

import pandas as pd
import pyarrow.parquet as pq
import pytest
from runs import SMALL, snakemake
from test_workflow import jobs

SYNTHETIC = {
    "study": "synthetic",
    "synthetic": {"epochs": 2, "spots": 300, "list_sizes": [2], "thinning": [1, 0.5]},
    "losses": ["mse", "strank_list"],
    "seeds": [0, 1],
}


def test_study_without_cohorts(tmp_path):
    printed, code = snakemake(tmp_path, SYNTHETIC)
    assert code == 0, printed
    results = tmp_path / "results/synthetic"
    scores = pd.read_parquet(results / "tables/synthetic.parquet")
    keys = ["sampling", "loss", "list_size", "thinning"]
    # 2 samplings, 2 thinnings, mse, whole lists and lists of 2, 4 functions, 2 seeds
    assert len(scores) == 2 * 2 * 3 * 4 * 2
    assert not scores.duplicated([*keys, "function", "seed"]).any()
    assert scores["epoch"].isin([1, 2]).all()
    summary = pd.read_csv(results / "tables/synthetic.tsv", sep="\t").set_index(keys)
    assert len(summary) == 12
    mine = scores[(scores["sampling"] == "imbalanced") & (scores["thinning"] == 0.5)]
    mine = mine[(mine["loss"] == "strank_list") & (mine["list_size"] == 2)]
    seeds = mine.groupby("seed")["spearman"].mean()
    row = summary.loc["imbalanced", "strank_list", 2, 0.5]
    assert row["spearman_mean"] == pytest.approx(seeds.mean())
    assert row["spearman_sd"] == pytest.approx(seeds.std())
    assert row["n_seeds"] == 2
    known = json.loads((results / "provenance.json").read_text())
    assert known["jobs"] == {"synthetic": 4}
    metadata = pq.read_schema(results / "tables/synthetic.parquet").metadata
    assert metadata[b"provenance"].decode() == known["id"]
    beside = pd.read_csv(results / "tables/strank_table3.tsv", sep="\t").set_index(keys[:1])
    assert known["id"] in beside["provenance"].unique()
    uniform = beside.loc["uniform"].query("list_size == 2 and thinning == 1")
    assert uniform["published"].item() == 0.907
    wanted = summary.loc["uniform", "strank_list", 2, 1.0]["spearman_mean"]
    assert uniform["measured"].item() == pytest.approx(wanted)
    assert known["id"] in (results / "tables/strank_table1.md").read_text()
    assert (results / "report.html").exists()
    for figure in ("synthetic", "synthetic_curves"):
        assert (results / f"figures/{figure}.png").stat().st_size > 10_000
    assert not list(tmp_path.rglob(".part-*"))


def test_study_beside_a_cohort(tmp_path):
    printed, code = snakemake(tmp_path, SMALL | SYNTHETIC, "--dry-run")
    assert code == 0, printed
    found = jobs(printed)
    assert (found["synthetic"], found["synthetic_tables"], found["fit"]) == (4, 1, 2)
