"""HEST-Benchmark's files as its data set on the hub has them, small ones."""

import json

import yaml
from conftest import ROOT

REPOSITORY = ("dataset", "MahmoodLab/hest-bench")


def tasks():
    """`{task: {samples, test}}` of the real benchmark."""
    return yaml.safe_load((ROOT / "resources/tasks.yaml").read_text())["HEST-Benchmark"]


def task_files(task, samples, tests, genes):
    """`{path: bytes}` of a task's splits and list of genes."""
    files = {f"{task}/var_50genes.json": json.dumps({"genes": list(genes)}).encode()}
    for fold, test in enumerate(tests):
        train = [sample for sample in samples if sample not in test]
        for part, own in (("train", train), ("test", test)):
            rows = [f"{sample},patches/{sample}.h5,adata/{sample}.h5ad" for sample in own]
            text = "\n".join(["sample_id,patches_path,expr_path", *rows, ""])
            files[f"{task}/splits/{part}_{fold}.csv"] = text.encode()
    return files


def write_patches(path, st, wsi, metadata):
    """A file of HEST's patches of all spots of a simulated sample that lie on its slide."""
    import h5py
    import numpy as np

    from spotrank.encoders import embed

    geometry = {"size": 224, "um_per_px": 0.5, "source": "wsis"}
    barcodes, images = embed.all_patches(224, geometry, st, metadata, wsi, None, threads=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["img"], file["barcode"] = images, np.array(barcodes, "S")[:, None]
        file["coords"] = np.zeros((len(images), 2))
