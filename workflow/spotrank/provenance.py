"""Where numbers come from: what made each cell of a table, and whether that still stands.

Each stage keeps a record in the file that it writes: `made_by`, hashes of the config's parts and
the code that decide it; `inputs`, size, time and hash of the files it read that no other stage
made; `stages`, how long it took on what machine; `encoders`, what they are; `versions` of packages.
It takes over the records of the files it reads, so that scores know of slides.
"""

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd

from spotrank.store import InputError, read_parquet

PACKAGES = (
    "torch", "timm", "transformers", "numpy", "scipy", "pandas", "pyarrow", "scikit-learn",
    "scanpy", "anndata", "h5py", "openslide-python", "pillow", "snakemake",
)  # fmt: skip
RECORD = {"inputs": {}, "stages": {}, "made_by": {}, "encoders": {}, "versions": {}}
KEY = "spotrank"  # of the metadata of Parquet files
SEVERAL = " and "  # between versions of one package
SHORT = 12  # digits of a hash that people read


@cache
def installed(package):
    """Version of a package, or None where it is not: a rule may run in another environment."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def digest(value):
    """Short hash of anything that JSON can hold."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:SHORT]


def digests(made_by):
    """`{key: hash}` of what made a cell, so that two can be told apart by key."""
    return {key: digest(value) for key, value in made_by.items()}


def stamp(path):
    """Size, time of last change and SHA-256 of a file."""
    stat = Path(path).stat()
    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": stat.st_size, "modified_ns": stat.st_mtime_ns, "sha256": sha256}


def changed(path, stamped):
    """Whether a file is another than when it was stamped; one that is gone can't be told."""
    path = Path(path).expanduser()
    try:
        stat = path.stat()
    except OSError:
        return False
    if stat.st_size != stamped["bytes"]:
        return True
    if stat.st_mtime_ns == stamped["modified_ns"]:
        return False
    return stamp(path)["sha256"] != stamped["sha256"]


def record(stage, output, paths, began, parents=(), made_by=None, encoders=None):
    """Record of a file that a stage writes.

    output: its path; paths: of the files it was made of and no stage made; began: when, a
    time of `now`; parents: records of files that other stages made; made_by: what decides it;
    encoders: `{name: what is known of it}`.
    """
    ended = now()
    own = {
        "inputs": {public(str(path)): stamp(path) for path in paths},
        "stages": {
            f"{stage} {output}": {
                "started": began.isoformat(timespec="seconds"),
                "seconds": round((ended - began).total_seconds(), 3),
                "machine": machine(),
            }
        },
        "made_by": {f"{stage} {key}": value for key, value in digests(made_by or {}).items()},
        "encoders": encoders or {},
        "versions": {f"{stage} {name}": installed(name) for name in PACKAGES if installed(name)},
    }
    for parent in parents:
        versions = _versions(parent["versions"], own["versions"])
        own = {key: parent[key] | own[key] for key in own} | {"versions": versions}
    return own


def _versions(one, other):
    """Versions of two records; of a package that differs both."""
    both = {
        key: SEVERAL.join(sorted({*one[key].split(SEVERAL), *other[key].split(SEVERAL)}))
        for key in one.keys() & other.keys()
    }
    return one | other | both


def read(path):
    """The record in an HDF5 file, an h5ad's in `uns`: a data set, for attributes end at 64 kB."""
    import h5py

    with h5py.File(path) as file:
        kept = file["record" if "record" in file else "uns/record"].asstr()[()]
    return json.loads(kept)


def of_scores(path):
    """The record of a file of scores, or None if it has none."""
    import pyarrow.parquet as pq

    try:
        kept = (pq.read_metadata(path).metadata or {}).get(KEY.encode())
    except (OSError, ValueError):  # pyarrow's errors are such
        return None
    try:
        return RECORD | json.loads(kept or "")
    except (ValueError, TypeError):
        return None


def now():
    """The time with its zone: Greenwich's, which tells nobody where one is."""
    return datetime.now(UTC)


def machine():
    """What computes, without a name of its own."""
    torch = sys.modules.get("torch")
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "gpu": torch.cuda.get_device_name() if torch and torch.cuda.is_available() else None,
        "system": platform.system() + " " + platform.machine(),
        "python": platform.python_version(),
    }


def _cpu():
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor()


def git():
    """Commit of the workflow, and whether its files differ from it; None where it is in none."""
    command = ["git", "-C", str(Path(__file__).parents[2])]
    try:
        commit, changes, _ = (
            subprocess.run([*command, *what], capture_output=True, text=True, check=True).stdout
            for what in (
                ["rev-parse", "HEAD"],
                ["status", "--porcelain", "workflow", "resources"],
                # a copy may lie in somebody's own repository
                ["ls-files", "--error-unmatch", "workflow/Snakefile"],
            )
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"commit": commit.strip(), "changed": bool(changes)}


def public(text):
    """`text` without what is the user's own: the home folder becomes `~`, a token is left out."""
    for home in {str(Path.home()), str(Path.home().resolve())} - {"/"}:
        text = re.sub(rf"(?<![\w.~-]){re.escape(home)}(?![\w.-])", "~", text)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if token := os.environ.get(name, "").strip():
            text = text.replace(token, "…")
    return text


