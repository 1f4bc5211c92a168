"""Which runs of machines lie beneath a folder, and a first table of them as samples."""

import logging
import os
import re
from collections import Counter
from pathlib import Path

import pandas as pd
import yaml

from spotrank.base.store import InputError
from spotrank.cohorts.slide_files import SUFFIXES

COLUMNS = ["id", "patient", "source", "folder", "image", "alignment"]
# what tells a run of each source by its folder and the names therein, the surest first
SOURCES = {
    "spatialdata": lambda folder, names: (
        folder.suffix == ".zarr"
        and names & {"tables", "table"}
        and names & {"images", "labels", "points", "shapes"}
    ),
    "xenium": lambda folder, names: any(name.endswith("experiment.xenium") for name in names),
    "visium_hd": lambda folder, names: any(
        re.fullmatch(r"binned_outputs|square_\d+um", name) for name in names
    ),
    "spaceranger": lambda folder, names: (
        "spatial" in names and any(re.search(r"feature_bc_matrix(\.h5)?$", name) for name in names)
    ),
}
OUTPUTS = ("outs", "binned_outputs")  # what folders of every run are called
PICTURES = SUFFIXES | {"j2k", "jp2", "jpeg", "jpg", "png"}
# pictures that machines take or write themselves; words that tell the slide among several others
NO_SLIDE = r"morphology|cytassist_image|cytaimage|hires|lowres|detected_tissue|aligned_fiducials"
SLIDE = r"(?<![a-z])(he|h&e|tissue|microscope|brightfield)(?![a-z])"
ALIGNMENT = r".*(alignment|keypoints).*\.csv|matrix\.csv"


def find(folder):
    """A row a run beneath `folder`, in `COLUMNS`, in the order of their paths.

    Ids are the names of folders, fit for paths and unique; `patient` is left to be filled in.
    `image` and, for Xenium, `alignment` are files in a run's own folder, or elsewhere beneath
    `folder` with a name that begins with the run's id; '' where there is none, or several that
    nothing tells apart, of which the log warns. Raises `InputError` if there is no run.
    """
    folder = Path(folder).absolute()
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; correct 'folder'.")
    runs, files = _walk(folder)
    if not runs:
        raise InputError(
            f"{folder}: there is no run beneath: no outs with 'spatial' and a matrix, no "
            "binned_outputs, no experiment.xenium, no store of SpatialData; unpack what is packed."
        )
    ids = _ids(list(runs))
    slides = _by_owner(filter(_may_be_slide, files), ids)
    alignments = _by_owner(filter(_may_be_alignment, files), ids)
    rows = []
    for path, source in runs.items():
        name = ids[path]
        image = _one(slides[name], "image", name)
        alignment = _one(alignments[name], "alignment", name) if source == "xenium" else ""
        rows.append([name, "", source, str(path), image, alignment])
    return pd.DataFrame(rows, columns=COLUMNS)


def _walk(folder):
    """`{path: source}` of the runs beneath a folder, and the files that lie outside of the folders
    in them. Hidden folders are left out, links followed."""
    runs, files, seen = {}, [], set()
    for place, folders, names in os.walk(folder, followlinks=True):
        path, real = Path(place), os.path.realpath(place)
        files += [path / name for name in sorted(names) if not name.startswith(".")]
        present = {*folders, *names}
        source = next((name for name, tells in SOURCES.items() if tells(path, present)), None)
        if source and real not in seen:
            runs[path] = source
        if source or real in seen or path.suffix == ".zarr":
            folders.clear()
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
    return runs, files


def _home(path):
    """The folder that a run is called by: not the outputs in it."""
    return _home(path.parent) if path.name in OUTPUTS else path


def _ids(paths):
    """`{path: id}`; runs of one name are called by the folder around them too, and numbered at
    last."""
    homes = [_home(path) for path in paths]
    names = [_safe(home.name.removesuffix(".zarr")) for home in homes]
    twice = Counter(names)
    names = [
        _safe(f"{home.parent.name}-{name}") if twice[name] > 1 else name
        for home, name in zip(homes, names, strict=True)
    ]
    ids = {}
    for path, name in zip(paths, names, strict=True):
        numbered = (f"{name}-{number}" for number in range(2, len(paths) + 1))
        ids[path] = next(each for each in (name, *numbered) if each not in ids.values())
    return ids


def _safe(name):
    """A name as a part of a path, see `words.NAME`."""
    return re.sub(r"[^A-Za-z0-9._=]+", "-", name).strip("._=-")[:90] or "sample"


def _by_owner(files, ids):
    """`{id: files}`: those in a run's folder, else those whose names begin with its id."""
    homes = {_home(path): name for path, name in ids.items()}
    owned = {name: [] for name in ids.values()}
    for file in files:
        around = (homes[folder] for folder in file.parents if folder in homes)
        begins = {name for name in owned if _begins(name, _safe(file.name))}
        if owner := next(around, max(begins, key=len, default=None)):
            owned[owner].append(file)
    return owned


def _begins(name, longer):
    return re.match(rf"{re.escape(name)}(?![0-9A-Za-z])", longer)


def _may_be_slide(file):
    is_picture = any(file.name.lower().endswith(f".{suffix}") for suffix in PICTURES)
    return is_picture and not re.search(NO_SLIDE, file.name, re.I)


def _may_be_alignment(file):
    return re.fullmatch(ALIGNMENT, file.name, re.I)


def _one(files, column, name):
    """Path of the one file, or of the one that is called as a slide is, or ''."""
    told = [file for file in files if re.search(SLIDE, file.name, re.I)] or files
    if len(told) > 1:
        logging.warning(
            "%s: several files may be its %s (%s); fill in the right one",
            *(name, column, ", ".join(file.name for file in told)),
        )
    return str(told[0]) if len(told) == 1 else ""


def in_config(table, path):
    """Cohorts of the config that read the runs of a table at `path`, one a source: runs of two
    sources are no cohort, though one table lists them."""
    cohorts = {
        source: {"source": source, "samples": str(path), "query": {"source": source}}
        for source in table["source"].unique()
    }
    return yaml.safe_dump({"cohorts": cohorts}, sort_keys=False)
