"""Tables that are refused or have marked holes, and what is known of where numbers come from."""

import json
import os
import shutil

import pandas as pd
import pyarrow.parquet as pq
import pytest
from runs import snakemake

from spotrank.base import provenance

SCORES = "results/small/scores/c/leave_one_patient_out/stain_statistics/variance-10/linear/none"


@pytest.fixture(scope="module")
def made(tmp_path_factory, cohort):
    """A finished study of four patients, its folder within the user's home, a token about."""
    home = tmp_path_factory.mktemp("ann")
    folder = home / "study"
    folder.mkdir()
    shutil.copytree(cohort, home / "cohort")
    samples = pd.read_csv(cohort / "HEST_v1_1_0.csv")["id"].tolist()
    every = "\t".join(f"SIM{i:03d}" for i in range(60))
    (home / "sets.gmt").write_text(f"ALL\thttp://x\t{every}\nOTHER\t\tEPCAM\tCD4\n")
    config = {
        "study": "small",
        "cohorts": {"c": {"source": "local", "folder": str(home / "cohort"), "samples": samples}},
        "spots": {"min_genes": 10},
        "genes": {"number": 10, "sets": "../sets.gmt"},
        "losses": ["mse", "strank_list"],
        "seeds": [0],
        "training": {"max_epochs": 3},
        "floors": [],  # which are cells as all others
        "report": {"maps": 0},
    }
    environment = {"HOME": str(home), "HF_TOKEN": "hf_secret"}
    printed, code = snakemake(folder, config, "tables", env=environment)
    assert code == 0, printed
    return home, config


@pytest.fixture
def copy(made, tmp_path):
    """A copy of the finished study, and its config."""
    home, config = made
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    config = json.loads(json.dumps(config).replace(str(home), str(tmp_path)))
    return tmp_path / "study", config


def test_provenance_tells_everything_but_secrets(made):
    home, _ = made
    folder = home / "study"
    text = (folder / "results/small/provenance.json").read_text()
    assert str(home) not in text
    assert "hf_secret" not in text
    known = json.loads(text)
    assert known["config"]["cohorts"]["c"]["folder"] == "~/cohort"
    assert known["seeds"] == [0]
    slide = known["inputs"]["~/cohort/wsis/SIM1.tif"]
    assert slide["bytes"] == (home / "cohort/wsis/SIM1.tif").stat().st_size
    assert slide["sha256"] == provenance.stamp(home / "cohort/wsis/SIM1.tif")["sha256"]
    n = len(list(home.glob("cohort/st/*.h5ad")))
    jobs = {"ceiling": n, "embed": n, "fit": 4, "pair": n, "panel": 4, "score": 4}
    assert known["jobs"] == jobs
    assert known["versions"]["fit torch"]
    assert known["encoders"]["stain_statistics"]["numbers"] == 1
    for path in (folder / "results/small/tables").iterdir():
        if path.suffix == ".parquet":
            assert pq.read_schema(path).metadata[b"provenance"].decode() == known["id"]
        else:
            name = "results/small/provenance.json" if path.stem == "splits" else known["id"]
            assert name in path.read_text(), path


def test_gene_sets_have_a_table(made):
    table = pd.read_csv(made[0] / "study/results/small/tables/sets.tsv", sep="\t")
    assert sorted(zip(table["loss"], table["set"], strict=True)) == [
        (loss, name) for loss in ("mse", "strank_list") for name in ("ALL", "OTHER")
    ]
    table = table.groupby("set").first()
    assert table.loc["ALL", ["n_in_set", "n_genes", "n_folds"]].tolist() == [60, 10, 4]
    assert table["spearman_mean"].isna().to_dict() == {"ALL": False, "OTHER": True}
    assert table.loc["OTHER", "n_undefined"] == len(pd.read_csv(made[0] / "cohort/HEST_v1_1_0.csv"))
    log = next((made[0] / "study/logs/small/score").rglob("fold0.log")).read_text()
    assert "OTHER: without a score, for fewer than two of its genes are in the panel" in log


def test_tables_need_scores_only(copy):
    """Without slides, counts, embeddings and fits, the same tables again."""
    folder, config = copy
    tables = folder / "results/small/tables"
    before = {path.name: path.read_bytes() for path in tables.iterdir()}
    for name in ("cohort/st", "cohort/wsis", "cohort/metadata"):
        shutil.rmtree(folder.parent / name)
    for name in ("spots", "embeddings", "small/fits", "small/panels", "small/tables"):
        shutil.rmtree(folder / "results" / name)
    printed, code = run(folder, config)
    assert code == 0, printed
    assert {path.name: path.read_bytes() for path in tables.iterdir()} == before


