"""The samples of a cohort, and where their files are; laid out as HEST-1k lays them out."""

import re
from functools import cache
from pathlib import Path

import pandas as pd
import yaml

from spotrank.base.store import RESOURCES, InputError, in_a_line, whole
from spotrank.base.words import nearest, one_of
from spotrank.cohorts import hub, simulate, slide_files

FOLDER = Path("resources/cohorts")  # of cohorts that the workflow makes
HEST = Path("resources/hest")  # of HEST-1k's own files, which belong to no cohort
REPOSITORY = ("MahmoodLab/hest", "dataset")
SUFFIXES = {"st": "h5ad", "wsis": "tif", "patches": "h5", "metadata": "json"}
TASKS = RESOURCES / "tasks.yaml"


def samples(name, cohort, donors):
    """The metadata of a cohort's samples, indexed by `sample`, with the column `patient` filled in.

    name: the cohort's name; cohort: its part of the config.
    donors: Series of true donors by sample, which overrule the table's patients. A sample of
    unknown patient is its own; a label that several data sets use counts once for each.
    Raises `InputError` for a bad table, a sample it lacks, or a query that finds nothing.
    """
    if cohort["source"] == "simulated":
        table = simulate.design(**{key: cohort[key] for key in cohort if key != "source"})
    else:
        table = read_table(table_path(name, cohort))
    table = table.set_index("id").rename_axis("sample")
    if cohort["source"] != "simulated":
        table = table.loc[_chosen(name, cohort, table)]
    patient = table["patient"].fillna("")
    datasets = table.groupby(patient)["dataset_title"].transform("nunique")
    patient = patient.where(datasets < 2, patient + " (" + table["dataset_title"].fillna("") + ")")
    patient = patient.where(table["patient"].notna(), table.index)
    table["patient"] = donors.reindex(table.index).fillna(patient)
    return table


def table_path(name, cohort):
    """Path of a cohort's metadata table; `InputError` if its folder has none."""
    if cohort["source"] == "simulated":
        return FOLDER / name / "HEST_v1_1_0.csv"
    if cohort["source"] == "hest":
        return hest_table(cohort["revision"])
    tables = sorted(Path(cohort["folder"]).glob("HEST_v*.csv"))
    if not tables:
        raise InputError(
            f"cohorts.{name}: there is no metadata table HEST_v*.csv in {cohort['folder']}; "
            "check 'folder', or write one (README, your own slides)."
        )
    return tables[-1]


def hest_table(revision):
    """Path of HEST-1k's newest metadata table at a revision, from the hub unless it is here."""
    folder = HEST / revision
    if not (tables := list(folder.glob("HEST_v*.csv"))):
        commit = _commit(revision)
        listing = hub.listing(*REPOSITORY, commit)
        tables = [Path(name) for name in listing if re.fullmatch(r"HEST_v\w+\.csv", name)]
        if not tables:
            raise InputError(
                f"{REPOSITORY[0]}: there is no metadata table HEST_v*.csv at revision "
                f"'{revision}'; correct 'revision'."
            )
        name = max(tables, key=_version).name
        hub.download(hub.files(*REPOSITORY, commit, [name])[name], folder / name)
        return folder / name
    return max(tables, key=_version)


def _commit(revision):
    """The commit that a revision named first, kept beside the files: all of them come from that."""
    kept = HEST / revision / "commit.txt"
    if not kept.exists():
        # few tries: no plan is made without it, and somebody waits for the plan
        commit = hub.commit_of(*REPOSITORY, revision, pauses=hub.FEW)
        with whole(kept) as path:
            path.write_text(f"{commit}\n")
    return kept.read_text().strip()


def _version(path):
    return [int(number) for number in re.findall(r"\d+", path.stem)]


def hest_files(revision, names, pauses=hub.PAUSES):
    """`{name: hub.File}` of HEST-1k's files; `InputError` for one that is not in the data set."""
    commit = _commit(revision)
    found = hub.files(*REPOSITORY, commit, names, pauses)
    if missing := [name for name in names if name not in found]:
        raise InputError(
            f"{REPOSITORY[0]} has no {missing[0]} at revision '{revision}', though its table names "
            "the sample; leave it out, or use patches.source: wsis."
        )
    return found