def check(cells, records):
    """What is wrong with the cells of a table: `{path: words}`, of sound ones nothing.

    cells: `{path: made_by as it now stands, as digests}`; records: `{path: record}` of the files
    that are there, None for a file without one. A cell is missing, stale (made by other code,
    config or data than now stands), or made by other versions of packages than most.
    """
    found, seen = {}, {}
    for path, expected in cells.items():
        if path not in records:
            found[path] = "is missing"
            continue
        own = records[path]
        if own is None:
            found[path] = "does not say what made it"
            continue
        other = [key for key in expected if own["made_by"].get(key) != expected[key]]
        for file, stamped in own["inputs"].items():
            key = file, stamped["sha256"]  # cells may have seen different ones
            if key not in seen:
                seen[key] = changed(file, stamped)
            if seen[key]:
                other.append(file)
        if other:
            found[path] = f"is stale: {', '.join(other)} changed"
    sound = {path: records[path]["versions"] for path in cells if path not in found}
    counts = {}
    for versions in sound.values():
        for package, number in versions.items():
            counts.setdefault(package, Counter())[number] += 1
    usual = {package: count.most_common(1)[0][0] for package, count in counts.items()}
    for path, versions in sound.items():
        other = [
            f"{key} {number}"
            for key, number in versions.items()
            if number != usual[key] or SEVERAL in number
        ]
        if other:
            found[path] = f"is of other versions than most: {', '.join(other)}"
    return found


def trusted(cells, paths, marks_holes):
    """`(records, scores, holes)` of the cells of `paths`: by path, records and (pyarrow) scores of
    the sound ones, and what is wrong with the others, see `check`.

    Raises `InputError` that lists them if there are holes that are not to be marked, or nothing is
    left.
    """
    records = {path: of_scores(path) for path in paths}
    holes, scores = check(cells, records), {}
    for path in records.keys() - holes.keys():
        try:
            scores[path] = read_parquet(path)
        except InputError:
            holes[path] = "is damaged"
    listed = "; ".join(f"{path} {words}" for path, words in holes.items())
    if holes and not marks_holes:
        raise InputError(
            f"{len(holes)} of the tables' cells can't be trusted: {listed}; delete these "
            "files and their fits, touch data that changed, and run again, or set report.holes: "
            "mark."
        )
    if not scores:
        raise InputError(f"none of {len(cells)} cells can be used: {listed}; run the study first.")
    for path, words in holes.items():
        print(f"left out: {path} {words}")
    sound = [path for path in records if path in scores]
    return {path: records[path] for path in sound}, [scores[path] for path in sound], holes


def gather(output, config, records, holes, tables=()):
    """All that is known of a study's tables, for `provenance.json`.

    output: its path; config: in full; records, holes: see `trusted`; tables: paths of the cohorts'
    metadata. `id` is a hash of what decides the numbers, not of where, when and how fast; `source`
    is a sentence for below a table.
    """
    inputs = {
        path: {key: stamped[key] for key in ("bytes", "sha256")}
        for own in records.values()
        for path, stamped in own["inputs"].items()
    }
    stages = pd.DataFrame(
        {name: of_stage for own in records.values() for name, of_stage in own["stages"].items()}
    ).T
    of_stage = stages.groupby(stages.index.str.partition(" ").get_level_values(0))
    versions = {key: number for own in records.values() for key, number in own["versions"].items()}
    cells = {path: digest(own["made_by"]) for path, own in records.items()}
    data = sorted(stamped["sha256"] for stamped in inputs.values())
    encoders = {name: about for own in records.values() for name, about in own["encoders"].items()}
    of_tables = {str(path): stamp(path) for path in tables}
    machines = {json.dumps(own): own for own in stages["machine"]}
    number = digest([cells, versions, data])
    source = f"Made by {output}, id {number}."
    if holes:
        n = len(holes) + len(records)
        source += f" Left out: {len(holes)} of {n} cells, see 'holes' there."
    return {
        "study": config["study"],
        "id": number,
        "source": source,
        "config": config,
        "git": git(),
        "versions": versions,
        "seeds": config["seeds"],
        "encoders": encoders,
        "inputs": dict(sorted((inputs | of_tables).items())),
        "cells": cells,
        "holes": holes,
        "machines": list(machines.values()),
        "started": stages["started"].min(),
        "jobs": of_stage.size().to_dict(),
        "seconds": of_stage["seconds"].sum().to_dict(),
    }


def collect(output, config, cells, paths, marks_holes, tables=()):
    """What is known of a study's tables, see `gather`, and its sound scores as one (pyarrow) table.

    paths: of the files of scores that are there; tables: of the cohorts' metadata tables; the
    others: see `gather` and `trusted`. The table names the provenance in its metadata. Raises
    `InputError` as `trusted` does.
    """
    import pyarrow as pa

    records, scores, holes = trusted(cells, paths, marks_holes)
    known = gather(output, config, records, holes, tables)
    scores = pa.concat_tables(scores)
    return known, scores.replace_schema_metadata({"provenance": known["id"]})


def as_text(known):
    """`provenance.json`, without what is the user's own."""
    return public(json.dumps(known, indent=1, ensure_ascii=False))