def run(folder, config, *options):
    return snakemake(folder, config, "tables", *options, env={"HOME": str(folder.parent)})


def refused(folder, config):
    """What is printed of tables that are refused where Snakemake is told to see times only."""
    (folder / "results/small/tables/summary.tsv").unlink(missing_ok=True)
    printed, code = run(folder, config, "--rerun-triggers", "mtime")
    assert code == 1
    assert "Traceback" not in printed
    assert not (folder / "results/small/tables/summary.tsv").exists()
    return printed


def test_stale_cells_are_refused(copy):
    folder, config = copy
    printed = refused(folder, config | {"training": {"max_epochs": 4}})
    assert "4 of the tables' cells can't be trusted" in printed
    assert f"{SCORES}/fold0/scores.parquet is stale: fit head changed" in printed

    counts = folder.parent / "cohort/st/SIM1.h5ad"
    with counts.open("ab") as file:
        file.write(b"\0")
    os.utime(counts, (0, 0))
    assert "is stale: ~/cohort/st/SIM1.h5ad changed" in refused(folder, config)


def test_other_gene_sets_are_noticed(copy):
    folder, config = copy
    sets = folder.parent / "sets.gmt"
    sets.write_text(sets.read_text().replace("SIM003\t", ""))
    os.utime(sets, (0, 0))
    printed = refused(folder, config)
    assert "fold0/scores.parquet is stale: score sets, ../sets.gmt changed" in printed


def test_scores_without_those_of_gene_sets_are_a_hole(copy):
    folder, config = copy
    (folder / SCORES / "fold0/sets.parquet").unlink()
    config["report"]["holes"] = "mark"
    printed, code = run(folder, config)
    assert code == 0, printed
    for name in ("sets", "summary"):
        table = pd.read_csv(folder / f"results/small/tables/{name}.tsv", sep="\t")
        assert (table["n_folds"] == 3).all()


def test_other_data_in_the_config_are_noticed(copy):
    """Where holes are marked, too: nothing is made there, and the old data still stand."""
    folder, config = copy
    shutil.copytree(folder.parent / "cohort", folder.parent / "other")
    config["cohorts"]["c"]["folder"] = str(folder.parent / "other")
    config["report"]["holes"] = "mark"
    printed, code = run(folder, config)
    assert code == 1
    assert "none of 4 cells can be used" in printed
    assert "fold0/scores.parquet is stale: fit cohort changed" in printed


def test_marked_tables_are_made_anew_where_data_change(copy):
    folder, config = copy
    config["report"]["holes"] = "mark"
    assert run(folder, config)[1] == 0
    assert "Nothing to be done" in run(folder, config)[0]
    with (folder.parent / "cohort/wsis/SIM1.tif").open("ab") as file:
        file.write(b"\0")
    printed, code = run(folder, config)
    assert "~/cohort/wsis/SIM1.tif changed" in printed
    assert code == 1


def change_record(path, change):
    table = pq.read_table(path)
    record = provenance.of_scores(path)
    change(record)
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({provenance.KEY: json.dumps(record)})


def test_mixed_versions_are_refused_and_marked(copy):
    folder, config = copy
    path = folder / SCORES / "fold1/scores.parquet"
    change_record(path, lambda record: record["versions"].update({"fit torch": "1.0"}))
    printed = refused(folder, config)
    assert "1 of the tables' cells can't be trusted" in printed
    assert "fold1/scores.parquet is of other versions than most: fit torch 1.0" in printed

    (folder / SCORES / "fold2/scores.parquet").unlink()
    config["report"]["holes"] = "mark"
    shutil.rmtree(folder / "results/spots")
    printed, code = snakemake(folder, config, env={"HOME": str(folder.parent)})  # all, not tables
    assert code == 0, printed
    summary = pd.read_csv(folder / "results/small/tables/summary.tsv", sep="\t")
    assert summary["holes"].tolist() == ["2 of 4 folds"] * 2
    assert summary["n_folds"].tolist() == [2, 2]
    table = (folder / "results/small/tables/losses.md").read_text()
    assert "‡ c: 2 of 4 folds." in table
    known = json.loads((folder / "results/small/provenance.json").read_text())
    assert len(known["holes"]) == 2
    assert known["holes"][f"{SCORES}/fold2/scores.parquet"] == "is missing"
    assert (folder / "results/small/report.html").exists()
    assert not (folder / "results/spots").exists()
