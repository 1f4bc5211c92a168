"""Files of weights: where they are, fetched from the hub, and what they are known by."""

import hashlib
import json
from pathlib import Path

from spotrank.base.store import InputError, whole
from spotrank.cohorts import hub
from spotrank.encoders.registry import WEIGHTS, from_hub

FILES = ("model.safetensors", "pytorch_model.bin")


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


def fetch(row, manifest):
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


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
