"""STRank's table 2 and its strict twin, whole, on a hub on loopback; a dry run of all studies."""

import json
import os
import subprocess
import sys

import pandas as pd
import pytest
from bench_files import REPOSITORY, task_files, tasks
from conftest import ROOT, need
from loopback import Hub
from small_studies import ENCODER, repositories, run, small, studies

COHORTS = ["READ"]  # of four samples; tests/README.md tells how to run them all


@pytest.fixture(scope="module")
def table(her2st):
    """HEST-1k's real metadata table."""
    return need(her2st.parent / "HEST_v1_1_0.csv")


@pytest.fixture(scope="module")
def finished(table, tmp_path_factory):
    """A folder where both studies ran, of one cohort, the twin as far as its tables."""
    folder = tmp_path_factory.mktemp("published")
    configs = [small(name, COHORTS) for name in ("strank_table2", "strank_table2_strict")]
    with Hub(repositories(folder, configs, table), gated=("MahmoodLab/hest",)) as hub:
        for config, targets in zip(configs, ((), ("tables",)), strict=True):
            printed, code = run(folder, hub, config, *targets)
            assert code == 0, printed
            assert "GPU hours to embed" in printed
    return folder


def beside(folder, study):
    path = folder / f"results/{study}/tables/published.tsv"
    return pd.read_csv(path, sep="\t", keep_default_na=False, na_values=[""])


def test_table2(finished):
    table = beside(finished, "strank_table2")
    ours = table[table["cohort"].isin(COHORTS)].set_index(["cohort", "loss"])
    assert len(ours) == 7 * len(COHORTS)
    assert ours.loc[("READ", "strank_list"), "published"] == 0.140
    assert (ours["measured"] - ours["published"]).tolist() == pytest.approx(ours["difference"])
    assert ours["n_samples"].eq(1).all()
    assert ours["leak"].str.contains("genes chosen with the test samples in view").all()
    # of seven cohorts, which are not all there
    assert table.loc[table["cohort"] == "mean", "measured"].isna().all()
    scores = pd.read_parquet(finished / "results/strank_table2/tables/scores.parquet")
    assert set(scores["sample"]) == {"ZEN40"}
    assert set(scores["encoder"]) == {ENCODER}


def test_strict_twin(finished):
    ours = beside(finished, "strank_table2_strict").query("cohort in @COHORTS")
    assert ours["leak"].isna().all()
    assert ours["n_samples"].eq(4).all()
    assert ours["n_seeds"].eq(5).all()
    assert set(ours.loc[ours["published"].isna(), "loss"]) == {"pearson_within"}
    scores = pd.read_parquet(finished / "results/strank_table2_strict/tables/scores.parquet")
    folds = scores.groupby(["cohort", "fold"])["patient"].nunique()
    assert folds.eq(1).all()
    # READ's folds have two slides: pooled is another figure than within
    assert (scores["pooled_pearson"] - scores["pearson"]).abs().max() > 0.01


def test_every_form_names_its_provenance(finished):
    folder = finished / "results/strank_table2"
    known = json.loads((folder / "provenance.json").read_text())
    for form in ("tsv", "md", "tex", "html"):
        assert known["id"] in (folder / f"tables/published.{form}").read_text()
    assert (folder / "figures/published.png").stat().st_size > 10_000
    assert "beside the published numbers" in (folder / "report.html").read_text()
    sample = known["inputs"]["resources/hest/main/st/ZEN40.h5ad"]
    assert len(sample["sha256"]) == 64
    assert len(known["encoders"][ENCODER]["weights_sha256"]) == 64


def plan_all(folder, endpoint):
    return subprocess.run(
        [sys.executable, ROOT / "workflow/published.py"],
        cwd=folder,
        env=os.environ | {"HF_ENDPOINT": endpoint},
        capture_output=True,
        text=True,
    )


def test_dry_run_of_all(table, tmp_path):
    """The hub is asked for the table once for all plans, and for splits and genes of tasks."""
    bench, cohorts = {}, small("hest_bench")["cohorts"]
    for task in cohorts:
        known = tasks()[task]
        bench |= task_files(task, known["samples"], known["test"], ["GAPDH"])
    with Hub({("dataset", "MahmoodLab/hest"): {table.name: table}, REPOSITORY: bench}) as hub:
        done = plan_all(tmp_path, hub.url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert hub.count("GET .*/hest/resolve/") == 1
    assert hub.count("GET .*/resolve/") == 1 + len(bench)
    assert hub.count("POST") == 1 + len(cohorts) * 2
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.strip()}
    assert set(rows) >= set(studies())
    assert rows["hest_bench"][:4] == ["70", "304", "306", "1198"]
    assert float(rows["strank_table2"][-1]) > 0


def test_dry_run_without_hub_or_table(tmp_path):
    done = plan_all(tmp_path, "http://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("http://127.0.0.1:9 can't be reached")
    assert done.stderr.count("\n") == 1
