"""Where numbers come from: the record that each file keeps of what made it.

Each stage keeps a record in the file that it writes: `made_by`, hashes of the config's parts and
the code that decide it; `inputs`, size, time and hash of the files it read that no other stage
made; `stages`, how long it took on what machine; `encoders` and `samples`, what is known of them;
`versions` of packages.
It takes over the records of the files it reads, so that scores know of slides.
"""

import hashlib
import json
import os
import platform
import re
import sys
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from spotrank.base.store import reading

PACKAGES = (
    "torch", "timm", "transformers", "numpy", "scipy", "pandas", "pyarrow", "scikit-learn",
    "igraph", "numba", "scanpy", "anndata", "h5py", "openslide-python", "pillow", "snakemake",
)  # fmt: skip

RECORD = {
    "inputs": {}, "stages": {}, "made_by": {}, "encoders": {}, "versions": {}, "samples": {},
}  # fmt: skip

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


def of_stage(stage, made_by):
    """`digests` of what a stage says that decides its file."""
    return digests({f"{stage} {key}": value for key, value in made_by.items()})


def stamp(path):
    """Size, time of last change and SHA-256 of a file."""
    stat = Path(path).stat()
    sha256 = _sha256(Path(path).absolute(), stat.st_size, stat.st_mtime_ns)
    return {"bytes": stat.st_size, "modified_ns": stat.st_mtime_ns, "sha256": sha256}


@cache
def _sha256(path, size, modified_ns):
    """Once for all that a job makes of a slide, or by an encoder's weights."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def differences(own, made_by, parents=(), seen=None, paths=()):
    """What a file's record `own` tells otherwise than now stands; nothing of a file that is sound.

    made_by: `{'stage key': hash}` that are asked for; parents: records of the files of other stages
    that it should be made of; seen: dict that keeps which inputs `changed`, for a next call;
    paths: of files that it should be made of and no stage made.
    Returns keys of `made_by`, paths of inputs that changed or are others, and `stage path` of
    parents that were made again.
    """
    seen = {} if seen is None else seen
    other = [key for key in made_by if own["made_by"].get(key) != made_by[key]]
    other += [path for path in map(public, map(str, paths)) if path not in own["inputs"]]
    for file, stamped in own["inputs"].items():
        key = file, stamped["sha256"]  # files may have seen different ones
        if key not in seen:
            seen[key] = changed(file, stamped)
        if seen[key]:
            other.append(file)
    stages = {name: about for parent in parents for name, about in parent["stages"].items()}
    return other + [name for name in stages if own["stages"].get(name) != stages[name]]


def record(
    stage, output, paths, began, parents=(), made_by=None, encoders=None, samples=None
):  # fmt: skip
    """Record of a file that a stage writes.

    output: its path; paths: of the files it was made of and no stage made; began: when, a
    time of `now`; parents: records of files that other stages made; made_by: what decides it;
    encoders, samples: `{name: what is known of it}`.
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
        "made_by": of_stage(stage, made_by or {}),
        "encoders": encoders or {},
        "samples": samples or {},
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

    with reading(path), h5py.File(path) as file:
        kept = file["record" if "record" in file else "uns/record"].asstr()[()]
    return RECORD | json.loads(kept)


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


def public(text):
    """`text` without what is the user's own: the home folder becomes `~`, a token is left out."""
    for home in {str(Path.home()), str(Path.home().resolve())} - {"/"}:
        text = re.sub(rf"(?<![\w.~-]){re.escape(home)}(?![\w.-])", "~", text)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if token := os.environ.get(name, "").strip():
            text = text.replace(token, "…")
    return text
