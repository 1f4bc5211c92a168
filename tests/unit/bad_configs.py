"""Malformed configs and cohorts, each an edit and the sentence that it must give."""

import shutil
from pathlib import Path

import anndata
import pandas as pd
import yaml

from spotrank.study.files import Files
from spotrank.study.study import Study


def change(*path, to):
    """An edit of the config: the value at `path`."""

    def edit(config):
        *outer, last = path
        for key in outer:
            config = config.setdefault(key, {})
        config[last] = to

    return edit


def other(samples, **options):
    """An edit: a cohort `d` of `samples` beside the first, which keeps SIM1 and SIM2."""

    def edit(config):
        config["cohorts"]["d"] = config["cohorts"]["c"] | {"samples": samples} | options
        config["cohorts"]["c"]["samples"] = ["SIM1", "SIM2"]

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
        "'alpha' of 'ridge' is 'best'; give a number from 0 on, 'validation', 'inner' or 'hest'",
    ),
    "no feature for a forest": (
        change("heads", to=[{"head": "forest", "features": 0}]),
        "'features' of 'forest' is 0; give a number above 0, 1 at most",
    ),
    "width that heads of 'flow' don't divide": (
        change("heads", to=[{"head": "flow", "width": 30}]),
        "width 30 of 'flow' is no multiple of its 4 heads",
    ),
    "strategy for trees": (
        lambda config: config.update(heads=["mlp", "forest"], auxiliary=["all"]),
        "'all' can't act on the head 'forest', in which genes share no trunk that their losses",
    ),
    "unknown training of a head": (
        change("heads", to=[{"head": "mlp", "training": {"epochs": 3}}]),
        "unknown key 'epochs'.*max_epochs",
    ),
    "head twice": (change("heads", to=["mlp", "mlp"]), "'mlp' stands there twice"),
    "unknown floor": (change("floors", to=["dept"]), "no choice 'dept', did you mean 'depth'"),
    "head by a floor's name": (
        change("heads", to=[{"head": "linear", "name": "floor"}]),
        "heads: 'floor' is a name of the floors' own; give another 'name'",
    ),
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
    "one cohort that is tested on others": (
        change("split", "strategy", to="leave_one_cohort_out"),
        "leave_one_cohort_out needs two cohorts, of which one trains; add a cohort",
    ),
    "test of no other": (
        change("cohorts", "c", "role", to="test"),
        "cohorts.c has the role 'test', but there is no other that trains",
    ),
    "unknown role": (change("cohorts", "c", "role", to="tests"), "choose from train, test"),
    "a sample that trains and tests": (
        other(["SIM2", "SIM3"], role="test"),
        "the sample 'SIM2' is in cohorts.c and in cohorts.d, which meet in one fold",
    ),
    "embeddings given for one cohort": (
        other(["SIM4"], role="test", embeddings={"uni_v2": "mine"}),
        "embeddings 'uni_v2' are given for cohorts.d and not for cohorts.c, which",
    ),
    "predictions that are not there": (
        change("cohorts", "c", "predictions", to={"mine": "tool"}),
        "tool: lacks SIM1.h5ad and SIM1.parquet; keep one of them for each sample, or leave",
    ),
    "head by the predictions' name": (
        change("heads", to=[{"head": "linear", "name": "given"}]),
        "heads: 'given' is the name of other tools' predictions; give another 'name'",
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
    "study that is a number": (change("study", to=7), "'study' is 7 to YAML, a number"),
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
    "ids that YAML takes for numbers": (
        change("cohorts", "c", "samples", to=yaml.safe_load("[SIM1, 001]")),
        "'cohorts.c.samples[1]' is 1 to YAML, a number, date or truth value, but must be",
    ),
    "ids that YAML takes for dates": (
        change("split", "ids", "c", to=yaml.safe_load("test: [2024-01-01]")),
        "'split.ids.c.test[0]' is 2024-01-01 to YAML, a number, date or truth value, but must be",
    ),
    "ids that YAML takes for truth values": (
        change("cohorts", "c", "samples", to=yaml.safe_load("[SIM1, no]")),
        "'cohorts.c.samples[1]' is False to YAML",
    ),
    "name that YAML takes for a number": (
        change("cohorts", "c", "embeddings", to=yaml.safe_load("12_5: folder")),
        "a name at 'cohorts.c.embeddings' is 125 to YAML",
    ),
    "query that YAML takes for a truth value": (
        change("cohorts", "c", "samples", to=yaml.safe_load("patient: [Patient 1, yes]")),
        "samples.patient asks for what is True to YAML, which no row has; put it in quotes",
    ),
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
        "the top level lacks the key 'cohorts' or 'synthetic' or 'predict'; add one of them",
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
    Files(Study(config))


def ensembl(folder):
    """Call the genes of SIM3 by ids."""
    adata = anndata.read_h5ad(folder / "st/SIM3.h5ad")
    adata.var_names = [f"ENSG{i:011d}" for i in range(adata.n_vars)]
    adata.write_h5ad(folder / "st/SIM3.h5ad")


FOLDERS = {
    "no table": (lambda folder: (folder / "HEST_v1_1_0.csv").unlink(), "no metadata table"),
    "table without patients": (
        lambda folder: (folder / "HEST_v1_1_0.csv").write_text("id,dataset_title\nSIM1,x\n"),
        "lacks the column 'patient'",
    ),
    "empty table": (lambda folder: (folder / "HEST_v1_1_0.csv").write_text(""), "not a readable"),
    "no counts": (lambda folder: (folder / "st/SIM1.h5ad").unlink(), "'SIM1'|SIM1.h5ad is missing"),
    "no slide": (lambda folder: (folder / "wsis/SIM1.tif").unlink(), "SIM1.* is missing"),
    "two slides": (
        lambda folder: shutil.copy(folder / "wsis/SIM1.tif", folder / "wsis/SIM1.SVS"),
        "SIM1.SVS and SIM1.tif are both slides",
    ),
    "slide of another id": (
        lambda folder: (folder / "wsis/SIM1.tif").rename(folder / "wsis/SIM1.2.tif"),
        "SIM1.* is missing: no slide by a suffix of OpenSlide's formats, such as .tif or .svs "
        "(SIM1.2.tif is not it)",
    ),
    "download that was broken off": (
        lambda folder: (folder / "wsis/SIM1.tif").rename(folder / "wsis/SIM1.tif.part"),
        "(SIM1.tif.part is not it)",
    ),
    "slide that OpenSlide does not know": (
        lambda folder: (folder / "wsis/SIM1.tif").write_bytes(b"\x89PNG"),
        "is a PNG picture, not a slide",
    ),
    "no metadata": (
        lambda folder: (folder / "metadata/SIM1.json").unlink(),
        "SIM1.json is missing",
    ),
    "folder that is not there": (shutil.rmtree, "no metadata table"),
    "table that is not text": (
        lambda folder: (folder / "HEST_v1_1_0.csv").write_bytes(b"\x89HDF\r\n\x1a\n\x00"),
        "not readable as text",
    ),
    "genes of another kind": (
        ensembl,
        "those of SIM3 are Ensembl ids ('ENSG00000000000') and those of SIM1 are symbols",
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
    Files(Study(config)).check_genes()
