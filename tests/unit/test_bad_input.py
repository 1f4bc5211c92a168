"""A table of malformed inputs, each with the sentence that it must give.

`docs/errors.md` shows all of it; `make errors` writes that anew.
"""

import json
import os
import pickle
import re
import shutil
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT
from PIL import Image
from safetensors.torch import save_file
from spotrank import batches, embed, encoders, pair, panel, slides
from spotrank.store import InputError
from spotrank.study import Study

PATCHES = {"size": 224, "um_per_px": 0.5, "source": "wsis"}
QC = {"min_genes": 10, "min_spots": 3, "max_mito": 0.2}
DOCS = ROOT / "docs/errors.md"
WRITE = os.environ.get("ERRORS") == "write"


class Bomb:
    """Makes a file where it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("exploded",)


def change(*path, to):
    """An edit of the config: the value at `path`."""

    def edit(config):
        *outer, last = path
        for key in outer:
            config = config.setdefault(key, {})
        config[last] = to

    return edit


CONFIGS = {
    "unknown key": (change("lossess", to=["mse"]), "unknown key 'lossess'.*did you mean 'losses'"),
    "unknown inner key": (
        change("spots", "min_gene", to=3),
        "unknown key 'min_gene' at 'spots', did you mean 'min_genes'",
    ),
    "unknown cohort key": (
        change("cohorts", "c", "foldr", to="x"),
        "unknown key 'foldr' at 'cohorts.c', did you mean 'folder'",
    ),
    "missing folder key": (
        lambda config: config["cohorts"]["c"].pop("folder"),
        "'cohorts.c' lacks the key 'folder'",
    ),
    "unknown source": (change("cohorts", "c", "source", to="lokal"), "did you mean 'local'"),
    "wrong type": (change("seeds", to="one"), "'seeds' is 'one', but must be of type array"),
    "negative": (change("spots", "min_genes", to=-1), "'spots.min_genes'"),
    "hostile study": (change("study", to="../x"), "the name '../x' can't"),
    "hostile sample": (
        change("cohorts", "c", "samples", to=["../x"]),
        "'../x' is not in the metadata table",
    ),
    "unknown loss": (change("losses", to=["msee"]), "no choice 'msee', did you mean 'mse'"),
    "unknown option": (
        change("losses", to=[{"loss": "strank_pair", "entropi": True}]),
        "no option 'entropi', did you mean 'entropy'",
    ),
    "option of wrong type": (
        change("losses", to=[{"loss": "strank_pair", "entropy": 1}]),
        "'entropy' of 'strank_pair' is 1, but must be of type bool",
    ),
    "loss twice": (change("losses", to=["mse", "mse"]), "'mse' stands there twice"),
    "unknown head": (change("heads", to=["linar"]), "did you mean 'linear'"),
    "unknown option of a head": (
        change("heads", to=[{"head": "mlp", "widht": 64}]),
        "'mlp' has no option 'widht', did you mean 'width'",
    ),
    "option of a head of wrong type": (
        change("heads", to=[{"head": "mlp", "width": "wide"}]),
        "'width' of 'mlp' is 'wide', but must be of type int",
    ),
    "option of a head out of range": (
        change("heads", to=[{"head": "mlp", "dropout": 1.5}]),
        "'dropout' of 'mlp' is 1.5; give a number from 0 on and below 1",
    ),
    "no width": (change("heads", to=[{"head": "mlp", "width": 0}]), "'width' of 'mlp' is 0"),
    "width that heads don't divide": (
        change("heads", to=[{"head": "histogene", "width": 30}]),
        "width 30 of 'histogene' is no multiple of its 16 heads",
    ),
    "unknown alpha": (
        change("heads", to=[{"head": "ridge", "alpha": "best"}]),
        "'alpha' of 'ridge' is 'best'; give a number from 0 on, 'validation' or 'hest'",
    ),
    "unknown training of a head": (
        change("heads", to=[{"head": "mlp", "training": {"epochs": 3}}]),
        "unknown key 'epochs'.*max_epochs",
    ),
    "head twice": (change("heads", to=["mlp", "mlp"]), "'mlp' stands there twice"),
    "strategy without trunk": (
        change("auxiliary", to="dkgsb"),
        "'dkgsb' can't act on the head 'linear', in which genes share no trunk",
    ),
    "strategy for no head": (
        lambda config: config.update(heads=["linear", "mlp"], auxiliary=["all"]),
        "'all' can't act on the head 'linear', in which genes share no trunk",
    ),
    "unknown strategy of auxiliary genes": (
        change("auxiliary", to=["dkgbs"]),
        "auxiliary has no choice 'dkgbs', did you mean 'dkgsb'",
    ),
    "unknown prior": (
        lambda config: config.update(
            heads=["mlp"], auxiliary=[{"auxiliary": "all", "prior": "varience"}]
        ),
        "the prior 'varience' is no file and no selection, did you mean 'variance'",
    ),
    "inner steps of none": (
        lambda config: config.update(
            heads=["mlp"], auxiliary=[{"auxiliary": "dkgsb", "inner_steps": 0}]
        ),
        "'inner_steps' of 'dkgsb' is 0; give a positive number",
    ),
    "strategy twice": (
        lambda config: config.update(heads=["mlp"], auxiliary=["all", "all"]),
        "auxiliary: 'all' stands there twice",
    ),
    "uncertainty of counts": (
        lambda config: config.update(heads=["mlp"], auxiliary="uncertainty", losses=["poisson"]),
        "needs losses whose lowest value is known, and that of 'poisson' is not",
    ),
    "head without encoder": (
        change("heads", to=["linear", "finetune"]),
        "'finetune' finds no encoder that it can take",
    ),
    "encoder without head": (
        change("encoders", to=["stain_statistics", "pixels"]),
        "no head takes 'pixels'; add the head 'histogene'",
    ),
    "unknown published table": (
        change("report", "published", to="strank_tabel2"),
        "report.published is 'strank_tabel2', no file and no published table, did you mean",
    ),
    "holes that are neither": (change("report", "holes", to="ignore"), "choose from refuse, mark"),
    "unknown batches": (change("training", "batches", to="tisue"), "did you mean 'tissue'"),
    "unknown encoder": (
        change("encoders", to=["stain_statistic"]),
        "no choice 'stain_statistic', did you mean 'stain_statistics'",
    ),
    "neither encoder nor model": (
        change("encoders", to=[{"weights": "random"}]),
        "lacks 'model'; give 'encoder', a name of resources/encoders.yaml, or",
    ),
    "unknown encoder with changes": (
        change("encoders", to=[{"encoder": "uni_v3", "precision": "fp32"}]),
        "no choice 'uni_v3', did you mean 'uni_v",
    ),
    "both encoder and model": (
        change("encoders", to=[{"encoder": "uni_v2", "model": "resnet18"}]),
        "'uni_v2' takes no model",
    ),
    "hest without samples": (
        lambda config: config["cohorts"].update(c={"source": "hest"}),
        "'cohorts.c' lacks the key 'samples'",
    ),
    "missing weights": (
        change("encoders", to=[{"model": "resnet18", "weights": "none.pth"}]),
        "weights none.pth of 'resnet18' are no file",
    ),
    "unknown selection": (change("genes", "selection", to="varianse"), "did you mean 'variance'"),
    "no gene file": (change("genes", "selection", to="file"), "genes.file is None"),
    "bad number": (change("genes", "number", to="al"), "'genes.number'"),
    "unknown strategy": (change("split", "strategy", to="fixd"), "did you mean 'fixed'"),
    "too many folds": (
        lambda config: config.update(split={"strategy": "patient_k_fold", "folds": 9}),
        "4 patients are fewer than split.folds = 9",
    ),
    "too few folds": (
        lambda config: config.update(split={"strategy": "spatial_blocks", "folds": 2}),
        "split.folds is 2, but a slide needs 3 to train, validate and test",
    ),
    "ids of no cohort": (change("split", "ids", "d", to={}), "split.ids has no choice 'd'"),
    "sample not in the table": (
        change("cohorts", "c", "samples", to=["SIM9"]),
        "'SIM9' is not in the metadata table",
    ),
    "query of no column": (
        change("cohorts", "c", "samples", to={"organn": "Breast"}),
        "'organn', which is no column of the metadata table, did you mean 'organ'",
    ),
    "query that finds nothing": (
        change("cohorts", "c", "samples", to={"organ": "Brain"}),
        "finds no sample",
    ),
    "missing embeddings": (
        change("cohorts", "c", "embeddings", to={"conch": "nowhere"}),
        "nowhere/SIM1.h5 is missing",
    ),
    "study with a slash": (change("study", to="a/b"), "the name 'a/b' can't be part of a path"),
    "study with spaces and quotes": (
        change("study", to="my 'best' study"),
        "can't be part of a path",
    ),
    "study that ends in a line break": (change("study", to="demo\n"), "can't be part of a path"),
    "study with too long a name": (change("study", to="s" * 101), "can't be part of a path"),
    "study that is a number": (change("study", to=7), "'study' is 7, but must be of type string"),
    "cohort with a brace": (change("cohorts", "{c}", to={"source": "simulated"}), "the name '{c}'"),
    "encoder with ..": (
        change("encoders", to=[{"model": "../resnet18", "weights": "random"}]),
        "encoders: the name '../resnet18-random'",
    ),
    "weights with a space": (
        lambda config: config.update(
            encoders=[{"model": "resnet18", "weights": touch(config, "my weights.pth")}]
        ),
        "encoders: the name 'resnet18-my weights'",
    ),
    "gene file with a quote": (
        lambda config: config["genes"].update(
            selection="file", file=touch(config, "mother's genes.txt")
        ),
        "genes: the name 'file-mother's genes'",
    ),
    "sample id with a slash": (
        lambda config: rename(config, "SIM1", "a/b"),
        "the name 'a/b' can't be part of a path",
    ),
    "sample id with spaces": (
        lambda config: rename(config, "SIM1", "my slide"),
        "the name 'my slide' can't be part of a path",
    ),
    "sample id with a quote": (
        lambda config: rename(config, "SIM1", "d'Arcy"),
        "the name 'd'Arcy' can't be part of a path",
    ),
    "sample id that is empty": (lambda config: rename(config, "SIM1", ""), "has no id"),
    "not a number": (
        change("training", "learning_rate", to=float("nan")),
        "is nan, but must be of type number",
    ),
    "infinity": (change("patches", "um_per_px", to=float("inf")), "must be of type number"),
    "fraction for a whole number": (
        change("genes", "number", to=50.5),
        "'genes.number' is 50.5, but must be of type integer",
    ),
    "whole number written as a fraction": (change("patches", "size", to=224.0), "is 224.0, but"),
    "nothing": (change("seeds", to=None), "'seeds' is None, but must be of type array"),
    "empty list": (change("encoders", to=[]), "'encoders'"),
    "seed twice": (change("seeds", to=[1, 1]), "'seeds'"),
    "split of an unknown id": (
        change("split", to={"strategy": "fixed", "ids": {"c": {"test": ["SIM7"]}}}),
        "names 'SIM7', which is no sample of the cohort, did you mean",
    ),
    "sample in two sets": (
        change(
            "split", to={"strategy": "fixed", "ids": {"c": {"test": ["SIM1"], "train": ["SIM1"]}}}
        ),
        "'SIM1' is in train and in test",
    ),
    "neither cohorts nor synthetic": (
        lambda config: config.pop("cohorts"),
        "the top level lacks the key 'cohorts' or 'synthetic'; add one of them",
    ),
    "unknown key of the synthetic study": (
        change("synthetic", "epoch", to=3),
        "unknown key 'epoch' at 'synthetic', did you mean 'epochs'",
    ),
    "unknown settings": (change("synthetic", "settings", to="papers"), "did you mean 'paper'"),
    "unknown sampling": (
        change("synthetic", "sampling", to=["balanced"]),
        "'synthetic.sampling[0]' is 'balanced', did you mean 'imbalanced'",
    ),
    "window beyond 1": (change("synthetic", "window", to=0.9), "'synthetic.window': 0.9"),
    "list of one spot": (change("synthetic", "list_sizes", to=[1]), "'synthetic.list_sizes[0]'"),
    "all counts thinned away": (change("synthetic", "thinning", to=[0]), "'synthetic.thinning[0]'"),
    "negative list": (
        change("losses", to=[{"loss": "strank_list", "list_size": -2}]),
        "'losses[0].list_size': -2 is less than the minimum of 0",
    ),
    "list size of another loss": (
        change("losses", to=[{"loss": "mse", "list_size": 2}]),
        "'mse' has no option 'list_size'",
    ),
    "nothing left to train on": (
        change(
            "split",
            to={"strategy": "fixed", "ids": {"c": {"test": [f"SIM{i}" for i in range(1, 7)]}}},
        ),
        "no sample",
    ),
}


def touch(config, name):
    """An empty file beside the cohort's."""
    path = Path(config["cohorts"]["c"]["folder"]) / name
    path.touch()
    return str(path)


