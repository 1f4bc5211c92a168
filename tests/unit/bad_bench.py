"""Malformed files of HEST-Benchmark, each an edit of what came from the hub, and the sentence."""

import json
import shutil
from pathlib import Path

from bench_files import task_files

from spotrank.genes import panel
from spotrank.study.study import Study

TASK = Path("resources/hest/MahmoodLab--hest-bench@main/IDC")
SAMPLES = ["SIM1", "SIM3", "SIM4"]
CONFIG = {
    "cohorts": {"c": {"source": "hest_bench", "task": "IDC"}},
    "genes": {"selection": "task"},
    "split": {"strategy": "fixed"},
    "patches": {"source": "patches"},
}


def written(name, text):
    return lambda config: (TASK / name).write_text(text)


def genes(content):
    return written("var_50genes.json", json.dumps(content))


BENCH = {
    "split without sample_id": (
        written("splits/test_0.csv", "sample\nSIM1\n"),
        "not a split of HEST-Benchmark with the column 'sample_id' ('sample_id'); get it again",
    ),
    "split that is empty": (written("splits/train_1.csv", "sample_id\n"), "names no sample"),
    "split with a sample twice": (
        written("splits/test_1.csv", "sample_id\nSIM3\nSIM3\n"),
        "splits/test_1.csv: names a sample twice",
    ),
    "split with a sample on both sides": (
        written("splits/train_0.csv", "sample_id\nSIM1\nSIM3\nSIM4\n"),
        "test_0.csv: 'SIM1' trains in this fold, too; get the splits again",
    ),
    "split that leaves a sample out": (
        written("splits/train_1.csv", "sample_id\nSIM1\n"),
        "test_1.csv: 'SIM4' of other folds neither trains nor is tested in this one",
    ),
    "split without its other half": (
        lambda config: (TASK / "splits/train_1.csv").unlink(),
        "splits/train_1.csv: no such file",
    ),
    "sample that HEST-1k's table lacks": (
        lambda config: [
            written(f"splits/{part}.csv", f"sample_id\n{own}\n")(config)
            for part, own in {
                "test_0": "SIM9",
                "train_0": "SIM1",
                "test_1": "SIM1",
                "train_1": "SIM9",
            }.items()
        ],
        "cohorts.c: the sample 'SIM9' is not in the metadata table",
    ),
    "list of genes that is none": (genes({"gene": []}), "has no list 'genes' ('genes'); get it"),
    "list of genes that is of numbers": (genes({"genes": [1]}), "'genes' is no list of names"),
    "list of genes with one that is not measured": (
        genes({"genes": ["SIM001", "SIM01"]}),
        "the gene 'SIM01' is not measured in the sample 'SIM1'",
    ),
    "list of the task of a cohort that has none": (
        lambda config: config.update(
            cohorts={"c": {"source": "hest", "samples": SAMPLES}}, split={}
        ),
        "genes.selection is 'task', but cohorts.c comes with no list of genes; choose another",
    ),
    "slides of a cohort of patches": (
        lambda config: config["patches"].update(source="wsis"),
        "patches.source is 'wsis', but cohorts.c has patches only; set it to patches",
    ),
}


def check_bench(edit, folder, study):
    hest = Path("resources/hest/main")
    hest.mkdir(parents=True)
    shutil.copy(folder / "HEST_v1_1_0.csv", hest)
    for name, content in task_files("IDC", SAMPLES, [["SIM1"], ["SIM3"]], ["SIM001"]).items():
        path = TASK.parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    config = study | json.loads(json.dumps(CONFIG))
    edit(config)
    source = (asked := Study(config)).sources["c"]
    source.path(asked.config["patches"]["source"], "SIM1")
    measured = {"SIM1": ["SIM001", "SIM002"]}
    panel.from_file(asked.gene_list("c", "task")["file"], measured)
