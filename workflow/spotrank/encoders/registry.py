"""The encoders that a config may name: rows of `resources/encoders.yaml`, and timm models."""

import functools
from pathlib import Path

import yaml

from spotrank.base.store import RESOURCES, InputError
from spotrank.base.words import one_of
from spotrank.encoders.weightless import ENCODERS

REGISTRY = RESOURCES / "encoders.yaml"

WEIGHTS = Path("resources/weights")  # of the registry's encoders, from the hub

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


@functools.cache
def rows():
    """`{name: row}` of `resources/encoders.yaml`."""
    content = yaml.safe_load(REGISTRY.read_text(encoding="utf-8"))
    return {
        name: {"encoder": name, "kind": "model", "revision": "main", "um_per_px": 0.5, **row}
        for name, row in content.items()
        if not name.startswith(".")
    }


def row(name, revision):
    """A row of the registry, at a revision of its repository."""
    return rows()[name] | {"revision": revision}


def trained_on(entry):
    """What the encoder of a config's entry was trained on that test slides may be of, or None."""
    if isinstance(entry, str):
        entry = {"encoder": entry}
    return entry.get("trained_on", rows().get(entry.get("encoder"), {}).get("trained_on"))


def resolve(entry):
    """`(label, spec)` of a config's entry: a row's name, a row with changes, or a timm model.

    A spec holds `weights` ('random', a file or folder, or a manifest `weights.json` of files from
    the hub), `precision`, `pooling`, `batch_size`, and what its loader needs: see `networks`.
    Raises `InputError` for what is neither.
    """
    if isinstance(entry, str):
        entry = {"encoder": entry}
    registered = rows()
    given = {key: entry[key] for key in entry if key not in ("name", "trained_on")}
    common = {"batch_size": 32}
    if "encoder" in given:
        name = one_of(given["encoder"], [*ENCODERS, *registered], "encoders")
        if "model" in given or name in ENCODERS:
            raise InputError(
                f"config: encoders: '{name}' takes no {'model' if 'model' in given else 'options'};"
                " leave them out."
            )
        spec = common | registered[name] | given
        if spec["pooling"] != registered[name]["pooling"]:
            del spec["dimension"]  # is of the row's own pooling
        if "weights" not in given:
            spec["weights"] = str(WEIGHTS / name / spec["revision"] / "weights.json")
        # a cache made otherwise needs another name
        changed = [
            Path(given[key]).stem.replace("+", "_")
            for key in ("weights", "revision", "precision", "pooling")
            if key in given and given[key] != registered[name].get(key)
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
    spec.pop("trained_on", None)  # decides no number
    return entry.get("name", label), spec


def from_hub(spec):
    """Whether a spec's weights come from the hub."""
    return isinstance(spec, dict) and spec["weights"].endswith("weights.json")


def decides(spec):
    """The part of a spec that decides the numbers."""
    return {key: value for key, value in spec.items() if key not in ABOUT}