def rename(config, sample, new):
    """Give a sample another id in the table, and ask for it."""
    path = Path(config["cohorts"]["c"]["folder"]) / "HEST_v1_1_0.csv"
    table = pd.read_csv(path)
    table["id"] = table["id"].replace(sample, new)
    table.to_csv(path, index=False)
    config["cohorts"]["c"]["samples"] = {"patient": ["Patient 1"]}


def check_config(edit, folder, config):
    edit(config)
    Study(config)


FOLDERS = {
    "no table": (lambda folder: (folder / "HEST_v1_1_0.csv").unlink(), "no metadata table"),
    "table without patients": (
        lambda folder: (folder / "HEST_v1_1_0.csv").write_text("id,dataset_title\nSIM1,x\n"),
        "lacks the column 'patient'",
    ),
    "empty table": (lambda folder: (folder / "HEST_v1_1_0.csv").write_text(""), "not a readable"),
    "no counts": (lambda folder: (folder / "st/SIM1.h5ad").unlink(), "'SIM1'|SIM1.h5ad is missing"),
    "no slide": (lambda folder: (folder / "wsis/SIM1.tif").unlink(), "SIM1.tif is missing"),
    "no metadata": (
        lambda folder: (folder / "metadata/SIM1.json").unlink(),
        "SIM1.json is missing",
    ),
    "folder that is not there": (shutil.rmtree, "no metadata table"),
    "table that is not text": (
        lambda folder: (folder / "HEST_v1_1_0.csv").write_bytes(b"\xff\xfe\x00\x01"),
        "not a readable CSV table",
    ),
    "sample twice in the table": (
        lambda folder: (folder / "HEST_v1_1_0.csv").write_text(
            "id,patient,dataset_title\n" + "SIM1,P,x\n" * 2
        ),
        "'SIM1' stands there twice",
    ),
}


