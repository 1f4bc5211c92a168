"""Published tasks and queries on HEST-1k's real metadata table."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from bench_files import REPOSITORY, task_files, tasks
from conftest import ROOT, need

from spotrank.base.store import InputError
from spotrank.cohorts import fetch
from spotrank.cohorts.sources import table
from spotrank.study import cost
from spotrank.study.files import Files
from spotrank.study.study import Study

TASKS = [
    f"{study}/{task}"
    for study, tasks in yaml.safe_load(table.TASKS.read_text()).items()
    for task in tasks
]


@pytest.fixture
def hest(her2st, tmp_path, monkeypatch):
    """A folder where the table was fetched before: what follows needs no network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    (tmp_path / "resources/hest/main").mkdir(parents=True)
    table = need(her2st.parent / "HEST_v1_1_0.csv")
    return shutil.copy(table, tmp_path / "resources/hest/main")


def study(samples, strategy="leave_one_patient_out", **more):
    cohorts = {"c": {"source": "hest", "samples": samples}}
    return Study({"study": "x", "cohorts": cohorts, "split": {"strategy": strategy}} | more)


@pytest.mark.parametrize("task", TASKS)
def test_tasks(hest, task):
    published = table.task(task, "samples")
    if "test" not in published:
        with pytest.raises(InputError, match=r"needs split.ids with a 'test', or a task that has"):
            study(task, "fixed", genes={"selection": "variance"})
        return
    found = study(task, "fixed")
    folds = found.plans["c", "fixed"]
    assert [fold["test"] for fold in folds] == published["test"]
    for fold in folds:
        assert fold["validation"] == published.get("validation", fold["validation"])
        parts = fold["train"] + fold["validation"] + fold["test"]
        assert sorted(parts) == sorted(found.samples["c"].index)


def test_folds_of_the_benchmark_are_as_published(hest, reference):
    folds = pd.read_csv(reference / "published/hest_bench_folds.tsv", sep="\t")
    for task, rows in folds.groupby("task"):
        tests = [ids.split(",") for ids in rows["test_samples"]]
        assert table.task(f"HEST-Benchmark/{task}", "samples")["test"] == tests


def test_query(hest):
    table = pd.read_csv(hest, dtype=str, encoding="utf-8-sig").set_index("id")
    found = study({"oncotree_code": "IDC", "st_technology": ["Visium", "Xenium"]})
    wanted = table.query("oncotree_code == 'IDC' and st_technology in ['Visium', 'Xenium']")
    assert set(found.samples["c"].index) == set(wanted.index)
    assert {Path(path).stem for path in found.hub_files["main"]["st"]} == set(wanted.index)


def test_sections_under_two_ids_are_one(hest):
    """Those of ST-Net that HER2ST has again, though the table gives them other patients."""
    ids = [f"SPA{i}" for i in (*range(93, 105), *range(119, 131))]
    found = study(ids)
    assert len(found.plans["c", "leave_one_patient_out"]) == 4
    assert not any(found.leak(**_of_leak(cell)) for cell in found.cells)
    (said,) = found.remarks
    assert "SPA93 = SPA119" in said
    assert said.count(" = ") == 12
    parted = study(ids, "fixed", split={"strategy": "fixed", "ids": {"c": {"test": ids[:12]}}})
    (leak,) = {parted.leak(**_of_leak(cell)) for cell in parted.cells}
    assert "SPA102 and SPA128 are one section" in leak


@pytest.mark.parametrize(
    ("samples", "sentence"),
    [
        ("STRank/IDX", r"cohorts.c.samples has no choice 'STRank/IDX', did you mean 'STRank/IDC'"),
        (["TENX95", "TENX9999"], "'TENX9999' is not in the metadata table, did you mean 'TENX"),
        ({"oncotree_code": "none"}, "finds no sample"),
        ({"organs": "Breast"}, "no column of the metadata table, did you mean 'organ'"),
    ],
)
def test_bad_samples(hest, samples, sentence):
    with pytest.raises(InputError, match=sentence):
        study(samples)


