"""Whether the cells of a table can be trusted, and all that is known of where they come from."""

import json
import subprocess
from collections import Counter
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from spotrank.base.provenance import SEVERAL, differences, digest, of_scores, public, stamp
from spotrank.base.store import InputError, read_parquet


def git():
    """Commit of the workflow, and whether its files differ from it; None where it is in none."""
    command = ["git", "-C", str(Path(__file__).parents[3])]
    try:
        commit, changes, _ = (
            subprocess.run([*command, *what], capture_output=True, text=True, check=True).stdout
            for what in (
                ["rev-parse", "HEAD"],
                ["status", "--porcelain", "workflow", "resources"],
                # a copy may lie in somebody's own repository
                ["ls-files", "--error-unmatch", "workflow/Snakefile"],
            )
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"commit": commit.strip(), "changed": bool(changes)}


def check(cells, records):
    """What is wrong with the cells of a table: `{path: words}`, of sound ones nothing.

    cells: `{path: made_by as it now stands, as digests}`; records: `{path: record}` of the files
    that are there, None for a file without one. A cell is missing, stale (made by other code,
    config or data than now stands), or made by other versions of packages than most.
    """
    found, seen = {}, {}
    for path, expected in cells.items():
        if path not in records:
            found[path] = "is missing"
            continue
        own = records[path]
        if own is None:
            found[path] = "does not say what made it"
            continue
        other = differences(own, expected, seen=seen)
        if other:
            found[path] = f"is stale: {', '.join(other)} changed"
    sound = {path: records[path]["versions"] for path in cells if path not in found}
    counts = {}
    for versions in sound.values():
        for package, number in versions.items():
            counts.setdefault(package, Counter())[number] += 1
    usual = {package: count.most_common(1)[0][0] for package, count in counts.items()}
    for path, versions in sound.items():
        other = [
            f"{key} {number}"
            for key, number in versions.items()
            if number != usual[key] or SEVERAL in number
        ]
        if other:
            found[path] = f"is of other versions than most: {', '.join(other)}"
    return found


def trusted(cells, paths, marks_holes):
    """`(records, holes)` of the cells of `paths`: by path, records of the sound ones, and what is
    wrong with the others, see `check`. Each is read to its end, one after the other.

    Raises `InputError` that lists them if there are holes that are not to be marked, or nothing is
    left.
    """
    seen = {}
    records = {path: _shared(of_scores(path), seen) for path in paths}
    holes = check(cells, records)
    for path in tqdm(records, "scores", mininterval=2, ascii=True):
        try:
            path in holes or read_parquet(path)
        except InputError:
            holes[path] = "is damaged"
    listed = "; ".join(f"{path} {words}" for path, words in holes.items())
    if holes and not marks_holes:
        raise InputError(
            f"{len(holes)} of the tables' cells can't be trusted: {listed}; delete these "
            "files and their fits, touch data that changed, and run again, or set report.holes: "
            "mark."
        )
    sound = {path: record for path, record in records.items() if path not in holes}
    if not sound:
        raise InputError(f"none of {len(cells)} cells can be used: {listed}; run the study first.")
    for path, words in holes.items():
        print(f"left out: {path} {words}")
    return sound, holes


def _shared(record, seen):
    """The record with all that others say, too, held once; seen: `{what was said: itself}`."""

    def once(value):
        return seen.setdefault(value if isinstance(value, str) else json.dumps(value), value)

    return record and {
        key: {once(name): once(value) for name, value in part.items()}
        for key, part in record.items()
    }


def gather(output, config, records, holes, tables=()):
    """All that is known of a study's tables, for `provenance.json`.

    output: its path; config: in full; records, holes: see `trusted`; tables: paths of the cohorts'
    metadata. `id` is a hash of what decides the numbers, not of where, when and how fast; `source`
    is a sentence for below a table.
    """
    inputs = {
        path: {key: stamped[key] for key in ("bytes", "sha256")}
        for own in records.values()
        for path, stamped in own["inputs"].items()
    }
    stages = pd.DataFrame(
        {name: of_stage for own in records.values() for name, of_stage in own["stages"].items()}
    ).T
    of_stage = stages.groupby(stages.index.str.partition(" ").get_level_values(0))
    versions = {key: number for own in records.values() for key, number in own["versions"].items()}
    cells = {path: digest(own["made_by"]) for path, own in records.items()}
    data = sorted(stamped["sha256"] for stamped in inputs.values())
    encoders = {name: about for own in records.values() for name, about in own["encoders"].items()}
    samples = {name: about for own in records.values() for name, about in own["samples"].items()}
    of_tables = {str(path): stamp(path) for path in tables}
    machines = {json.dumps(own): own for own in stages["machine"]}
    number = digest([cells, versions, data])
    source = f"Made by {output}, id {number}."
    if holes:
        n = len(holes) + len(records)
        source += f" Left out: {len(holes)} of {n} cells, see 'holes' there."
    return {
        "study": config["study"],
        "id": number,
        "source": source,
        "config": config,
        "git": git(),
        "versions": versions,
        "seeds": config["seeds"],
        "encoders": encoders,
        "samples": samples,
        "inputs": dict(sorted((inputs | of_tables).items())),
        "cells": cells,
        "holes": holes,
        "machines": list(machines.values()),
        "started": stages["started"].min(),
        "jobs": of_stage.size().to_dict(),
        "seconds": of_stage["seconds"].sum().to_dict(),
    }


def collect(output, config, cells, paths, marks_holes, tables=()):
    """What is known of a study's tables, see `gather`, whose `cells` are the sound ones.

    paths: of the files of scores that are there; tables: of the cohorts' metadata tables; the
    others: see `gather` and `trusted`. Raises `InputError` as `trusted` does.
    """
    records, holes = trusted(cells, paths, marks_holes)
    return gather(output, config, records, holes, tables)


def as_text(known):
    """`provenance.json`, without what is the user's own."""
    return public(json.dumps(known, indent=1, ensure_ascii=False))
