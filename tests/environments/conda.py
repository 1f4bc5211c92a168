"""Stands in for conda where none is: builds an environment from what is installed already.

An environment is a bare venv of links to exactly the packages that its YAML file names
and those that these require, as their metadata say, at the versions named; another version is an
error. A venv filled by pip would hold the same files, but torch alone is 5 GB.

A script that Snakemake runs in an environment finds the packages of Snakemake's own environment at
the end of its path, so that one that is missing is not missed. Here it sees none of them, but for
those that Snakemake needs to hand over the job.
"""

import json
import sys
import sysconfig
import venv
from collections import Counter
from importlib.metadata import distribution, distributions
from pathlib import Path, PurePath

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

DRIVER = sysconfig.get_path("purelib")
OUT_OF_SIGHT = f"""
import sys
from importlib.machinery import PathFinder

class Bare(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if path is None and not name.startswith(("snakemake", "tenacity")):
            path = [folder for folder in sys.path if folder != {DRIVER!r}]
        return super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Bare
"""


def packages(file):
    """`{name: version}` of the packages that an environment's file pins, but for Python and pip."""
    *conda, pip = yaml.safe_load(Path(file).read_text())["dependencies"]
    assert conda[0].startswith("python =") and conda[-1] == "pip"
    pins = [pin.split(" =") for pin in conda[1:-1]] + [pin.split(" ==") for pin in pip["pip"]]
    return {canonicalize_name(name): version for name, version in pins}


def closure(names):
    """The packages `names` and all that they require, as installed here."""
    found, todo = {}, [(name, "") for name in names]
    done = set()
    while todo:
        name, extra = todo.pop()
        if (name, extra) in done:
            continue
        done.add((name, extra))
        found[name] = distribution(name)
        for text in found[name].requires or []:
            required = Requirement(text)
            if required.marker is None or required.marker.evaluate({"extra": extra}):
                inner = canonicalize_name(required.name)
                todo += [(inner, extra) for extra in ("", *required.extras)]
    return found


def create(file, prefix):
    pins = packages(file)
    venv.create(prefix, with_pip=False)
    site = next(Path(prefix).glob("lib/python*/site-packages"))
    owners = Counter(
        top for own in distributions() for top in {path.parts[0] for path in own.files or []}
    )
    for name, installed in closure(pins).items():
        if installed.version != pins.get(name, installed.version):
            sys.exit(f"{file}: {name} {pins[name]} is named, but {installed.version} is installed")
        # a folder that is the package's alone, or else its files
        paths = {
            path if owners[path.parts[0]] > 1 else PurePath(path.parts[0])
            for path in installed.files
            if ".." not in path.parts
        }
        for path in paths:
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).symlink_to(Path(DRIVER) / path)
    (site / "sitecustomize.py").write_text(OUT_OF_SIGHT)


def install(folder):
    """Put the commands `conda` and `activate` into `folder`/bin."""
    commands = {
        "conda": f'#!/bin/sh\nexec {sys.executable} {__file__} {folder} "$@"\n',
        "activate": 'export PATH="$1/bin:$PATH" CONDA_PREFIX="$1"\n',
    }
    for name, text in commands.items():
        path = folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)


if __name__ == "__main__":
    folder, command, *options = sys.argv[1:]
    if command == "env":
        create(options[options.index("--file") + 1], options[options.index("--prefix") + 1])
    answers = {
        "--version": "conda 25.11.0",
        "config": json.dumps({"get": {"channel_priority": "strict"}}),
        "info": json.dumps({"conda_prefix": folder, "platform": "linux-64"}),
    }
    print(answers.get(command, ""))
