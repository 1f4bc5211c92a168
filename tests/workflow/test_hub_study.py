"""A study of HEST-1k and two encoders, end to end through the real client and a loopback hub."""

import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import timm
import yaml
from conftest import ROOT
from loopback import TOKEN, Fault, Hub, of_folder
from safetensors.torch import save_file

from spotrank.cohorts import simulate
from spotrank.encoders import registry

HEST = ("dataset", "MahmoodLab/hest")
STUDY = {
    "study": "hub",
    "cohorts": {"skcm": {"source": "hest", "samples": "HEST-Benchmark/SKCM"}},
    "spots": {"min_genes": 10},
    "genes": {"number": 10},
    "split": {"strategy": "fixed"},
    "encoders": ["resnet18", "kaiko_vits16"],
    "losses": ["mse", "strank_list"],
    "seeds": [0, 1],
    "floors": [],
    "training": {"max_epochs": 3},
}


@pytest.fixture(scope="module")
def repositories(tmp_path_factory):
    """HEST-1k with the two samples of a task and one more, and checkpoints of two encoders."""
    folder = tmp_path_factory.mktemp("hest")
    options = {"patients": 3, "spots": 40, "genes": 60, "seed": 1}
    table = simulate.design(**options).iloc[[0, 1, 3]]
    names = dict(zip(table["id"], ["TENX115", "TENX117", "TENX95"], strict=True))
    for made, name in names.items():
        paths = [f"st/{name}.h5ad", f"wsis/{name}.tif", f"metadata/{name}.json"]
        simulate.write_sample(*[folder / path for path in paths], made, **options)
    table = table.assign(id=table["id"].map(names), patient=["a", "b", "c"])
    table.to_csv(folder / "HEST_v1_1_0.csv", index=False)
    with (folder / "wsis/TENX115.tif").open("ab") as slide:  # which a TIFF may end with
        slide.write(bytes(16 << 20))
    found = {HEST: of_folder(folder)}
    for name in STUDY["encoders"]:
        row, weights = registry.rows()[name], folder / f"{name}.safetensors"
        save_file(timm.create_model(row["model"]).state_dict(), weights)
        found["model", row["repo"]] = {"model.safetensors": weights}
    return found


@pytest.fixture
def hub(repositories):
    with Hub(repositories, gated=("MahmoodLab/hest",)) as server:
        yield server


def start(folder, hub, *options, token=TOKEN, endpoint=None):
    """Start the workflow in `folder` with a hub and a home of its own."""
    folder.mkdir(exist_ok=True)
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "workflow/Snakefile"]
    command += [*options, "--cores", "2", "--directory", folder]
    command += ["--configfile", folder / "study.yaml"]
    environment = os.environ | {"HF_ENDPOINT": endpoint or hub.url, "HF_HOME": str(folder / "home")}
    environment.pop("HF_TOKEN", None)
    if token:
        environment["HF_TOKEN"] = token
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(*arguments, **options):
    """What the workflow printed, and its exit code."""
    process = start(*arguments, **options)
    printed, _ = process.communicate()
    return printed, process.returncode


def killed(folder, hub, when):
    """Start the workflow, and kill it with all its jobs as soon as `when()`."""
    process = start(folder, hub, "tables")
    while not when() and process.poll() is None:
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()[0]
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    printed, code = run(folder, hub, "--unlock")
    assert code == 0, printed


def scores(folder):
    return pd.read_parquet(folder / "results/hub/tables/scores.parquet")


def test_killed_twice_and_finished(hub, tmp_path):
    calm, folder = tmp_path / "calm", tmp_path / "killed"
    printed, code = run(calm, hub, "tables")
    assert code == 0, printed
    # only what the study names was asked for, once
    for name in ("st/TENX115.h5ad", "wsis/TENX117.tif", "metadata/TENX115.json"):
        assert hub.count(f"/resolve/.*{name}") == 1
    assert hub.count("/resolve/.*TENX95") == 0

    hub.asked.clear()
    hub.faults.append(Fault("wsis/TENX115.tif", rate=5e6))
    part = folder / "resources/hest/main/wsis/.part-TENX115.tif"
    killed(folder, hub, lambda: part.exists() and part.stat().st_size)
    embeddings = folder / "results/embeddings/skcm"
    killed(folder, hub, lambda: any(embeddings.rglob("*.h5")))
    printed, code = run(folder, hub, "tables")
    assert code == 0, printed
    assert hub.count("/store/.*TENX115.tif bytes=[1-9]") == 1
    pd.testing.assert_frame_equal(scores(folder), scores(calm), check_exact=True)
    assert set(scores(calm)["encoder"]) == set(STUDY["encoders"])
    assert not list((folder / "resources").rglob(".part-*"))

    token = TOKEN.encode()
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or token not in path.read_bytes(), path


def test_plan_doctor_and_dry_run(hub, tmp_path):
    printed, code = run(tmp_path, hub, "plan")
    assert code == 0, printed
    rows = {line.rpartition("  ")[0].split("  ")[0]: line.split() for line in printed.splitlines()}
    large = sum(hub.repositories[HEST][f"wsis/{name}.tif"].stat().st_size for name in
                ("TENX115", "TENX117")) / 1e9  # fmt: skip
    assert rows["MahmoodLab/hest wsis"][2:] == ["2", f"{large:.3f}", "2", f"{large:.3f}"]
    assert rows["weights of resnet18"][3:] == ["1", "0.047", "1", "0.047"]
    assert hub.count("^GET /store/.*(wsis|st)/") == 0

    printed, code = run(tmp_path, hub, "doctor", token=None)
    assert code == 0, printed
    line = next(line for line in printed.splitlines() if line.startswith("kaiko_vits16"))
    for word in ("granted", "to download", "0.088", "fp32", "0.5 / 0.5", "kaiko non-commercial"):
        assert word in line

    away = {"token": None, "endpoint": "http://127.0.0.1:9"}
    printed, code = run(tmp_path, hub, "doctor", "-q", "host", "progress", **away)
    assert code == 1
    assert "unknown" in printed
    assert "granted" not in printed
    assert printed.count("2 times; check the network") == 1

    printed, code = run(tmp_path, hub, "--dry-run", **away)
    assert code == 0, printed
    assert "fetch_weights" in printed


@pytest.mark.parametrize(
    ("token", "granted", "sentence"),
    [
        (None, True, "MahmoodLab/hest is gated and there is no token: accept its terms at"),
        (TOKEN, False, "MahmoodLab/hest is gated and your token's account has no access to it"),
    ],
)
def test_no_access_is_one_sentence(hub, tmp_path, token, granted, sentence):
    hub.granted = granted
    printed, code = run(tmp_path, hub, token=token)
    assert code == 1
    assert sentence in printed
    assert "Traceback" not in printed
    assert not (tmp_path / "results").exists()
