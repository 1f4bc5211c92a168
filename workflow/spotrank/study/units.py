"""Which samples are of one patient, and which are one section under several ids."""

import json
from functools import cache
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from spotrank.base.store import RESOURCES, InputError, write_texts
from spotrank.spots import sections

FOUND = "results/{study}/sections.json"


@cache
def known():
    """`resources/donors.tsv`: `donor` and, of what is likely one section under two ids, `section`,
    by sample."""
    return pd.read_csv(RESOURCES / "donors.tsv", sep="\t", index_col="sample", dtype=str)


def remembered(study):
    """`{cohort: groups of samples that are one section}` that an earlier run of a study found."""
    path = Path(FOUND.format(study=study))
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def remember(study):
    """Keep which samples a run of a `Study` found to be one section that its plan parts, for the
    next run to hold out as one: files of some cohorts come during a run. Returns a sentence each.
    """
    provenance = Path(f"results/{study.name}/provenance.json")
    if not provenance.exists():
        return []
    known = json.loads(provenance.read_text(encoding="utf-8")).get("samples", {})
    new = {}
    for cohort, names in groupby(sorted(known), lambda name: name.partition("/")[0]):
        section_of = study.sections.get(cohort, {})
        for own in sections.found({name: known[name] for name in names}):
            if len({section_of.get(sample) for sample in own}) > 1:
                new.setdefault(cohort, []).append(own)
    if not new:
        return []
    earlier = remembered(study.name)
    kept = {cohort: earlier.get(cohort, []) + new.get(cohort, []) for cohort in earlier | new}
    write_texts({FOUND.format(study=study.name): json.dumps(kept, indent=1)})
    return [
        f"cohorts.{cohort}: {' and '.join(own)} have equal counts or pixels, which was found on "
        "the way; run again, and they are held out as one section."
        for cohort, groups in new.items()
        for own in groups
    ]


def settle(source, samples, found=()):
    """Join samples that are one section; returns sentences on what a user must know of a cohort.

    source: the cohort's, see `registry.Source`; samples: its metadata, which gets the column
    `section`; found: groups of samples that an earlier run found to be one section. Samples
    of one section are of one patient, with all others of the patients that the table gives them:
    those that `known` lists, and those whose files have equal counts or pixels.
    """
    samples["section"] = samples.index
    name, remarks = source.name, []
    if others := source.not_read():
        remarks.append(
            f"cohorts.{name}: {', '.join(others)}: not read, for only names such as "
            f"HEST_v1_1_0.csv are of tables; read is {source.table().name}."
        )
    listed = known()["section"].reindex(samples.index).dropna()
    pairs = [list(own) for own in listed.groupby(listed).groups.values() if len(own) > 1]
    if pairs:
        remarks.append(
            f"cohorts.{name}: {', '.join(map(' = '.join, pairs))}: likely one section each under "
            "two ids (resources/donors.tsv); each counts as one sample, of one patient."
        )
    equal = _alike(source, samples)
    equal += [(own, "counts or pixels") for own in found if {*own} <= {*samples.index}]
    remarks += [
        f"cohorts.{name}: {' and '.join(own)} have equal {what}: they count as one sample, of one "
        "patient, whatever the table says; leave out all but one, or mend the files."
        for own, what in equal
    ]
    for own in [*pairs, *(own for own, _ in equal)]:
        sections.join(samples, own)
    return remarks


def persons(samples, tables):
    """`{cohort: {patient: number}}`: patients of several cohorts that are one person have one.

    samples: `{cohort: metadata}`, settled; tables: `{cohort: path of its metadata table}`. One
    person are those who share a donor that `known` lists, or the label that one data set of one
    table gives them; a 'Patient 1' of another table or data set is somebody else.
    """
    donor = known()["donor"]
    rows = pd.concat(
        pd.DataFrame(
            {
                "cohort": name,
                "patient": own["patient"],
                "called": donor.reindex(own.index).fillna(
                    f"{tables[name]}\t"
                    + own["dataset_title"].fillna("")
                    + "\t"
                    + own["written"].where(own["written"] != "", own.index)
                ),
            }
        )
        for name, own in samples.items()
    )
    patient, called = rows.groupby(["cohort", "patient"]).ngroup(), pd.factorize(rows["called"])[0]
    links = sparse.coo_array((np.ones(len(rows)), (patient, called + patient.max() + 1)))
    size = max(links.shape)
    links.resize(size, size)
    person = sparse.csgraph.connected_components(links, directed=False)[1][patient]
    found = {name: {} for name in samples}
    for cohort, name, number in zip(rows["cohort"], rows["patient"], person.tolist(), strict=True):
        found[cohort][name] = number
    return found


def _alike(source, samples):
    """`sections.alike` of files that no job brings."""
    if not source.here:
        return []
    files = {"st": {}, "wsis": {}}
    for kind, found in files.items():
        for sample in samples.index:
            try:
                found[sample] = Path(source.path(kind, sample))
            except InputError:  # `files.Files` says so where it is needed
                continue
    return sections.alike(files["st"], files["wsis"])
