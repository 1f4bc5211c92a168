"""Runs of the workflow, as users start them."""

import os
import subprocess
import sys

import yaml
from conftest import ROOT

SMALL = {  # three slides of two patients
    "study": "small",
    "cohorts": {"sim": {"source": "simulated", "patients": 2, "spots": 40, "genes": 60}},
    "spots": {"min_genes": 20},
    "genes": {"number": 10},
    "losses": ["mse", "strank_list"],
    "seeds": [0, 1],
    "training": {"max_epochs": 5},
}


def start(folder, config, *options, env=None):
    """Start the workflow in `folder`, in a process group of its own; what it prints can be read."""
    (folder / "study.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "workflow/Snakefile"]
    command += ["--directory", folder, "--configfile", folder / "study.yaml", *options]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=os.environ | (env or {}),
    )


def finish(run):
    """Wait for a run's end; what it printed, and its exit code."""
    printed = run.communicate()[0]
    return printed, run.returncode


def snakemake(folder, config, *options, cores=2, env=None):
    """Run the workflow in `folder`; what it printed, and its exit code."""
    return finish(start(folder, config, "--cores", str(cores), *options, env=env))
