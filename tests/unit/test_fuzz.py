"""Random configs and damaged files: read, or refused in one sentence, never a traceback."""

import copy

import h5py
import numpy as np
import pytest
import torch
from bad_files import PATCHES, QC
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from spotrank.base.store import InputError
from spotrank.cohorts import hest
from spotrank.cohorts.sources import table
from spotrank.encoders import loading, registry, stored
from spotrank.genes import panel
from spotrank.spots import pair, slides
from spotrank.study.config import SCHEMA
from spotrank.study.files import Files
from spotrank.study.study import Study

# the same examples every time: a library that reads damaged files in C may do anything
FUZZ = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
WORDS = ["c", "all", "SIM1", "SIM3", "file", "variance", "fixed", "patient_k_fold", "mse", "linear"]
KNOWN = SCHEMA["properties"]
PLACES = [
    *((key,) for key in KNOWN),
    *((key, inner) for key in KNOWN for inner in KNOWN[key].get("properties", {})),
    *(
        ("cohorts", "c", key)
        for source in ("local", "simulated")
        for key in SCHEMA["$defs"][source]["properties"]
    ),
    *(("split", "ids", "c", part) for part in ("train", "validation", "test")),
    ("cohorts", "d"),
    ("unknown",),
]
KEYS = sorted({place[-1] for place in PLACES} | {"loss", "model", "weights"})
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 10**20)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(WORDS)
    | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5) | st.integers(), inner)
    ),
    max_leaves=6,
)


def refused(error):
    sentence = str(error)
    assert "\n" not in sentence
    assert sentence.endswith(".")


words = st.sampled_from(WORDS) | st.integers(0, 9) | st.floats(0, 1)
likely = words | st.lists(words, max_size=3) | st.dictionaries(st.sampled_from(KEYS), words)


@given(st.lists(st.tuples(st.sampled_from(PLACES), likely | values), min_size=1, max_size=3))
@settings(FUZZ, max_examples=400)
def test_config(study, edits):
    config = copy.deepcopy(study)
    for (*outer, last), value in edits:
        place = config
        for key in outer:
            place = place.setdefault(key, {}) if isinstance(place, dict) else {}
        if isinstance(place, dict):
            place[last] = value
    try:
        Files(Study(config))
    except InputError as error:
        refused(error)


@given(values)
@settings(FUZZ, max_examples=100)
def test_config_that_is_anything(value):
    try:
        Files(Study(value))
    except InputError as error:
        refused(error)


def write_patches(path, adata):
    with h5py.File(path, "w") as file:
        file["img"] = np.random.default_rng(0).integers(0, 256, (adata.n_obs, 8, 8, 3), "u1")
        file["barcode"] = np.array(adata.obs_names, "S")[:, None]
        file["coords"] = adata.obsm["spatial"]


def write_embeddings(path, adata):
    with h5py.File(path, "w") as file:
        file.create_dataset("embeddings", data=np.ones((adata.n_obs, 4), "f4"), fletcher32=True)
        file["barcode"] = np.array(adata.obs_names, "S")[:, None]


def read_all(patches):
    return [patches[i] for i in range(len(patches))]


def slide(path):
    return read_all(slides.SlidePatches(path, np.full((2, 2), 300.0), 200, 64))


def weights(path):
    return loading.load(registry.resolve({"model": "test_resnet", "weights": str(path)})[1], 224)


STATE = loading.network("test_resnet", "random")[0].state_dict()
READERS = {  # name of a file, how it comes about, how it is read
    "SIM1.h5ad": (None, lambda path: pair.pair(path, path.with_name("SIM1.json"), QC, PATCHES)),
    "SIM1.tif": (None, slide),
    "SIM1.json": (None, hest.read_pixel_size),
    "HEST_v1_1_0.csv": (None, table.read_table),
    "patches.h5": (
        write_patches,
        lambda path: read_all(slides.FilePatches(path, PATCHES, 0.5, 16)),
    ),
    "embeddings.h5": (
        write_embeddings,
        lambda path: stored.read_given(path, path.with_name("SIM1.h5ad")),
    ),
    "genes.txt": (
        lambda path, adata: path.write_text("SIM001\nSIM002\n"),
        lambda path: panel.from_file(path, {"a": {"SIM001", "SIM002"}}),
    ),
    "weights.pth": (lambda path, adata: torch.save(STATE, path), weights),
    "weights.safetensors": (lambda path, adata: save_file(STATE, path), weights),
}


@pytest.fixture(scope="module")
def files(cohort, tmp_path_factory):
    """A folder with a sound file for each reader."""
    folder = tmp_path_factory.mktemp("files")
    for path in [*cohort.glob("*/SIM1.*"), *cohort.glob("*.csv")]:
        (folder / path.name).write_bytes(path.read_bytes())
    adata = hest.read_spots(folder / "SIM1.h5ad")
    for name, (write, read) in READERS.items():
        if write:
            write(folder / name, adata)
        read(folder / name)
    return folder


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
@settings(FUZZ, max_examples=40)
def test_damaged_file(files, name, data):
    content = bytearray((files / name).read_bytes())
    # where a file is read first, all of it matters
    near = st.integers(0, min(4096, len(content)) - 1)
    for place in data.draw(st.lists(near | st.integers(0, len(content) - 1), max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    damaged = files / f"damaged-{name}"
    damaged.write_bytes(content)
    try:
        READERS[name][1](damaged)
    except InputError as error:
        refused(error)