def test_only_what_is_needed(hest):
    assert list(study("STRank/IDC").hub_files["main"]) == ["st", "metadata", "wsis"]
    patches = study("STRank/IDC", patches={"source": "patches"})
    assert list(patches.hub_files["main"]) == ["st", "metadata", "patches"]
    assert Files(patches).path("c", "patches", "TENX95") == "resources/hest/main/patches/TENX95.h5"


PUBLISHED = {  # encoders × heads × strategies, panels, and folds of each cohort and split
    "agl_inter_batch": (4, 1, [4]),
    "agl_inter_batch_strict": (4, 1, [4]),
    "agl_intra_batch": (4, 1, [5, 5, 5]),
    "agl_intra_batch_strict": (4, 1, [5, 5, 5]),
    "agl_number_of_genes": (3, 4, [5]),
    "agl_number_of_genes_strict": (3, 4, [5]),
    "hest_bench": (68, 1, [4, 2, 3, 2, 2, 2, 6, 2, 4]),
    "hest_bench_strict": (34, 1, [3, 2, 3, 2, 4, 2, 24, 2, 4]),
    "strank_coad_visium": (1, 4, [5]),
    "strank_coad_visium_strict": (1, 4, [5]),
    "strank_her2st": (1, 5, [1]),
    "strank_her2st_strict": (1, 5, [8]),
    "strank_histogene": (1, 1, [1]),
    "strank_histogene_strict": (1, 1, [8]),
    "strank_sampling": (3, 2, [1]),
    "strank_sampling_strict": (3, 2, [8]),
    "strank_table2": (1, 1, [1, 1, 1, 1, 1, 1, 1]),
    "strank_table2_strict": (1, 1, [3, 2, 3, 4, 2, 24, 4]),
}
SYNTHETIC = {"strank_synthetic", "strank_synthetic_paper"}  # no cohorts, no folds


def test_every_published_study_is_tested():
    found = {path.stem for path in (ROOT / "config/published").glob("*.yaml")}
    assert found == SYNTHETIC | set(PUBLISHED)


@pytest.mark.parametrize("name", sorted(SYNTHETIC))
def test_synthetic_study(name):
    found = Study(yaml.safe_load((ROOT / f"config/published/{name}.yaml").read_text()))
    # STRank's seven losses and the fair Pearson, and lists of 2 to 256 spots
    assert len(found.losses) == 8
    sizes = [size for _, size, _, _ in found.synthetic_losses if size]
    assert sizes == [2**k for k in range(1, 9)]
    assert found.plans == {}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_study(hest, name):
    for task, known in tasks().items():
        for path, content in task_files(task, known["samples"], known["test"], ["GAPDH"]).items():
            own = fetch.HEST / fetch.home(REPOSITORY[1], "main") / path
            own.parent.mkdir(parents=True, exist_ok=True)
            own.write_bytes(content)
    found = Study(yaml.safe_load((ROOT / f"config/published/{name}.yaml").read_text()))
    folds = [len(plan) for plan in found.plans.values()]
    assert (len(found.fits), len(found.panels), folds) == PUBLISHED[name]
    if name.endswith("_strict"):
        assert {panel["samples"] for panel in found.panels.values()} == {"train"}
        if "spatial_blocks" not in found.config["split"]["strategy"]:
            assert not any(found.leak(**_of_leak(cell)) for cell in found.cells)
    assert "GPU hours to embed" in cost.in_words(found)


def _of_leak(cell):
    keys = ("cohort", "fold", "panel", "encoder", "head")
    return {"strategy": cell["split"]} | {key: cell[key] for key in keys}


def test_strict_twins_ask_the_same():
    for name in PUBLISHED:
        if name.endswith("_strict"):
            twin, strict = (
                yaml.safe_load((ROOT / f"config/published/{study}.yaml").read_text())
                for study in (name.removesuffix("_strict"), name)
            )
            keys = {"cohorts", "encoders", "heads", "training", "auxiliary", "patches", "spots"}
            if (
                name == "hest_bench_strict"
            ):  # its twin has the benchmark's own files, and a fair ridge
                keys -= {"cohorts", "heads"}
            for key in keys:
                assert twin.get(key) == strict.get(key), (name, key)
            assert all(loss in strict["losses"] for loss in twin.get("losses", []))
            assert twin["report"] == strict["report"]