def name_of(kind, sample):
    """Name of a sample's file of one `kind`, as HEST-1k has it."""
    return f"{kind}/{sample}.{SUFFIXES[kind]}"


def bring(revision, paths):
    """Download HEST-1k's files whose `paths` are these, each whole and checked."""
    names = {str(Path(path).relative_to(HEST / revision)): path for path in paths}
    for name, file in hest_files(revision, list(names)).items():
        hub.download(file, names[name])


def task(name, key):
    """Samples, validation and test of a published task `STUDY/TASK` that the config's `key` names.

    `samples` is a list or a query; `test` holds a list of samples a fold.
    """
    return _tasks()[one_of(name, _tasks(), key)]


@cache
def _tasks():
    studies = yaml.safe_load(TASKS.read_text(encoding="utf-8"))
    return {
        f"{study}/{task}": content
        for study, tasks in studies.items()
        for task, content in tasks.items()
    }


def read_table(path):
    """HEST's metadata table, as text, empty cells missing; `InputError` if it is unfit."""
    try:
        # HEST-1k has patients of three spaces: they are missing
        table = pd.read_csv(path, dtype=str, encoding="utf-8-sig", skipinitialspace=True)
    except (ValueError, OSError) as error:
        raise InputError(
            f"{path}: not a readable CSV table ({in_a_line(error)}); mend it."
        ) from None
    for column in ("id", "patient", "dataset_title"):
        if column not in table:
            raise InputError(f"{path}: lacks the column '{column}'; add it.")
    if table["id"].isna().any():
        raise InputError(f"{path}: row {table['id'].isna().argmax() + 2} has no id; fill it in.")
    if table["id"].duplicated().any():
        twice = table.loc[table["id"].duplicated(), "id"].iloc[0]
        raise InputError(f"{path}: the sample '{twice}' stands there twice; keep one row.")
    return table


def _chosen(name, cohort, table):
    """Ids of the samples that the config asks for: a list, a query, or all that the folder has."""
    wanted = cohort.get("samples")
    if isinstance(wanted, str):
        wanted = task(wanted, f"cohorts.{name}.samples")["samples"]
    if isinstance(wanted, dict):
        found = table
        for column, values in wanted.items():
            if column not in table:
                raise InputError(
                    f"config: cohorts.{name}.samples asks for '{column}', which is no column of "
                    f"the metadata table{nearest(column, table.columns)}; use one of its columns."
                )
            values = values if isinstance(values, list) else [values]
            found = found[found[column].isin(map(str, values))]
        if found.empty:
            raise InputError(f"config: cohorts.{name}.samples finds no sample; widen the query.")
        return list(found.index)
    if wanted is None:
        wanted = sorted(path.stem for path in Path(cohort["folder"]).glob("st/[!.]*.h5ad"))
        if not wanted:
            raise InputError(
                f"cohorts.{name}: there is no st/*.h5ad in {cohort['folder']}; check 'folder'."
            )
    for sample in wanted:
        if sample not in table.index:
            raise InputError(
                f"cohorts.{name}: the sample '{sample}' is not in the metadata table"
                f"{nearest(sample, table.index)}; add its row or leave it out."
            )
    return wanted


def path(name, cohort, kind, sample):
    """Path of a sample's file of one `kind`: 'st', 'wsis', 'patches' or 'metadata'."""
    place = name_of(kind, sample)
    if cohort["source"] == "simulated":
        return FOLDER / name / place
    if cohort["source"] == "hest":
        return HEST / cohort["revision"] / place
    file = Path(cohort["folder"]) / place
    if kind == "wsis":
        return slide_files.slide_of(file.parent, sample)
    if not file.exists():
        raise InputError(
            f"cohorts.{name}: {file} is missing; put it there or leave the sample out."
        )
    return file
