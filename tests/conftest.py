"""Paths that tests share, and where the real data are."""

import json
import os
import shutil
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
# processes that test share the cores: threads that wait must not spin meanwhile
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
sys.path.insert(0, str(ROOT / "workflow"))


def pytest_collection_modifyitems(items):
    """Whole runs first, the longest file before all: short tests keep both processes busy to the
    end."""
    items.sort(key=lambda item: ("unit" in item.path.parts, item.path.stem != "test_workflow"))


def need(path):
    """`path`, or skip the test, saying what is missing."""
    if not path.exists():
        pytest.skip(f"{path.name} is not here; see tests/README.md")
    return path


@pytest.fixture(scope="session")
def reference():
    """Fixtures of the published systems: values, gradients, scores."""
    return need(Path(os.environ.get("SPOTRANK_REFERENCE", SHARED / "reference")))


@pytest.fixture(scope="session")
def her2st():
    """Four real sections in HEST-1k's layout."""
    return need(Path(os.environ.get("SPOTRANK_DATA", SHARED / "data")) / "her2st")


@pytest.fixture(scope="session")
def layouts():
    """Folders of real runs, as machines' software and libraries wrote them."""
    return need(Path(os.environ.get("SPOTRANK_DATA", SHARED / "data")) / "layouts")


@pytest.fixture(scope="session")
def cohort(tmp_path_factory):
    """A small simulated cohort as a folder of files: SIM1, SIM2 of one patient, SIM3, SIM4, …"""
    from spotrank.cohorts import simulate

    folder = tmp_path_factory.mktemp("cohort")
    options = {"patients": 4, "spots": 40, "genes": 60, "seed": 1}
    table = simulate.design(**options)
    table.to_csv(folder / "HEST_v1_1_0.csv", index=False)
    for sample in table["id"]:
        simulate.write_sample(
            folder / f"st/{sample}.h5ad",
            folder / f"wsis/{sample}.tif",
            folder / f"metadata/{sample}.json",
            sample,
            **options,
        )
    return folder


@pytest.fixture
def own_cohort(cohort, tmp_path):
    """A copy of `cohort` that a test may spoil."""
    return Path(shutil.copytree(cohort, tmp_path / "cohort"))


@pytest.fixture
def study(own_cohort):
    """A config of a small study of `own_cohort`."""
    return {
        "study": "small",
        "cohorts": {"c": {"source": "local", "folder": str(own_cohort)}},
        "spots": {"min_genes": 10},
        "genes": {"number": 10},
        "losses": ["mse", "strank_list"],
        "seeds": [0, 1],
        "training": {"max_epochs": 3},
    }


@pytest.fixture
def one_thread():
    """As in the workflow: sums come out the same on every machine's share."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def two_runs(tmp_path_factory, worker_id):
    """A folder with a finished study `SMALL`, how a run ended that was started there meanwhile
    (what it printed, its exit code), and seconds; once for all processes that test."""
    from runs import SMALL, finish, snakemake, start

    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        shared = shared.parent
    folder, kept = shared / "small", shared / "small.json"
    with FileLock(shared / "small.lock"):
        if not kept.exists():
            folder.mkdir()
            begin = time.monotonic()
            run = start(folder, SMALL, "--cores", "2")
            while not list(folder.glob(".snakemake/locks/*")) and run.poll() is None:
                time.sleep(0.05)
            second = snakemake(folder, SMALL)
            printed, code = finish(run)
            assert code == 0, printed
            kept.write_text(json.dumps([*second, time.monotonic() - begin]))
    printed, code, seconds = json.loads(kept.read_text())
    return folder, (printed, code), seconds


@pytest.fixture(scope="session")
def finished(two_runs):
    """A folder with a finished study `SMALL`, for all who leave it as it is."""
    return two_runs[0]


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of `finished` that a test may spoil."""
    unlocked = shutil.ignore_patterns("locks")  # somebody may just look whether it is complete
    return Path(shutil.copytree(finished, tmp_path / "copy", ignore=unlocked))


@pytest.fixture(scope="session")
def driver():
    """Of one Chromium for all tests; only those of `browser/` need it."""
    from chromium import chromium

    with chromium() as driver:
        yield driver


@pytest.fixture(scope="session")
def page_of_study(finished):
    """Path of the page of `finished`."""
    return finished / "results/small/index.html"


@pytest.fixture
def opened(driver, page_of_study):
    """A driver that shows the page of `finished`, on a desktop."""
    from chromium import show

    show(driver, page_of_study)
    return driver
