"""The workflow on a real SLURM; `make test-slurm` installs that and runs these."""

import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from runs import finish, snakemake, start
from slurm import PROGRAMS, cluster, wait_for

STUDY = {
    "study": "small",
    "cohorts": {"sim": {"source": "simulated", "patients": 2, "spots": 60, "genes": 60}},
    "spots": {"min_genes": 20},
    "genes": {"number": 10},
    "encoders": [{"model": "test_resnet", "weights": "random", "name": "tiny"}],
    "losses": ["mse", "strank_list"],
    "seeds": [0, 1],
    "floors": ["depth"],
    "training": {"max_epochs": 5},
}
SITE = {  # as docs/cluster.md shows it, but for the first line, which saves the tests time
    "slurm-init-seconds-before-status-checks": 7,
    "default-resources": {"slurm_partition": "cpu", "slurm_account": "lab"},
    "set-resources": {
        "embed": {"slurm_partition": "gpu", "gpu_model": "fake"},
        "fit": {"slurm_partition": "gpu", "gpu_model": "fake"},
    },
}
TABLES = "results/small/tables"
SUMMARY = f"{TABLES}/summary.tsv"
FITS = "results/small/fits/*/*/*/*/*/*"
CEILING = "results/ceilings/sim/library/SIM1.parquet"

pytestmark = pytest.mark.skipif(
    os.getuid() != 0 or not all(map(shutil.which, PROGRAMS)),
    reason="starts SLURM's daemons: needs root and what `make test-slurm` installs",
)


def profiles(folder, **site):
    (folder / "site.yaml").write_text(yaml.safe_dump(SITE | site))
    return ["--profile", ROOT / "workflow/profiles/slurm", "--profile", folder / "site.yaml"]


def ask(env, *command, program="scontrol"):
    """What a SLURM command prints."""
    env = os.environ | env
    command = [shutil.which(program), *command]
    return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout


def slurm_jobs(env):
    """What SLURM knows of each job: a dict of its fields, with the name of its rule."""
    shown = ask(env, "show", "job", "--oneliner")
    jobs = [dict(re.findall(r"(\S+?)=(\S+)", line)) for line in shown.splitlines()]
    return [
        job | {"rule": re.match(r"rule_([a-z_]+?)(_wildcards|$)", job["Comment"])[1]}
        for job in jobs
        if "Comment" in job
    ]


def running_fit(env, done=()):
    """Waits for a fit that runs and is not one of the jobs `done`."""
    return wait_for(
        lambda: [
            job
            for job in slurm_jobs(env)
            if (job["rule"], job["JobState"]) == ("fit", "RUNNING") and job["JobId"] not in done
        ],
        "a running fit",
        seconds=120,
    )[0]


def pids_of(env, job):
    """Waits for the processes of a job, which is said to run before they are listed."""

    def listed():
        with suppress(subprocess.CalledProcessError):
            return re.findall(r"^(\d+)", ask(env, "listpids", job), re.MULTILINE)

    return wait_for(listed, "processes of a job")


def tables(folder):
    return {path.name: path.read_bytes() for path in (folder / TABLES).iterdir()}


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """A folder with the study, finished without SLURM."""
    folder = tmp_path_factory.mktemp("local")
    printed, code = snakemake(folder, STUDY)
    assert code == 0, printed
    return folder


@pytest.fixture(scope="module")
def users(tmp_path_factory):
    """The environment of a cluster's users; it has no accounting database."""
    with cluster(tmp_path_factory.mktemp("slurm")) as env:
        yield env


@pytest.fixture(scope="module")
def submitted(tmp_path_factory, users):
    """A folder with the study, finished under SLURM, and the jobs that SLURM ran for it."""
    folder = tmp_path_factory.mktemp("submitted")
    printed, code = finish(start(folder, STUDY, *profiles(folder), env=users))
    assert code == 0, printed
    return folder, slurm_jobs(users)


def spoiled(folder, copy, *removed):
    """A copy of a finished study without its scores, tables, and all files that match `removed`."""
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    for pattern in (f"{TABLES}/*", "results/small/scores/**/*.parquet", *removed):
        for path in copy.glob(pattern):
            path.unlink()
    return copy


def test_tables_equal_the_local_runs(local, submitted):
    assert tables(submitted[0]) == tables(local)


