"""Encoders: patches in, one vector a patch out.

An encoder is `Encoder(embed, size, about)`: `embed` takes uint8 patches `(n, size, size, 3)` and
returns float32 `(n, dimension)`, an array or a tensor that the GPU may still be at; `about` says
what made the vectors, for the file's attributes. An encoder without weights is a function and a row
of `ENCODERS`; those with weights on the hub are rows of `resources/encoders.yaml`.
"""

import fcntl
import functools
import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

from spotrank import hub
from spotrank.config import one_of
from spotrank.store import InputError, whole

REGISTRY = Path(__file__).parents[2] / "resources" / "encoders.yaml"
WEIGHTS = Path("resources/weights")  # of the registry's encoders, from the hub
FILES = ("model.safetensors", "pytorch_model.bin")
ABOUT = (
    "name",
    "batch_size",
    "um_per_px",
    "gated",
    "gflops",
    "licence",
    "citation",
)  # what decides no number

PIXELS = 112  # side in px of the patches that a head takes as they are (HisToGene's)


@dataclass
class Encoder:
    embed: Callable
    size: int
    about: dict = field(default_factory=dict)
    interpolation: str = "lanczos"


def stain_statistics(size, threads=1):
    """Stain and texture statistics, 39 numbers a patch; no weights, the floor for all others.

    Of each stain (haematoxylin, eosin, residual; optical density unmixed after Ruifrok & Johnston
    2001): mean, standard deviation, 10, 50 and 90 % quantiles, standard deviation after averaging
    over 4, 8, 16 and 32 px, and mean absolute gradient. Mean and standard deviation of red, green
    and blue. Shares of tissue (mean colour below 0.9), dense haematoxylin and dense eosin.
    """
    from spotrank import stains

    if size < 64:
        raise InputError(
            f"config: 'patches.size' is {size}, but stain_statistics averages over 32 px and needs "
            "patches of 64 px; raise it."
        )
    pool = ThreadPoolExecutor(threads)

    def embed(patches):
        parts = np.array_split(patches, threads)
        return np.concatenate(list(pool.map(stains.statistics, parts)))

    return Encoder(embed, size, {"transform": "optical density, stains after Ruifrok & Johnston"})


ENCODERS = {"stain_statistics": stain_statistics}


@functools.cache
def registry():
    """`{name: row}` of `resources/encoders.yaml`."""
    rows = yaml.safe_load(REGISTRY.read_text(encoding="utf-8"))
    return {
        name: {"encoder": name, "kind": "model", "revision": "main", "um_per_px": 0.5, **row}
        for name, row in rows.items()
        if not name.startswith(".")
    }


def row(name, revision):
    """A row of the registry, at a revision of its repository."""
    return registry()[name] | {"revision": revision}


def resolve(entry):
    """`(label, spec)` of a config's entry: a row's name, a row with changes, or a timm model.

    A spec holds `weights` ('random', a file or folder, or a manifest `weights.json` of files from
    the hub), `precision`, `pooling`, `batch_size`, and what its loader needs: see `networks`.
    Raises `InputError` for what is neither.
    """
    if isinstance(entry, str):
        entry = {"encoder": entry}
    rows, given = registry(), {key: value for key, value in entry.items() if key != "name"}
    common = {"batch_size": 32}
    if "encoder" in given:
        name = one_of(given["encoder"], [*ENCODERS, *rows], "encoders")
        if "model" in given or name in ENCODERS:
            raise InputError(
                f"config: encoders: '{name}' takes no {'model' if 'model' in given else 'options'};"
                " leave them out."
            )
        spec = common | rows[name] | given
        if spec["pooling"] != rows[name]["pooling"]:
            del spec["dimension"]  # is of the row's own pooling
        if "weights" not in given:
            spec["weights"] = str(WEIGHTS / name / spec["revision"] / "weights.json")
        # a cache made otherwise needs another name
        changed = [
            Path(given[key]).stem.replace("+", "_")
            for key in ("weights", "revision", "precision", "pooling")
            if key in given and given[key] != rows[name].get(key)
        ]
        label = "-".join([name, *changed])
    else:
        for key in ("model", "weights"):
            if key not in given:
                raise InputError(
                    f"config: encoders: {dict(entry)} lacks '{key}'; give 'encoder', a name of "
                    "resources/encoders.yaml, or timm's 'model' and its 'weights'."
                )
        spec = common | {"precision": "fp32", "pooling": ""} | given
        label = f"{given['model']}-{Path(given['weights']).stem}"
    return entry.get("name", label), spec


def from_hub(spec):
    """Whether a spec's weights come from the hub."""
    return isinstance(spec, dict) and spec["weights"].endswith("weights.json")


def decides(spec):
    """The part of a spec that decides the numbers."""
    return {key: value for key, value in spec.items() if key not in ABOUT}


