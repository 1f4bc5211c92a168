"""Whose the samples of a cohort are."""

import re
import unicodedata

import pandas as pd

from spotrank.base.store import InputError


def samples(source, donors):
    """The metadata of a cohort's samples, indexed by `sample`, with the column `patient` filled in
    and as it was written in `written`.

    source: see `registry.Source`; donors: Series of true donors by sample, which overrule the
    table's patients. A sample of unknown patient is its own; a label that several data sets use
    counts once for each. Raises `InputError` for a bad table, a sample it lacks, a query that finds
    nothing, or labels of one data set that seem to mean one patient.
    """
    table = source.samples()
    patient = table["patient"].fillna("")
    datasets = table.groupby(patient)["dataset_title"].transform("nunique")
    patient = patient.where(datasets < 2, patient + " (" + table["dataset_title"].fillna("") + ")")
    patient = patient.where(table["patient"].notna(), table.index)
    donor = donors.reindex(table.index)
    _check_labels(source, table[donor.isna()], patient[donor.isna()])
    return table.assign(written=table["patient"].fillna(""), patient=donor.fillna(patient))


def _check_labels(source, table, patient):
    """`InputError` for labels of one data set that differ in what people write either way."""
    alike = patient.groupby([table[key].map(_folded) for key in ("dataset_title", "patient")])
    for _, labels in alike:
        first = labels.drop_duplicates()
        if len(first) > 1:
            named = " and ".join(f"'{label}' of {sample}" for sample, label in first.items())
            raise InputError(
                f"cohorts.{source.name}: the patients {named} differ in case, spaces, leading "
                f"zeros or '.0' only; write one way in {source.table()}, or two names that differ "
                "in more if they are two."
            )


def _folded(label):
    """A label without what people write either way; missing ones stay so."""
    if pd.isna(label):
        return label
    label = unicodedata.normalize("NFKC", label).casefold()
    label = re.sub(r"(?<![\d.])0+(?=\d)|\.0+(?!\d)", "", label)
    return re.sub(r"(?<!\d) | (?!\d)", "", label)
