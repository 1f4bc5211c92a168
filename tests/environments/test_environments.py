"""Each rule in its own environment, with nothing else in sight."""

import os
import re
import subprocess

import conda
import pytest
import yaml
from conftest import ROOT
from packaging.utils import canonicalize_name
from runs import SMALL, snakemake

FILES = {path.stem: path for path in sorted((ROOT / "envs").glob("*.yaml"))}
STUDY = SMALL | {
    "genes": {"number": 10, "selection": "dispersion"},
    "encoders": [{"model": "test_resnet", "weights": "random", "name": "tiny"}],
    "seeds": [0],
}


@pytest.mark.parametrize("name", FILES)
def test_an_environment_is_pinned_as_the_lock_is(name):
    lock = dict(
        line.split("==")
        for line in (ROOT / "envs/requirements.lock").read_text().split("\n")
        if "==" in line
    )
    lock = {canonicalize_name(package): version for package, version in lock.items()}
    pins = conda.packages(FILES[name])
    assert pins == {package: lock.get(package) for package in pins}
    assert yaml.safe_load(FILES[name].read_text())["channels"] == ["conda-forge", "nodefaults"]


def test_every_environment_has_a_rule():
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    assert set(re.findall(r"envs/(\w+)\.yaml", rules)) == set(FILES)


def test_what_an_environment_lacks_is_out_of_sight(tmp_path):
    conda.create(FILES["data"], tmp_path)
    python = tmp_path / "bin/python"
    script = f"import sys; sys.path.append({conda.DRIVER!r}); import scanpy, snakemake; import "
    for package, code in (("anndata", 0), ("torch", 1), ("tabulate", 1)):
        run = subprocess.run([python, "-c", script + package], capture_output=True, text=True)
        assert run.returncode == code, run.stderr


def test_each_rule_runs_in_its_environment(tmp_path):
    conda.install(tmp_path)
    env = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    printed, code = snakemake(tmp_path, STUDY, "--sdm", "conda", env=env)
    assert code == 0, printed
    assert printed.count("Activating conda environment") > 10
    assert (tmp_path / "results/small/report.html").stat().st_size > 10_000
