"""Which samples are of one patient, and which are one section under several ids."""

from functools import cache

import pandas as pd

from spotrank.base.store import RESOURCES, InputError
from spotrank.cohorts import fetch
from spotrank.spots import sections


@cache
def known():
    """`resources/donors.tsv`: `donor` and, of what is likely one section under two ids, `section`,
    by sample."""
    return pd.read_csv(RESOURCES / "donors.tsv", sep="\t", index_col="sample", dtype=str)


def settle(name, cohort, samples):
    """Join samples that are one section; returns sentences on what a user must know of a cohort.

    name: the cohort's name; cohort: its part of the config; samples: its metadata, which gets the
    column `section`. Samples of one section are of one patient, with all others of the patients
    that the table gives them: those that `known` lists, and those whose files, where they are here
    before a study begins, have equal counts or pixels.
    """
    samples["section"] = samples.index
    remarks = []
    if others := fetch.no_tables(cohort):
        remarks.append(
            f"cohorts.{name}: {', '.join(others)}: not read, for only names such as "
            f"HEST_v1_1_0.csv are of tables; read is {fetch.table_path(name, cohort).name}."
        )
    listed = known()["section"].reindex(samples.index).dropna()
    pairs = [list(own) for own in listed.groupby(listed).groups.values() if len(own) > 1]
    if pairs:
        remarks.append(
            f"cohorts.{name}: {', '.join(map(' = '.join, pairs))}: likely one section each under "
            "two ids (resources/donors.tsv); each counts as one sample, of one patient."
        )
    equal = _alike(name, cohort, samples)
    remarks += [
        f"cohorts.{name}: {' and '.join(own)} have equal {what}: they count as one sample, of one "
        "patient, whatever the table says; leave out all but one, or mend the files."
        for own, what in equal
    ]
    for own in [*pairs, *(own for own, _ in equal)]:
        sections.join(samples, own)
    return remarks


def _alike(name, cohort, samples):
    """`sections.alike` of files that no job brings."""
    if cohort["source"] != "local":
        return []
    files = {"st": {}, "wsis": {}}
    for kind, found in files.items():
        for sample in samples.index:
            try:
                found[sample] = fetch.path(name, cohort, kind, sample)
            except InputError:  # `files.Files` says so where it is needed
                continue
    return sections.alike(files["st"], files["wsis"])
