"""A table of malformed inputs, each with the sentence that it must give."""

import json
import re

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from spotrank import embed, encoders, fit, pair, panel
from spotrank.store import InputError
from spotrank.study import Study

PATCHES = {"size": 224, "um_per_px": 0.5, "source": "wsis"}


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
    "hostile study": (change("study", to="../x"), "'study'"),
    "hostile sample": (change("cohorts", "c", "samples", to=["../x"]), "samples"),
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
    "head without encoder": (
        change("heads", to=["linear", "finetune"]),
        "'finetune' finds no encoder that it can take",
    ),
    "encoder without head": (
        change("encoders", to=["stain_statistics", "pixels"]),
        "no head takes 'pixels'; add the head 'histogene'",
    ),
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
}


@pytest.mark.parametrize("case", CONFIGS)
def test_config(study, case):
    edit, sentence = CONFIGS[case]
    edit(study)
    with pytest.raises(InputError, match=sentence) as error:
        Study(study)
    assert "\n" not in str(error.value)


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
}


@pytest.mark.parametrize("case", FOLDERS)
def test_folder(study, own_cohort, case):
    edit, sentence = FOLDERS[case]
    study["cohorts"]["c"]["samples"] = ["SIM1", "SIM3", "SIM4"]
    edit(own_cohort)
    with pytest.raises(InputError, match=sentence):
        Study(study)


def rewrite(edit):
    """Edit the AnnData of SIM1 and write it again."""

    def change_file(folder):
        path = folder / "st/SIM1.h5ad"
        adata = anndata.read_h5ad(path)
        adata = edit(adata) if edit(adata) is not None else adata
        adata.write_h5ad(path)

    return change_file


def set_count(value):
    def edit(adata):
        adata.X.data[0] = value

    return rewrite(edit)


def truncate(name):
    def cut(folder):
        path = folder / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return cut


def pixel_size(value):
    def edit(folder):
        (folder / "metadata/SIM1.json").write_text(json.dumps({"pixel_size_um_estimated": value}))

    return edit


def twice(adata):
    adata.obs_names = [adata.obs_names[0], *adata.obs_names[:-1]]


def patch_file(barcode="x", length=2, dtype="u1"):
    def write(folder):
        (folder / "patches").mkdir()
        with h5py.File(folder / "patches/SIM1.h5", "w") as file:
            file["img"] = np.zeros((2, 8, 8, 3), dtype)
            file["barcode"] = np.array([[f"{barcode}{i}"] for i in range(length)], "S")
            file["coords"] = np.zeros((2, 2))

    return write


SAMPLES = {
    "negative": (set_count(-1), "holds -1, which is negative"),
    "fractional": (set_count(0.5), "holds 0.5, which is fractional"),
    "NaN": (set_count(np.nan), "holds nan, which is not a number"),
    "no spatial": (rewrite(lambda adata: adata.obsm.pop("spatial") is None or None), "lacks obsm"),
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
    "patches of floats": (patch_file(dtype="f4"), "not uint8"),
    "patches with fewer barcodes": (patch_file(length=1), "differ in length"),
}


@pytest.mark.parametrize("case", SAMPLES)
def test_sample(own_cohort, case):
    edit, sentence = SAMPLES[case]
    edit(own_cohort)
    patches = own_cohort / "patches/SIM1.h5"
    qc = {"min_genes": 10, "min_spots": 3, "max_mito": 0.2}
    with pytest.raises(InputError, match=sentence) as error:
        spots = pair.pair(
            own_cohort / "st/SIM1.h5ad",
            own_cohort / "metadata/SIM1.json",
            qc,
            PATCHES,
            own_cohort / "wsis/SIM1.tif",
            patches if patches.exists() else None,
        )
        _read_all_patches(own_cohort, spots)
    assert "\n" not in str(error.value)


def _read_all_patches(folder, spots):
    from spotrank.slides import SlidePatches

    patches = SlidePatches(
        folder / "wsis/SIM1.tif", spots.obsm["spatial"], spots.uns["patch_side_px"], 224
    )
    for i in range(len(patches)):
        patches[i]


def test_no_spot_left(cohort):
    qc = {"min_genes": 61, "min_spots": 3, "max_mito": 0.2}
    with pytest.raises(InputError, match="no spot is left after QC"):
        pair.pair(cohort / "st/SIM1.h5ad", cohort / "metadata/SIM1.json", qc, PATCHES)


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
}


def write(path, n=3, value=0.0, made_by=None, complete=True):
    with h5py.File(path, "w") as file:
        file["embeddings"] = np.full((n, 4), value, "f4")
        file["barcode"] = np.array([["a"], ["b"], ["c"]], "S")
        file.attrs["made_by"] = json.dumps(made_by or {"precision": "fp32"})
        if complete:
            file.attrs["n_spots"] = 3


@pytest.mark.parametrize("case", EMBEDDINGS)
def test_embeddings(tmp_path, case):
    edit, sentence = EMBEDDINGS[case]
    edit(tmp_path / "x.h5")
    with pytest.raises(InputError, match=re.escape(sentence)):
        embed.read(tmp_path / "x.h5", {"precision": "fp32"})


def test_panel_gene_that_a_sample_lacks(tmp_path):
    (tmp_path / "genes.txt").write_text("SIM001\nSIM0002\n")
    with pytest.raises(InputError, match=r"'SIM0002' is not measured in the sample 'a'.*SIM002"):
        panel.from_file(tmp_path / "genes.txt", {"a": {"SIM001", "SIM002"}})


def test_too_few_genes(cohort):
    qc = {"min_genes": 10, "min_spots": 3, "max_mito": 0.2}
    spots = pair.pair(cohort / "st/SIM1.h5ad", cohort / "metadata/SIM1.json", qc, PATCHES)
    with pytest.raises(InputError, match=r"genes.number is 500, but only"):
        panel.choose([spots], "variance", 500, {"SIM1": set(spots.var_names)})


def test_embeddings_of_another_sample(cohort):
    qc = {"min_genes": 10, "min_spots": 3, "max_mito": 0.2}
    spots = pair.pair(cohort / "st/SIM1.h5ad", cohort / "metadata/SIM1.json", qc, PATCHES)
    vectors = np.zeros((2, 4), "f4")
    with pytest.raises(InputError, match="no barcode in common"):
        fold = {"train": ["SIM1"], "validation": [], "test": [], "within": {}}
        fit.assemble(fold, 112, ["SIM1"], [spots], [(["x", "y"], vectors)], spots.var_names[:2])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"hello", "not readable as weights|holds more"),
        ("pickle", "more than tensors"),
        ("other", "doesn't fit the timm model"),
    ],
)
def test_weights(tmp_path, content, sentence):
    import torch

    path = tmp_path / "weights.pth"
    if content == "pickle":
        torch.save({"state_dict": {"x": pd.DataFrame()}}, path)
    elif content == "other":
        torch.save({"x": torch.zeros(3)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        encoders.load({"model": "resnet10t", "weights": str(path)}, 224)


def test_unknown_timm_model():
    with pytest.raises(InputError, match=r"no model 'resnet81', did you mean 'resnet"):
        encoders.load({"model": "resnet81", "weights": "random"}, 224)