def places(spec):
    """`{hub.File: path}` of a spec's files, weights first, beside its manifest.

    They are of the commit that the revision names now; for transformers, config and code are among
    them. `InputError` if the hub has no weights of that name.
    """
    repo, kind = spec["repo"], spec["kind"]
    commit = hub.commit_of(repo, kind, spec["revision"])
    choices, beside = list(spec.get("files", FILES)), []
    if spec.get("loader") in ("transformers", "remote"):
        beside = [
            name
            for name in hub.listing(repo, kind, commit)
            if name == "config.json" or name.endswith(".py")
        ]
    found = hub.files(repo, kind, commit, choices + beside)
    weights = next((name for name in choices if name in found), None)
    if weights is None:
        raise InputError(
            f"{repo} has no {' or '.join(choices)} at revision '{spec['revision']}'; correct "
            "'files' in resources/encoders.yaml."
        )
    folder = WEIGHTS / spec["encoder"] / spec["revision"]
    return {found[name]: folder / Path(name).name for name in (weights, *beside)}


def fetch_weights(row, manifest):
    """Bring a row's files beside `manifest`, a JSON that names the commit, files and hashes."""
    files = places(row)
    for file, path in files.items():
        hub.download(file, path)
    weights, path = next(iter(files.items()))
    about = {
        "repo": weights.repo,
        "commit": weights.commit,
        "weights": path.name,
        "sha256": sha256(path),
        "files": {file.name: file.digest for file in files},
    }
    with whole(manifest) as path:
        path.write_text(json.dumps(about, indent=1))


def identity(spec):
    """Hash of a spec's weights, and the commit they are of where they come from the hub."""
    if from_hub(spec):
        manifest = json.loads(Path(spec["weights"]).read_text())
        return {"weights_sha256": manifest["sha256"], "commit": manifest["commit"]}
    if Path(spec["weights"]).is_file():
        return {"weights_sha256": sha256(spec["weights"])}
    return {"weights_sha256": "random"}


def load(spec, size, threads=1):
    """The encoder that a spec asks for.

    spec: name of a row of `ENCODERS`, or what `resolve` gives; size: side of a patch in px where
    the encoder has none; threads: to compute with on a CPU. Raises `InputError` for a model that
    is not there or weights that don't fit it.
    """
    return ENCODERS[spec](size, threads) if isinstance(spec, str) else _with_network(spec, threads)


def network(model="", weights="random", pooling="", **row):
    """A module that gives vectors `(n, d)`, and timm's data config, for any entry of a config.

    model, weights, pooling: of a timm model; `network(**spec)` takes what `resolve` gives. The
    config tells `mean`, `std`, `interpolation`, `input_size` (3, px, px) of what the module takes.
    Raises `InputError` as `load` does.
    """
    import timm

    from spotrank import networks

    module = networks.build({"model": model, "weights": weights, "pooling": pooling, **row})
    if "mean" in row:
        config = {key: tuple(row[key]) for key in ("mean", "std")}
        px = row.get("crop", row["size"])
        config |= {"interpolation": row["interpolation"], "input_size": (3, px, px)}
    else:
        config = timm.data.resolve_model_data_config(getattr(module, "trunk", module))
    return module, config


def input_size(spec):
    """Side in px of the patches that a spec's network takes."""
    import timm

    if "size" in spec:
        return spec.get("crop", spec["size"])
    return timm.get_pretrained_cfg(spec["model"]).input_size[1]


def _with_network(spec, threads):
    """An encoder by a network, on the GPU where there is one, in the spec's precision."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)  # for weights: random
    module, config = network(**spec)
    device = free_device()
    dtype = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[
        spec["precision"]
    ]
    module = module.to(device)
    px = config["input_size"][1]
    size = spec.get("size", px)
    margin = (size - px) // 2
    mean, std = (255 * torch.tensor(config[key], device=device) for key in ("mean", "std"))

    @torch.inference_mode()
    def embed(patches):
        rgb = torch.as_tensor(patches).to(device, non_blocking=True)
        rgb = rgb[:, margin : margin + px, margin : margin + px]
        images = ((rgb - mean) / std).permute(0, 3, 1, 2)
        with torch.autocast(device.partition(":")[0], dtype, dtype != torch.float32):
            vectors = module(images)
        if vectors.ndim != 2:
            raise InputError(
                f"config: encoders: '{spec['model']}' with pooling '{spec['pooling']}' gives no "
                f"vector a patch but {tuple(vectors.shape[1:])}; choose another pooling."
            )
        return vectors.float()

    about = identity(spec) | {
        "transform": f"(rgb/255 - {config['mean']}) / {config['std']}",
        "pooled_by": spec["pooling"] or str(getattr(module, "global_pool", "")),
        "device": device,
    }
    return Encoder(embed, size, about, config["interpolation"])


def free_device():
    """'cpu', or a GPU that no other job here has; waits for one, and holds it till this one ends.

    So jobs that run side by side on one machine take a GPU each.
    """
    import torch

    gpus = range(torch.cuda.device_count())
    names = [str(torch.cuda.get_device_properties(gpu).uuid) for gpu in gpus]
    return f"cuda:{claim(names)}" if names else "cpu"


def claim(names, wait=1):
    """Index of the first of `names` that no other process holds; held till this process ends."""
    locks = [(Path(tempfile.gettempdir()) / f"spotrank-{name}.lock").open("a") for name in names]
    logging.info("waiting for a GPU that no other job has, of %d", len(names))
    while True:
        for index, lock in enumerate(locks):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            _HELD.append(lock)
            return index
        time.sleep(wait)


_HELD = []  # open files, whose locks go with the process


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
