"""A loopback hub that has an encoder's weights, and patches to show it."""

import numpy as np
import torch
from huggingface_hub import constants
from loopback import TOKEN, Hub

from spotrank.encoders import registry, weights


def served(monkeypatch, tmp_path, name, files, gated=False):
    """A loopback hub that has `files` as the repository of the row `name`."""
    row = registry.rows()[name]
    server = Hub({(row["kind"], row["repo"]): files}, gated=(row["repo"],) if gated else ())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return server


def fetched(monkeypatch, server, name, **changes):
    """The spec of a row whose weights were fetched from `server`."""
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    _, spec = registry.resolve({"encoder": name, **changes})
    weights.fetch(registry.row(name, "main"), spec["weights"])
    return spec


PATCHES = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype="u1")


def standardised(spec, patches=PATCHES):
    rgb = torch.tensor(patches / 255, dtype=torch.float32)
    return ((rgb - torch.tensor(spec["mean"])) / torch.tensor(spec["std"])).permute(0, 3, 1, 2)


def shallow(monkeypatch, name):
    """Leave a row one block, to save time."""
    arguments = registry.rows()[name]["arguments"] | {"depth": 1}
    monkeypatch.setitem(registry.rows()[name], "arguments", arguments)
