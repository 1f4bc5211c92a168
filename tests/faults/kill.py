"""Kill runs at random moments and run them again: `make kill KILLS=200`."""

import base64
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from runs import SMALL, finish, snakemake, start

SURROUNDINGS = (  # of which no number may depend
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "de_DE.UTF-8", "TZ": "Asia/Kolkata"},
    {"LC_ALL": "tr_TR.UTF-8", "TZ": "America/St_Johns", "PYTHONHASHSEED": "1"},
)


def tables(folder):
    return {path.name: path.read_bytes() for path in (folder / "results/small/tables").iterdir()}


def complete(folder):
    """`{output: time of last change}` of what Snakemake knows to be complete: a rerun must not make
    it again."""
    marks = (folder / ".snakemake/incomplete").glob("**/*")
    unsure = {
        base64.b64decode("".join(mark.relative_to(folder / ".snakemake/incomplete").parts)).decode()
        for mark in marks
        if mark.is_file()
    }
    outputs = [path for top in ("resources", "results") for path in (folder / top).rglob("*.*")]
    return {
        path: path.stat().st_mtime_ns
        for path in outputs
        if path.is_file() and path.name[0] != "." and str(path.relative_to(folder)) not in unsure
        # a fit's predictions are its last file
        if "fits" not in path.parts or path.with_name("predictions.h5").exists()
        if path.name != "status.html"  # each run writes its own
    }


def torment(folder, kills, longest, seed=0):
    """Kill runs of `SMALL` until `kills` are dead; finish each study so interrupted.

    Each run dies, its whole process group at once, within `longest` seconds if it is not done
    before. Yields `(kills so far, tables)` of each study finished. An output that was complete at a
    kill must be the same file at the end.
    """
    rng = np.random.default_rng(seed)
    killed = 0
    while killed < kills:
        study = Path(tempfile.mkdtemp(dir=folder))
        kept, code = {}, None
        while code is None:
            env = SURROUNDINGS[rng.integers(len(SURROUNDINGS))]
            run = start(study, SMALL, "--cores", str(rng.integers(1, 3)), env=env)
            try:
                last = killed >= kills
                printed = run.communicate(timeout=None if last else rng.uniform(0.5, longest))[0]
                code = run.returncode
            except subprocess.TimeoutExpired:
                os.killpg(run.pid, signal.SIGKILL)
                finish(run)
                killed += 1
                for lock in (study / ".snakemake/locks").glob("*"):  # as --unlock does
                    lock.unlink()
                kept |= complete(study)
        assert code == 0, printed
        again = [path for path, since in kept.items() if path.stat().st_mtime_ns != since]
        assert not again, f"made again: {again}"
        assert not list(study.rglob(".part-*"))
        yield killed, tables(study)


if __name__ == "__main__":
    kills, begin = int(sys.argv[1]), time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        printed, code = snakemake(Path(name), SMALL)
        assert code == 0, printed
        expected, longest = tables(Path(name)), (time.monotonic() - begin) / 3
        for studies, (killed, found) in enumerate(torment(Path(name), kills, longest), start=1):
            assert found == expected, f"study {studies} differs after {killed} kills"
            print(f"{killed} kills, {studies} studies finished, all tables identical", flush=True)
    print(f"{time.monotonic() - begin:.0f} s")
