"""What a study will download, and whether its encoders can be had: tables to read beforehand."""

import shutil
from pathlib import Path

from tabulate import tabulate

from spotrank.base.store import InputError
from spotrank.cohorts import fetch, hub
from spotrank.encoders import registry, weights


def downloads(hest, kinds, specs):
    """A table of the files that a study needs from the hub: how many, how large, and still to get.

    hest: `{revision: samples}` of HEST-1k; kinds: of its files; specs: `{name: spec}` of encoders.
    """
    rows, notes = [], []
    for revision, samples in hest.items():
        for kind in kinds:
            names = [fetch.name_of(kind, sample) for sample in samples]
            files = fetch.hest_files(revision, names)
            places = {file: fetch.HEST / revision / name for name, file in files.items()}
            rows.append(_row(f"HEST-1k {kind}", places))
    for name, spec in specs.items():
        if registry.from_hub(spec):
            try:
                rows.append(_row(f"weights of {name}", weights.places(spec)))
            except InputError as error:
                notes.append(f"\nNot counted: {error}")
    if not rows:
        return "This study downloads nothing." + "".join(notes)
    total = [sum(column) for column in list(zip(*rows, strict=True))[1:]]
    table = tabulate(
        [*rows, ["total", *total]],
        headers=["", "files", "GB", "files to download", "GB to download"],
        floatfmt=".3f",
        disable_numparse=[0],
    )
    free = shutil.disk_usage(".").free / 1e9
    return f"{table}\n\n{free:.1f} GB are free here." + "".join(notes)


def _row(what, places):
    """Number and GB of the files `{hub.File: path}`, and of those among them that are not here."""
    missing = [
        file
        for file, path in places.items()
        if not path.exists() and not hub.cached(file.repo, file.kind, file.commit, file.name)
    ]
    row = [what]
    for files in (places, missing):
        row += [len(files), sum(file.size for file in files) / 1e9]
    return row


def encoders_table(specs, patches):
    """A table of the encoders: where from, access, weights, size, device, licence; and what to do.

    specs: `{name: spec}`; patches: the config's geometry, to compare µm/px with.
    """
    import torch

    from spotrank.encoders import networks

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    rows, to_do = [], []
    for name, spec in specs.items():
        if isinstance(spec, str) or not registry.from_hub(spec):
            own = spec if isinstance(spec, dict) else {}
            source = own.get("weights", "no weights")
            rows.append([name, source, "", "", None, own.get("precision", "fp32"), "", ""])
            continue
        try:
            networks.check(spec)
        except InputError as error:
            to_do.append(str(error))
        access = hub.access(spec["repo"], spec["kind"])
        if access != "granted":
            to_do.append(access)
        size, weights = None, "to download"
        try:
            file = next(iter(weights.places(spec)))
            size = file.size / 1e9
            if hub.cached(file.repo, file.kind, file.commit, file.name):
                weights = "in the hub's cache"
        except InputError as error:
            weights = "out of reach"
            to_do.append(str(error))
        if Path(spec["weights"]).exists():
            weights = "here"
        um = patches["size"] * patches["um_per_px"] / spec["size"]
        rows.append(
            [
                name,
                spec["repo"],
                ("gated, " if spec.get("gated") else "")
                + ("granted" if access == "granted" else "not granted"),
                weights,
                size,
                spec["precision"],
                f"{spec['um_per_px']:g} / {um:.2g}",
                spec["licence"],
            ]
        )
    headers = ["encoder", "from", "access", "weights", "GB", "precision", "µm/px own / here"]
    table = tabulate(rows, headers=[*headers, "licence"], floatfmt=".3f")
    notes = "".join(f"\n- {line}" for line in dict.fromkeys(to_do))
    return f"{table}\n\nDevice: {device}." + (f"\n\nTo do:{notes}" if notes else "")