def check_folder(edit, folder, config):
    config["cohorts"]["c"]["samples"] = ["SIM1", "SIM3", "SIM4"]
    edit(folder)
    Study(config)


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


def twice(adata):
    adata.obs_names = [adata.obs_names[0], *adata.obs_names[:-1]]


def patch_file(length=2, img=None, **more):
    """Write a patch file of two patches; `more` replaces or removes (None) what it holds."""

    def write(folder):
        (folder / "patches").mkdir()
        parts = {
            "img": np.zeros((2, 8, 8, 3), "u1") if img is None else img,
            "barcode": np.array([[f"x{i}"] for i in range(length)], "S"),
            "coords": np.zeros((2, 2)),
        } | more
        with h5py.File(folder / "patches/SIM1.h5", "w") as file:
            for key, value in parts.items():
                if value is not None:
                    file[key] = value

    return write


SAMPLES = {
    "negative": (set_count(-1), "holds -1, which is negative"),
    "fractional": (set_count(0.5), "holds 0.5, which is fractional"),
    "NaN": (set_count(np.nan), "holds nan, which is not a number"),
    "no spatial": (rewrite(lambda adata: adata.obsm.pop("spatial")), "lacks obsm"),
    "duplicate barcodes": (rewrite(twice), "barcode .* stands there twice"),
    "truncated h5ad": (truncate("st/SIM1.h5ad"), "perhaps truncated"),
    "no h5ad": (
        lambda folder: (folder / "st/SIM1.h5ad").write_text("hello"),
        "not a readable h5ad",
    ),
    "truncated slide": (truncate("wsis/SIM1.tif"), "perhaps truncated"),
    "no slide": (lambda folder: (folder / "wsis/SIM1.tif").write_text("hello"), "not a slide"),
    "no JSON": (
        lambda folder: (folder / "metadata/SIM1.json").write_text("{"),
        "not a JSON object",
    ),
    "no pixel size": (pixel_size(None), "'pixel_size_um_estimated' is None"),
    "pixel size of zero": (pixel_size(0), "'pixel_size_um_estimated' is 0"),
    "patches of another sample": (patch_file(), "no barcode in common"),
    "patches of floats": (patch_file(img=np.zeros((2, 8, 8, 3), "f4")), "not uint8"),
    "patches with fewer barcodes": (patch_file(length=1), "differ in length"),
    "empty h5ad": (overwrite("st/SIM1.h5ad"), "not a readable h5ad"),
    "pickle for an h5ad": (
        overwrite("st/SIM1.h5ad", pickle.dumps(Bomb())),
        "not a readable h5ad",
    ),
    "pickle in an h5ad": (in_h5("st/SIM1.h5ad", replace("X/data", PICKLE)), "not a readable h5ad"),
    "external link in an h5ad": (
        in_h5("st/SIM1.h5ad", replace("X/data", ELSEWHERE)),
        "'X/data' lies in another file",
    ),
    "virtual data in an h5ad": (in_h5("st/SIM1.h5ad", virtual), "'X/data' lies in another file"),
    "h5ad without X": (
        in_h5("st/SIM1.h5ad", lambda file: file.__delitem__("X")),
        "has no counts|not a readable",
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
    "empty slide": (overwrite("wsis/SIM1.tif"), "not a slide"),
    "slide that is a picture": (
        lambda folder: Image.new("RGB", (50, 50)).save(folder / "wsis/SIM1.tif", "PNG"),
        "not a slide",
    ),
    "TIFF without tiles": (
        lambda folder: Image.new("RGB", (50, 50)).save(folder / "wsis/SIM1.tif"),
        "not a slide",
    ),
    "metadata that is a list": (overwrite("metadata/SIM1.json", b"[]"), "not a JSON object"),
    "metadata that is not text": (overwrite("metadata/SIM1.json", b"\xff"), "not a JSON object"),
    "pixel size as text": (pixel_size("0.5"), "'pixel_size_um_estimated' is '0.5'"),
    "pixel size that is not a number": (pixel_size(np.nan), "'pixel_size_um_estimated' is nan"),
    "pixel size that is true": (pixel_size(True), "'pixel_size_um_estimated' is True"),
    "pixel size in mm": (pixel_size(5e-4), "no spot lies on the slide"),
    "empty patch file": (
        lambda folder: patch_file()(folder) or overwrite("patches/SIM1.h5")(folder),
        "not HEST's patch file",
    ),
    "patch file without coords": (patch_file(coords=None), "not HEST's patch file"),
    "patches of no size": (
        patch_file(img=np.zeros((2, 0, 0, 3), "u1")),
        "not uint8 (n, px, px, 3)",
    ),
    "patches that are not square": (
        patch_file(img=np.zeros((2, 8, 9, 3), "u1")),
        "not uint8 (n, px, px, 3)",
    ),
    "patches in grey": (patch_file(img=np.zeros((2, 8, 8), "u1")), "not uint8 (n, px, px, 3)"),
    "barcodes that are numbers": (patch_file(barcode=np.arange(2)), "not HEST's patch file"),
    "barcode twice": (patch_file(barcode=np.array(["a", "a"], "S")), "stands there twice"),
    "coords that are not finite": (
        patch_file(coords=np.full((2, 2), np.nan)),
        "'coords' is not two finite numbers",
    ),
    "external link in a patch file": (
        patch_file(img=h5py.ExternalLink("secret.h5", "x")),
        "'img' lies in another file",
    ),
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
    "lengths differ": (lambda path: write(path, n=2), "don't match 3 barcodes"),
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
    "no vectors": (lambda path: write(path, embeddings=np.zeros(3)), "don't match 3 barcodes"),
    "text for vectors": (
        lambda path: write(path, embeddings=np.array([["a"]] * 3, "S")),
        "not a whole file",
    ),
    "complex vectors": (
        lambda path: write(path, embeddings=np.zeros((3, 4), "c8")),
        "embeddings are complex64, not real numbers",
    ),
    "numbers for barcodes": (lambda path: write(path, barcode=np.arange(3)), "not a whole file"),
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
    embed.read(folder / "x.h5", {"precision": "fp32"})


GENES = {
    "gene that a sample lacks": (
        content(b"SIM001\nSIM0002\n"),
        "'SIM0002' is not measured in the sample 'a', did you mean 'SIM002'",
    ),
    "empty": (content(b""), "names no gene"),
    "gene twice": (content(b"SIM001\nSIM001\n"), "names a gene twice"),
    "not text": (content(b"\xff\xfe"), "not a readable list of genes"),
    "missing": (lambda path: None, "not a readable list of genes"),
    "folder": (lambda path: path.mkdir(), "not a readable list of genes"),
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
        encoders.load({"model": "test_resnet", "weights": str(path)}, 224)

    return check


KINDS = {
    "config": (CONFIGS, check_config),
    "cohort": (FOLDERS, check_folder),
    "sample": (SAMPLES, check_sample),
    "embeddings": (EMBEDDINGS, check_embeddings),
    "genes.file": (GENES, check_genes),
    "torch weights": (WEIGHTS, check_weights(".pth")),
    "safetensors": (SAFETENSORS, check_weights(".safetensors")),
}
CASES = [(kind, case) for kind, (table, _) in KINDS.items() for case in table]


@pytest.fixture(scope="module")
def rows():
    """The rows of `docs/errors.md` by kind and case; with ERRORS=write they are written anew."""
    if WRITE:
        found = {}
        yield found
        table = "".join("| " + " | ".join(row) + " |\n" for row in found.values())
        head = DOCS.read_text(encoding="utf-8").partition("| kind |")[0]
        DOCS.write_text(f"{head}| kind | what is wrong | what is said |\n|---|---|---|\n{table}")
    else:
        lines = DOCS.read_text(encoding="utf-8").partition("|---|\n")[2].splitlines()
        cells = [tuple(line[2:-2].split(" | ")) for line in lines]
        yield {row[:2]: row for row in cells}


@pytest.mark.parametrize(("kind", "case"), CASES)
def test_bad_input(kind, case, study, own_cohort, rows, monkeypatch):
    table, check = KINDS[kind]
    edit, said = table[case]
    monkeypatch.chdir(own_cohort.parent)
    with h5py.File(own_cohort.parent / "secret.h5", "w") as secret:
        secret["x"] = np.zeros(3)
    with pytest.raises(InputError) as error:
        check(edit, own_cohort, study)
    sentence = str(error.value)
    assert said in sentence or re.search(said, sentence)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert not (own_cohort.parent / "exploded").exists()
    sentence = sentence.replace(f"{own_cohort}/", "").replace(str(own_cohort), "my_slides")
    row = (kind, case, sentence.replace("|", "\\|"))
    if WRITE:
        rows[kind, case] = row
    assert rows.get((kind, case)) == row


def test_the_docs_have_no_other_rows(rows):
    assert list(rows) == CASES


def test_too_few_genes(cohort):
    spots = pair.pair(cohort / "st/SIM1.h5ad", cohort / "metadata/SIM1.json", QC, PATCHES)
    with pytest.raises(InputError, match=r"genes.number is 500, but only"):
        panel.choose([spots], "variance", 500, {"SIM1": set(spots.var_names)})


def test_embeddings_of_another_sample(cohort):
    spots = pair.pair(cohort / "st/SIM1.h5ad", cohort / "metadata/SIM1.json", QC, PATCHES)
    vectors = np.zeros((2, 4), "f4")
    with pytest.raises(InputError, match="no barcode in common"):
        fold = {"train": ["SIM1"], "validation": [], "test": [], "within": {}}
        batches.assemble(fold, 112, ["SIM1"], [spots], [(["x", "y"], vectors)], spots.var_names[:2])


def test_unknown_timm_model():
    with pytest.raises(InputError, match=r"no model 'resnet81', did you mean 'resnet"):
        encoders.load({"model": "resnet81", "weights": "random"}, 224)
