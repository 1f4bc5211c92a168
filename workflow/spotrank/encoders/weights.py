"""Files of weights: where they are, fetched from the hub, and what they are known by."""

import hashlib
import json
from pathlib import Path

from spotrank.base import provenance
from spotrank.base.store import InputError, whole
from spotrank.cohorts import hub
from spotrank.encoders.registry import WEIGHTS, from_hub, rows

FILES = ("model.safetensors", "pytorch_model.bin")


def places(spec, pauses=hub.PAUSES):
    """`{hub.File: path}` of a spec's files, weights first, beside its manifest.

    They are of the commit that the revision names now; for transformers, config and code are among
    them, for an adapter the weights of its `base` are the second. `InputError` if the hub has no
    weights of that name. pauses: see `hub`.
    """
    repo, kind = spec["repo"], spec["kind"]
    commit = hub.commit_of(repo, kind, spec["revision"], pauses)
    choices = list(spec.get("files", FILES))
    found = hub.files(repo, kind, commit, choices, pauses)
    weights = next((name for name in choices if name in found), None)
    if weights is None:
        raise InputError(
            f"{repo} has no {' or '.join(choices)} at revision '{spec['revision']}'; correct "
            "'files' in resources/encoders.yaml."
        )
    files = [found[weights]]
    if spec.get("loader") in ("transformers", "remote"):
        top = hub.listing(repo, kind, commit)
        beside = [name for name in top if name == "config.json" or name.endswith(".py")]
        files += hub.files(repo, kind, commit, beside, pauses).values()
    folder = WEIGHTS / spec["encoder"] / spec["revision"]
    if "base" in spec:
        files += places(rows()[spec["base"]], pauses)
    return {file: folder / Path(file.name).name for file in files}


def here(spec):
    """Paths of a spec's files from the hub, if they were fetched."""
    manifest = Path(spec["weights"])
    if not manifest.exists():
        return []
    files = json.loads(manifest.read_text())["files"]
    return [manifest.with_name(Path(name).name) for name in files]


def fetch(row, manifest):
    """Bring a row's files beside `manifest`, a JSON that names the commit, files and hashes."""
    files = places(row)
    for file, path in files.items():
        hub.download(file, path)
    first, *others = files
    about = {
        "repo": first.repo,
        "commit": first.commit,
        "weights": files[first].name,
        "sha256": provenance.stamp(files[first])["sha256"],
        "files": {file.name: file.digest for file in files},
    }
    if "base" in row:
        base = files[others[0]]
        both = about["sha256"] + provenance.stamp(base)["sha256"]
        about |= {"weights": base.name, "adapter": files[first].name}
        about["sha256"] = hashlib.sha256(both.encode()).hexdigest()
    with whole(manifest) as path:
        path.write_text(json.dumps(about, indent=1))


def identity(spec):
    """Hash of a spec's weights, and the commit they are of where they come from the hub."""
    if from_hub(spec):
        manifest = json.loads(Path(spec["weights"]).read_text())
        return {"weights_sha256": manifest["sha256"], "commit": manifest["commit"]}
    if Path(spec["weights"]).is_file():
        return {"weights_sha256": provenance.stamp(spec["weights"])["sha256"]}
    return {"weights_sha256": "random"}
