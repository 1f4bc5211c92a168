"""Two tasks of HEST-Benchmark in its own files, end to end from a hub on loopback."""

import pandas as pd
import pytest
from bench_files import REPOSITORY, task_files, write_patches
from loopback import TOKEN, Hub
from runs import snakemake

from spotrank.cohorts import simulate

SAMPLES = ["TENX95", "NCBI783", "TENX118"]
TESTS = [SAMPLES[:1], SAMPLES[1:2]]  # the third trains in both folds
GENES = {"IDC": ["SIM007", "SIM003", "SIM011"], "SKCM": ["SIM003", "SIM005"]}
STUDY = {
    "study": "bench",
    "cohorts": {task: {"source": "hest_bench", "task": task} for task in GENES},
    "genes": {"selection": "task", "scaling": "none"},
    "split": {"strategy": "fixed", "gap_um": 0},
    "spots": {"min_genes": 1, "min_spots": 0, "max_mito": 1},
    "patches": {"source": "patches"},
    "encoders": ["stain_statistics"],
    "heads": ["hest_bench", {"head": "ridge", "name": "fair_ridge", "pca": 256, "alpha": "inner"}],
    "seeds": [0],
    "floors": [],
}


@pytest.fixture(scope="module")
def repositories(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    options = {"patients": 3, "spots": 40, "genes": 60, "seed": 1}
    table = simulate.design(**options).iloc[[0, 2, 3]]
    files = {}
    for made, name in zip(table["id"], SAMPLES, strict=True):
        st, wsi, metadata, patches = (
            folder / f"{name}.{suffix}" for suffix in ("h5ad", "tif", "json", "h5")
        )
        simulate.write_sample(st, wsi, metadata, made, **options)
        write_patches(patches, st, wsi, metadata)
        files |= {f"{task}/adata/{name}.h5ad": st for task in GENES}
        files |= {f"{task}/patches/{name}.h5": patches for task in GENES}
    for task, genes in GENES.items():
        files |= task_files(task, SAMPLES, TESTS, genes)
    table = table.assign(id=SAMPLES, patient=["a", "b", "c"]).to_csv(index=False).encode()
    old = b"id,patient,dataset_title\n"
    hest = {"HEST_v1_3_0.csv": table, "HEST_v1_1_0.csv": old}
    return {REPOSITORY: files, ("dataset", "MahmoodLab/hest"): hest}


def test_to_the_letter_and_fair_side_by_side(repositories, tmp_path):
    with Hub(repositories) as hub:
        environment = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": TOKEN}
        printed, code = snakemake(tmp_path, STUDY, "plan", env=environment)
        assert code == 0, printed
        rows = {" ".join(line.split()[:2]): line.split()[2:] for line in printed.splitlines()}
        assert [rows[f"MahmoodLab/hest-bench {kind}"][0] for kind in ("st", "patches")] == [
            "6",
            "6",
        ]
        assert hub.count("^GET /store/") == 0
        printed, code = snakemake(tmp_path, STUDY, "tables", env=environment)
        assert code == 0, printed
        # each file came once
        assert hub.count("^GET /store/") == 12
        assert hub.count("/resolve/.*IDC/splits/test_0.csv") == 1
        asked = len(hub.asked)
        printed, code = snakemake(tmp_path, STUDY, "tables", env=environment)
        assert (code, len(hub.asked)) == (0, asked), printed
    scores = pd.read_parquet(tmp_path / "results/bench/tables/scores.parquet")
    for (task, head), own in scores.groupby(["cohort", "head"]):
        assert set(own["gene"]) == set(GENES[task]), head
        tested = own.groupby("fold")["sample"].unique().map(list)
        assert tested.tolist() == TESTS
    assert set(scores["head"]) == {"hest_bench", "fair_ridge"}
    # the last is HEST-1k's table's; of TENX95 the donor is known better
    assert set(scores["patient"]) == {"TENX95/99", "b"}
    assert scores["leak"].str.contains("genes chosen with the test samples in view").all()
