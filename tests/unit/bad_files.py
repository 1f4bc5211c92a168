"""Malformed files of data and weights, each an edit and the sentence that it must give."""

import fcntl
import gzip
import json
import os
import pickle

import anndata
import h5py
import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file

from spotrank.encoders import loading, stored
from spotrank.genes import panel
from spotrank.spots import pair, slides

PATCHES = {"size": 224, "um_per_px": 0.5, "source": "wsis"}
QC = {"min_genes": 10, "min_spots": 3, "max_mito": 0.2}


class Bomb:
    """Makes a file where it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("exploded",)


def rewrite(edit):
    """Edit the AnnData of SIM1 and write it again."""

    def change_file(folder):
        path = folder / "st/SIM1.h5ad"
        adata = anndata.read_h5ad(path)
        edit(adata)
        adata.write_h5ad(path)

    return change_file


def set_count(value):
    def edit(adata):
        adata.X.data[0] = value

    return rewrite(edit)


def set_spatial(value):
    def edit(adata):
        adata.obsm["spatial"] = value(adata.obsm["spatial"])

    return rewrite(edit)


def in_h5(name, edit):
    """Edit an HDF5 file of the cohort's folder."""

    def change_file(folder):
        with h5py.File(folder / name, "a") as file:
            edit(file)

    return change_file


def replace(key, value):
    """An edit of an HDF5 file: another thing at `key`."""

    def edit(file):
        attributes = dict(file[key].attrs)
        del file[key]
        file[key] = value
        if not isinstance(value, h5py.ExternalLink):
            file[key].attrs.update(attributes)

    return edit


def virtual(file):
    """Counts that are those of another file."""
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("secret.h5", "x", (3,))
    del file["X/data"]
    file.create_virtual_dataset("X/data", layout)


PICKLE = np.void(pickle.dumps(Bomb()))
ELSEWHERE = h5py.ExternalLink("secret.h5", "x")


def truncate(name):
    def cut(folder):
        path = folder / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return cut


def pixel_size(value):
    def edit(folder):
        (folder / "metadata/SIM1.json").write_text(json.dumps({"pixel_size_um_estimated": value}))

    return edit


def overwrite(name, content=b""):
    return lambda folder: (folder / name).write_bytes(content)


def counts_in(place, **x):
    """Normalise X, the counts kept in a layer or in 'raw', or nowhere (None)."""

    def edit(adata):
        if place == "raw":
            adata.raw = adata.copy()
        elif place:
            adata.layers[place] = adata.X.copy()
        adata.X = x.get("x", adata.X.log1p())

    return rewrite(edit)


def zipped(folder):
    path = folder / "st/SIM1.h5ad"
    path.write_bytes(gzip.compress(path.read_bytes()))


def lock(folder, held=[]):  # noqa: B006 (what is locked stays so until the tests end)
    """Lock a file as HDF5 does where another program writes it."""
    held.append((folder / "st/SIM1.h5ad").open())
    fcntl.flock(held[-1], fcntl.LOCK_EX)


def byte_of(name, place, value):
    def edit(folder):
        content = bytearray((folder / name).read_bytes())
        content[place] = value
        (folder / name).write_bytes(content)

    return edit


def later(file):
    file["X"].attrs["encoding-version"] = "9.0.0"


def twice(adata):
    adata.obs_names = [adata.obs_names[0], *adata.obs_names[:-1]]