def test_only_rules_that_a_gpu_helps_ask_for_one(submitted):
    asked = {}
    for job in submitted[1]:
        gpus = re.search(r"gres:gpu:fake:(\d+)", job.get("TresPerJob", "gres:gpu:fake:0"))[1]
        asked.setdefault(job["rule"], set()).add((job["Partition"], int(gpus)))
    assert asked.pop("fit") == asked.pop("embed") == {("gpu", 1)}
    others = {
        "simulate", "pair", "ceiling", "panel", "floor", "score", "tables", "figures", "maps",
        "page",
    }  # fmt: skip
    assert set(asked) == others
    assert set.union(*asked.values()) == {("cpu", 0)}


def test_a_cancelled_job_is_tried_again_with_more(local, submitted, users, tmp_path):
    folder = spoiled(submitted[0], tmp_path, f"{FITS}/fold0/*")
    done = {job["JobId"] for job in slurm_jobs(users)}
    run = start(folder, STUDY, *profiles(folder), SUMMARY, env=users)
    first = running_fit(users, done)
    ask(users, first["JobId"], program="scancel")
    printed, code = finish(run)
    assert code == 0, printed
    assert re.search(rf"SLURM-job '{first['JobId']}' failed.*'CANCELLED'", printed)
    assert re.search(rf"log: logs/small/fit/\S+, \S+/{first['JobId']}.log", printed)
    first, second = (
        job for job in slurm_jobs(users) if job["rule"] == "fit" and job["JobId"] not in done
    )
    assert [first["JobState"], second["JobState"]] == ["CANCELLED", "COMPLETED"]
    assert int(second["MinMemoryNode"][:-1]) == 2 * int(first["MinMemoryNode"][:-1])
    assert second["TimeLimit"] == "08:00:00"
    assert tables(folder).items() <= tables(local).items()


def test_failed_jobs_are_reported_and_a_killed_run_goes_on(local, submitted, users, tmp_path):
    """One job over its memory, one over its time; then the head process is killed."""
    folder = spoiled(submitted[0], tmp_path, f"{FITS}/*/*", CEILING)
    done = {job["JobId"] for job in slurm_jobs(users)}
    too_little = SITE["set-resources"] | {"ceiling": {"mem_mb": 30}}
    options = [*profiles(folder, **{"set-resources": too_little}), "--retries", "0", SUMMARY]
    run = start(folder, STUDY, *options, env=users)
    fit = running_fit(users, done)
    hanging, fold = fit["JobId"], re.search(r"fold\d", fit["Comment"])[0]
    for pid in pids_of(users, hanging):
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGSTOP)
    ask(users, "update", f"JobId={hanging}", "EndTime=now+1")
    printed, code = finish(run)
    assert code == 1
    new = [job for job in slurm_jobs(users) if job["JobId"] not in done]
    greedy = next(job["JobId"] for job in new if job["rule"] == "ceiling")
    for job, reason in ((hanging, "DUE TO TIME LIMIT"), (greedy, "exceeded memory limit")):
        assert f"SLURM-job '{job}' failed" in printed
        log = re.search(rf"log: logs/\S+, (\S+/{job}.log)", printed)[1]
        assert reason in Path(log).read_text()
    left = [*folder.glob(f"{FITS}/{fold}/*"), *folder.glob(CEILING)]
    assert not [path for path in left if "floor" not in path.parts]  # which asks for no GPU

    done = {job["JobId"] for job in slurm_jobs(users)}
    run = start(folder, STUDY, *profiles(folder), SUMMARY, env=users)
    running_fit(users, done)
    os.killpg(run.pid, signal.SIGKILL)
    finish(run)
    printed, code = finish(start(folder, STUDY, *profiles(folder), "--unlock", env=users))
    assert code == 0, printed
    printed, code = finish(start(folder, STUDY, *profiles(folder), SUMMARY, env=users))
    assert code == 0, printed
    assert tables(folder).items() <= tables(local).items()
    assert not list(folder.rglob(".part-*"))


def test_with_an_accounting_database(local, submitted, tmp_path):
    """The plugin's own way to ask then, `sacct`, and what it knows afterwards."""
    folder = spoiled(submitted[0], tmp_path / "study", f"{FITS}/fold0/*")
    (tmp_path / "slurm").mkdir()
    with cluster(tmp_path / "slurm", accounting=True) as env:
        options = profiles(folder, **{"slurm-status-command": "sacct"})
        printed, code = finish(start(folder, STUDY, *options, SUMMARY, env=env))
        assert code == 0, printed
        columns = ["--allocations", "--noheader", "--parsable2", "--format=Account,State,ReqTRES"]
        jobs = ask(env, *columns, program="sacct").splitlines()
    assert all(job.startswith("lab|COMPLETED|") for job in jobs)
    assert sum("gres/gpu" in job for job in jobs) == 1
    assert tables(folder).items() <= tables(local).items()
