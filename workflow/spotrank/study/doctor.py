"""What a study will download, and whether its encoders can be had: tables to read beforehand."""

import shutil

from tabulate import tabulate

from spotrank.base.store import InputError
from spotrank.cohorts import fetch, hub
from spotrank.encoders import registry, weights


def downloads(needed, specs):
    """A table of the files that a study needs from the hub: how many, how large, and still to get.

    needed: see `study.Study.hub_files`; specs: `{name: spec}` of encoders. The hub is asked for
    nothing that is here.
    """
    rows, notes = [], []
    for home, kinds in needed.items():
        for kind, paths in kinds.items():
            here = [path for path in sorted(paths) if path.exists()]
            missing = [str(path.relative_to(fetch.HEST / home)) for path in paths - {*here}]
            files = fetch.hest_files(home, sorted(missing), hub.FEW).values() if missing else []
            rows.append(_row(f"{fetch.repository(home)[0]} {kind}", here, files))
    for name, spec in specs.items():
        if not registry.from_hub(spec):
            continue
        here, files = weights.here(spec), []
        try:
            files = [] if here else weights.places(spec, hub.FEW)
        except hub.Away:
            raise
        except InputError as error:
            notes.append(f"\nNot counted: {error}")
        else:
            rows.append(_row(f"weights of {name}", here, files))
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


def _row(what, here, files):
    """Number and GB of all files, paths `here` and `hub.File`s, and of those yet to download."""
    missing = [
        file for file in files if not hub.cached(file.repo, file.kind, file.commit, file.name)
    ]
    of_all = [path.stat().st_size for path in here] + [file.size for file in files]
    row = [what]
    for sizes in (of_all, [file.size for file in missing]):
        row += [len(sizes), sum(sizes) / 1e9]
    return row


def encoders_table(specs, patches):
    """A table of the encoders: where from, access, weights, size, device, licence; and what to do.

    specs: `{name: spec}`; patches: the config's geometry, to compare µm/px with. Weights that are
    here need no access. Returns the table, and why the hub could not be asked: a sentence, or ''.
    """
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    rows, to_do, away = [], [], ""
    for name, spec in specs.items():
        if not registry.from_hub(spec):
            own = spec if isinstance(spec, dict) else {}
            source = own.get("weights", "no weights")
            rows.append([name, source, "", "", None, own.get("precision", "fp32"), "", ""])
            continue
        access, place, size, said = "unknown", "unknown", None, []
        if weights.here(spec):
            access, place = "not needed", "here"
        elif not away:
            try:
                access, place, size, said = _asked(spec)
            except hub.Away as error:
                away = str(error)
        to_do += _unfit(spec) + said
        gated = "gated, " if spec.get("gated") else ""
        um = patches["size"] * patches["um_per_px"] / spec["size"]
        scale = f"{spec['um_per_px']:g} / {um:.2g}"
        rows.append(
            [name, spec["repo"], gated + access, place, size, spec["precision"], scale,
             spec["licence"]]
        )  # fmt: skip
    headers = ["encoder", "from", "access", "weights", "GB", "precision", "µm/px own / here"]
    table = tabulate(rows, headers=[*headers, "licence"], floatfmt=".3f")
    notes = "".join(f"\n- {line}" for line in dict.fromkeys(to_do))
    return f"{table}\n\nDevice: {device}." + (f"\n\nTo do:{notes}" if notes else ""), away


def _asked(spec):
    """What the hub says of weights: access, where they are, GB, and sentences of what to do."""
    rows = [spec, registry.rows()[spec["base"]]] if "base" in spec else [spec]
    asked = [hub.access(row["repo"], row["kind"]) for row in rows]
    to_do = [said for said in asked if said != "granted"]
    access = "not granted" if to_do else "granted"
    try:
        files = weights.places(spec, hub.FEW)
    except hub.Away:
        raise
    except InputError as error:
        return access, "out of reach", None, [*to_do, str(error)]
    cached = all(hub.cached(file.repo, file.kind, file.commit, file.name) for file in files)
    size = sum(file.size for file in files) / 1e9
    return access, "in the hub's cache" if cached else "to download", size, to_do


def _unfit(spec):
    """Sentences of what this environment lacks for an encoder."""
    from spotrank.encoders import networks

    try:
        networks.check(spec)
    except InputError as error:
        return [str(error)]
    return []