SAMPLES = {
    "negative": (set_count(-1), "holds -1, which is negative"),
    "fractional": (set_count(0.5), "holds 0.5, which is fractional"),
    "NaN": (set_count(np.nan), "holds nan, which is not a number"),
    "no spatial": (rewrite(lambda adata: adata.obsm.pop("spatial")), "lacks obsm"),
    "duplicate barcodes": (rewrite(twice), "barcode .* stands there twice"),
    "truncated h5ad": (truncate("st/SIM1.h5ad"), "is truncated, .* bytes; get it again"),
    "h5ad that is being written": (lock, "another program holds it open to write; close it"),
    "h5ad of a later HDF5": (
        byte_of("st/SIM1.h5ad", 8, 9),
        "a later version of HDF5 wrote it",
    ),
    "h5ad of a later anndata": (in_h5("st/SIM1.h5ad", later), "only a later version of anndata"),
    "h5ad that is zipped": (zipped, "compressed by gzip; unpack it"),
    "pointer to an h5ad": (
        overwrite("st/SIM1.h5ad", b"version https://git-lfs.github.com/spec/v1"),
        "a pointer of Git LFS; fetch the file itself",
    ),
    "web page for an h5ad": (overwrite("st/SIM1.h5ad", b"<!DOCTYPE html>"), "a web page"),
    "float16": (
        rewrite(lambda adata: setattr(adata, "X", adata.X.toarray().astype("f2"))),
        "X is float16, which rounds counts above 2,048",
    ),
    "counts in a layer": (
        counts_in("counts"),
        "layers['counts'] holds counts: give the cohort counts_layer: counts",
    ),
    "counts in a layer, no X": (
        counts_in("umi", x=None),
        "has no counts in X; layers['umi'] holds counts: give the cohort counts_layer: umi",
    ),
    "counts in raw": (counts_in("raw"), "raw holds counts: give the cohort counts_layer: raw"),
    "counts nowhere": (counts_in(None), "raw and layers hold none either: put the raw counts in X"),
    "no h5ad": (
        lambda folder: (folder / "st/SIM1.h5ad").write_text("hello"),
        "not a readable h5ad",
    ),
    "no JSON": (
        lambda folder: (folder / "metadata/SIM1.json").write_text("{"),
        "not a JSON object",
    ),
    "no pixel size": (pixel_size(None), "'pixel_size_um_estimated' is None"),
    "pixel size of zero": (pixel_size(0), "'pixel_size_um_estimated' is 0"),
    "empty h5ad": (overwrite("st/SIM1.h5ad"), "not a readable h5ad"),
    "pickle for an h5ad": (
        overwrite("st/SIM1.h5ad", pickle.dumps(Bomb())),
        "not a readable h5ad",
    ),
    "pickle in an h5ad": (
        in_h5("st/SIM1.h5ad", replace("X/data", PICKLE)),
        "X is no matrix of numbers",
    ),
    "external link in an h5ad": (
        in_h5("st/SIM1.h5ad", replace("X/data", ELSEWHERE)),
        "'X/data' lies in another file",
    ),
    "virtual data in an h5ad": (in_h5("st/SIM1.h5ad", virtual), "'X/data' lies in another file"),
    "h5ad without X": (
        in_h5("st/SIM1.h5ad", lambda file: file.__delitem__("X")),
        "has no counts in X; raw and layers hold none either",
    ),
    "counts that are text": (
        in_h5("st/SIM1.h5ad", replace("X", np.array([["a"] * 60] * 40, "S"))),
        "X is no matrix of numbers",
    ),
    "infinite count": (set_count(np.inf), "holds inf, which is not a number"),
    "spatial in three dimensions": (
        set_spatial(lambda place: np.c_[place, place[:, 0]]),
        "not two finite numbers a spot",
    ),
    "spatial with NaN": (set_spatial(lambda place: place * np.nan), "not two finite numbers"),
    "spatial that is text": (
        in_h5("st/SIM1.h5ad", replace("obsm/spatial", np.array([["a", "b"]] * 40, "S"))),
        "not two finite numbers",
    ),
    "spatial in another unit": (
        set_spatial(lambda place: place * 1e3),
        "no spot lies on the slide",
    ),
    "metadata that is a list": (overwrite("metadata/SIM1.json", b"[]"), "not a JSON object"),
    "metadata that is not text": (overwrite("metadata/SIM1.json", b"\xff"), "not readable as text"),
    "pixel size as text": (pixel_size("0.5"), "'pixel_size_um_estimated' is '0.5'"),
    "pixel size that is not a number": (pixel_size(np.nan), "'pixel_size_um_estimated' is nan"),
    "pixel size that is true": (pixel_size(True), "'pixel_size_um_estimated' is True"),
    "pixel size in mm": (pixel_size(5e-4), "no spot lies on the slide"),
}


def check_sample(edit, folder, config):
    edit(folder)
    patch_file = folder / "patches/SIM1.h5"
    spots = pair.pair(
        folder / "st/SIM1.h5ad",
        folder / "metadata/SIM1.json",
        QC,
        PATCHES,
        folder / "wsis/SIM1.tif",
        patch_file if patch_file.exists() else None,
    )
    patches = slides.SlidePatches(
        folder / "wsis/SIM1.tif", spots.obsm["spatial"], spots.uns["patch_side_px"], 224
    )
    for i in range(len(patches)):
        patches[i]


def content(what):
    return lambda path: path.write_bytes(what)


