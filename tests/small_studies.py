"""Published studies against a hub on loopback: the tasks' ids, small samples, few epochs.

`python tests/small_studies.py [STUDY ...]` runs them whole, one after the other in one folder, and
prints where their tables are; all of them by default.
"""

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

import pandas as pd
import timm
import yaml
from bench_files import REPOSITORY, task_files, tasks, write_patches
from conftest import ROOT
from loopback import TOKEN, Hub, of_folder
from runs import snakemake
from safetensors.torch import save_file

from spotrank.cohorts import fetch, simulate
from spotrank.cohorts.sources import table as tables
from spotrank.cohorts.sources.registry import Hest
from spotrank.encoders import registry

CONFIGS = ROOT / "config/published"
SMALL = {"patients": 3, "spots": 40, "genes": 1500, "seed": 1}
ENCODER = "resnet18"
HOME = {"repository": fetch.REPOSITORY, "revision": "main"}


def studies():
    """Names of the published studies that have cohorts."""
    configs = {path.stem: yaml.safe_load(path.read_text()) for path in CONFIGS.glob("*.yaml")}
    return sorted(name for name, config in configs.items() if "cohorts" in config)


def small(name, cohorts=None):
    """A published config, of all or some `cohorts`, what needs a GPU or more genes cut down."""
    config = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    config["cohorts"] = {key: config["cohorts"][key] for key in cohorts or config["cohorts"]}
    if "pixels" in config["encoders"]:
        tiny = {"width": 32, "layers": 1, "heads": 2}
        config["heads"] = [{"head": "histogene", "name": "histogene", **tiny}]
    else:
        config["encoders"] = [ENCODER]
    if "finetune" in config.get("heads", []):
        config["seeds"] = config["seeds"][:2]
    config["heads"] = [
        {"head": "finetune", "name": "finetune", "training": {"batch_size": 16}}
        if head == "finetune"
        else head
        for head in config.get("heads", ["linear"])
    ]
    numbers = config["genes"].get("number")
    if isinstance(numbers, list):
        config["genes"]["number"] = [n for n in numbers if n == "all" or n <= 250]
    config["training"] = config.get("training", {}) | {"max_epochs": 2}
    return config


def repositories(folder, configs, table):
    """HEST-1k with the samples of `configs`, and the encoder's checkpoint, for `loopback.Hub`.

    table: HEST-1k's real metadata table, whose rows of these samples are served: patients and
    queries are as they are. The samples' files are those of a few simulated ones.
    """
    rows = tables.read_table(table)
    wanted = {
        sample
        for config in configs
        for name, cohort in config["cohorts"].items()
        for sample in (
            tasks()[cohort["task"]]["samples"]
            if cohort["source"] == "hest_bench"
            else Hest(name, HOME | cohort).chosen(rows.set_index("id"))
        )
    }
    rows = rows[rows["id"].isin(wanted)]
    blocks = any(
        "spatial_blocks" in config.get("split", {}).get("strategy", ()) for config in configs
    )
    options = SMALL | {"spots": 60} if blocks else SMALL  # of 40 hardly one validates
    made = simulate.design(**options)["id"].tolist()
    for sample in made:
        st, wsi, metadata = (
            folder / f"made/{sample}.{suffix}" for suffix in ("h5ad", "tif", "json")
        )
        simulate.write_sample(st, wsi, metadata, sample, **options)
        write_patches(folder / f"made/{sample}.h5", st, wsi, metadata)
    served = folder / "served"
    for i, sample in enumerate(rows["id"]):
        for kind, suffix in (("st", "h5ad"), ("metadata", "json"), ("patches", "h5")):
            (served / kind).mkdir(parents=True, exist_ok=True)
            os.link(
                folder / f"made/{made[i % len(made)]}.{suffix}",
                served / f"{kind}/{sample}.{suffix}",
            )
    genes = simulate.cohort_genes(options["genes"], options["seed"]).index[:50]
    bench = {}
    for task, known in tasks().items():
        bench |= task_files(task, known["samples"], known["test"], genes)
        for sample in wanted & {*known["samples"]}:
            bench[f"{task}/adata/{sample}.h5ad"] = served / f"st/{sample}.h5ad"
            bench[f"{task}/patches/{sample}.h5"] = served / f"patches/{sample}.h5"
    rows.to_csv(served / "HEST_v1_1_0.csv", index=False)
    row, weights = registry.rows()[ENCODER], folder / "weights.safetensors"
    save_file(timm.create_model(row["model"]).state_dict(), weights)
    return {
        ("dataset", "MahmoodLab/hest"): of_folder(served),
        REPOSITORY: bench,
        ("model", row["repo"]): {"model.safetensors": weights},
    }


def run(folder, hub, config, *options):
    """Run a study in `folder` on `hub`; what was printed, and the exit code."""
    environment = {"HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "home"), "HF_TOKEN": TOKEN}
    return snakemake(folder, config, *options, env=environment)


def main(names):
    table = Path(os.environ.get("SPOTRANK_DATA", ROOT.parent / "shared/data")) / "HEST_v1_1_0.csv"
    folder = Path(tempfile.mkdtemp(prefix="published"))
    configs = {name: small(name) for name in names or studies()}
    with Hub(repositories(folder, configs.values(), table), gated=("MahmoodLab/hest",)) as hub:
        for name, config in configs.items():
            printed, code = run(folder, hub, config)
            (folder / f"{name}.log").write_text(printed)
            tables = folder / f"results/{name}/tables"
            n = len(pd.read_csv(tables / "summary.tsv", sep="\t")) if code == 0 else 0
            print(f"{name}: exit code {code}, {n} rows, {tables}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