EMBEDDINGS = {
    "not HDF5": (lambda path: path.write_text("hello"), "not a whole file"),
    "lengths differ": (lambda path: write(path, n=2), "doesn't match 3 barcodes"),
    "NaN": (lambda path: write(path, value=np.nan), "not finite"),
    "missing": (lambda path: None, "no such file"),
    "made differently": (
        lambda path: write(path, made_by={"precision": "fp16"}),
        "precision is 'fp16', but the config says 'fp32'",
    ),
    "incomplete": (lambda path: write(path, complete=False), "is not complete"),
    "truncated": (
        lambda path: write(path) or path.write_bytes(path.read_bytes()[:1500]),
        "not a whole file",
    ),
    "no vectors": (lambda path: write(path, embeddings=np.zeros(3)), "is (3,), not (spots, num"),
    "text for vectors": (
        lambda path: write(path, embeddings=np.array([["a"]] * 3, "S")),
        "'embeddings' is |S1, not real numbers",
    ),
    "complex vectors": (
        lambda path: write(path, embeddings=np.zeros((3, 4), "c8")),
        "'embeddings' is complex64, not real numbers",
    ),
    "numbers for barcodes": (
        lambda path: write(path, barcode=np.arange(3)),
        "'barcode' is int64, not text",
    ),
    "barcode twice": (
        lambda path: write(path, barcode=np.array([["a"], ["b"], ["a"]], "S")),
        "a barcode stands there twice",
    ),
    "does not say what made it": (lambda path: write(path, made_by="{"), "not a whole file"),
    "group for vectors": (lambda path: write(path, embeddings=None), "not a whole file"),
    "external link": (
        lambda path: write(path, embeddings=ELSEWHERE),
        "'embeddings' lies in another file",
    ),
    "pickle": (content(pickle.dumps(Bomb())), "not a whole file"),
}


def write(path, n=3, value=0.0, made_by=None, complete=True, **parts):
    parts = {
        "embeddings": np.full((n, 4), value, "f4"),
        "barcode": np.array([["a"], ["b"], ["c"]], "S"),
    } | parts
    with h5py.File(path, "w") as file:
        for key, part in parts.items():
            if part is None:
                file.create_group(key)
            else:
                file[key] = part
        file.attrs["made_by"] = (
            made_by if isinstance(made_by, str) else json.dumps(made_by or {"precision": "fp32"})
        )
        if complete:
            file.attrs["n_spots"] = 3


def check_embeddings(edit, folder, config):
    edit(folder / "x.h5")
    stored.read(folder / "x.h5", {"precision": "fp32"})


GENES = {
    "gene that a sample lacks": (
        content(b"SIM001\nSIM0002\n"),
        "'SIM0002' is not measured in the sample 'a', or not .*, did you mean 'SIM002'",
    ),
    "empty": (content(b""), "names no gene"),
    "gene twice": (content(b"SIM001\nSIM001\n"), "names a gene twice"),
    "not text": (content(b"\xff\xfe\x00"), "not readable as text"),
    "missing": (lambda path: None, "no such file"),
    "folder": (lambda path: path.mkdir(), "not readable as text"),
}


def check_genes(edit, folder, config):
    edit(folder / "genes.txt")
    panel.from_file(folder / "genes.txt", {"a": {"SIM001", "SIM002"}})


def tensors(**state):
    return lambda path: torch.save(state, path)


WEIGHTS = {
    "not weights": (content(b"hello"), "not readable as weights"),
    "empty": (content(b""), "not readable as weights"),
    "pickle of a table": (tensors(x=pd.DataFrame()), "holds more than tensors"),
    "pickle that runs code": (tensors(x=Bomb()), "holds more than tensors"),
    "bare pickle that runs code": (content(pickle.dumps(Bomb())), "holds more than tensors"),
    "of another model": (tensors(x=torch.zeros(3)), "doesn't fit the timm model"),
    "no tensors": (lambda path: torch.save([1, 2], path), "not readable as weights"),
}
SAFETENSORS = {
    "truncated": (
        lambda path: (
            save_file({"x": torch.zeros(9)}, path) or path.write_bytes(path.read_bytes()[:60])
        ),
        "not readable as weights",
    ),
    "not safetensors": (content(b"hello"), "not readable as weights"),
    "of another model": (
        lambda path: save_file({"x": torch.zeros(3)}, path),
        "doesn't fit the timm model",
    ),
}


def check_weights(suffix):
    def check(edit, folder, config):
        path = folder / f"weights{suffix}"
        edit(path)
        loading.load({"model": "test_resnet", "weights": str(path)}, 224)

    return check
