"""The samples of a cohort, and where their files are; laid out as HEST-1k lays them out."""

import re
import unicodedata
import warnings
from functools import cache
from io import StringIO
from pathlib import Path

import pandas as pd
import yaml

from spotrank.base.store import RESOURCES, InputError, in_a_line, read_text, whole
from spotrank.base.words import as_list, nearest, one_of
from spotrank.cohorts import hub, simulate, slide_files

FOLDER = Path("resources/cohorts")  # of cohorts that the workflow makes
HEST = Path("resources/hest")  # of HEST-1k's own files, which belong to no cohort
REPOSITORY = ("MahmoodLab/hest", "dataset")
SUFFIXES = {"st": "h5ad", "wsis": "tif", "patches": "h5", "metadata": "json"}
TASKS = RESOURCES / "tasks.yaml"
VERSION = re.compile(r"HEST_v\d+([._]\d+)*\.csv")  # name of a metadata table
INVISIBLE = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
NOBODY = ("-", "?", "n/a", "na", "nan", "none", "null", "unknown")  # patients, in lower case


def samples(name, cohort, donors):
    """The metadata of a cohort's samples, indexed by `sample`, with the column `patient` filled in
    and as it was written in `written`.

    name: the cohort's name; cohort: its part of the config.
    donors: Series of true donors by sample, which overrule the table's patients. A sample of
    unknown patient is its own; a label that several data sets use counts once for each.
    Raises `InputError` for a bad table, a sample it lacks, a query that finds nothing, or labels
    of one data set that seem to mean one patient.
    """
    if cohort["source"] == "simulated":
        table = simulate.design(**{key: cohort[key] for key in cohort if key != "source"})
    else:
        path = table_path(name, cohort)
        table = _table(path, path.stat().st_mtime_ns)
    table = table.set_index("id").rename_axis("sample")
    if cohort["source"] != "simulated":
        table = table.loc[_chosen(name, cohort, table)]
    patient = table["patient"].fillna("")
    datasets = table.groupby(patient)["dataset_title"].transform("nunique")
    patient = patient.where(datasets < 2, patient + " (" + table["dataset_title"].fillna("") + ")")
    patient = patient.where(table["patient"].notna(), table.index)
    donor = donors.reindex(table.index)
    _check_labels(name, cohort, table[donor.isna()], patient[donor.isna()])
    return table.assign(written=table["patient"].fillna(""), patient=donor.fillna(patient))


def _check_labels(name, cohort, table, patient):
    """`InputError` for labels of one data set that differ in what people write either way."""
    alike = patient.groupby([table[key].map(_folded) for key in ("dataset_title", "patient")])
    for _, labels in alike:
        first = labels.drop_duplicates()
        if len(first) > 1:
            named = " and ".join(f"'{label}' of {sample}" for sample, label in first.items())
            raise InputError(
                f"cohorts.{name}: the patients {named} differ in case, spaces, leading zeros or "
                f"'.0' only; write one way in {table_path(name, cohort)}, or two names that differ "
                "in more if they are two."
            )


def _folded(label):
    """A label without what people write either way; missing ones stay so."""
    if pd.isna(label):
        return label
    label = unicodedata.normalize("NFKC", label).casefold()
    label = re.sub(r"(?<![\d.])0+(?=\d)|\.0+(?!\d)", "", label)
    return re.sub(r"(?<!\d) | (?!\d)", "", label)


def table_path(name, cohort):
    """Path of a cohort's metadata table; `InputError` if its folder has none."""
    if cohort["source"] == "simulated":
        return FOLDER / name / "HEST_v1_1_0.csv"
    if cohort["source"] == "hest":
        return hest_table(cohort["revision"])
    if not (table := _newest(Path(cohort["folder"]).glob("HEST_v*.csv"))):
        others = ", ".join(no_tables(cohort))
        raise InputError(
            f"cohorts.{name}: there is no metadata table HEST_v*.csv in {cohort['folder']}"
            f"{others and f', and {others} is not named as one'}; check 'folder', or write one "
            "(README, your own slides)."
        )
    return table


def no_tables(cohort):
    """Names of files of a cohort's folder that are like those of metadata tables, but no version:
    copies, backups and leftovers, which are not read."""
    if cohort["source"] != "local":
        return []
    names = (path.name for path in Path(cohort["folder"]).glob("*HEST_v*"))
    return sorted(name for name in names if not VERSION.fullmatch(name))


def hest_table(revision):
    """Path of HEST-1k's newest metadata table at a revision, from the hub unless it is here."""
    folder = HEST / revision
    if not (table := _newest(folder.glob("HEST_v*.csv"))):
        commit = _commit(revision)
        listing = hub.listing(*REPOSITORY, commit)
        if not (table := _newest(map(Path, listing))):
            raise InputError(
                f"{REPOSITORY[0]}: there is no metadata table HEST_v*.csv at revision "
                f"'{revision}'; correct 'revision'."
            )
        name = str(table)
        hub.download(hub.files(*REPOSITORY, commit, [name])[name], folder / name)
        return folder / name
    return table


def _commit(revision):
    """The commit that a revision named first, kept beside the files: all of them come from that."""
    kept = HEST / revision / "commit.txt"
    if not kept.exists():
        # few tries: no plan is made without it, and somebody waits for the plan
        commit = hub.commit_of(*REPOSITORY, revision, pauses=hub.FEW)
        with whole(kept) as path:
            path.write_text(f"{commit}\n")
    return kept.read_text().strip()


def _newest(paths):
    """The metadata table of the highest version, by number, or None."""
    tables = [path for path in paths if VERSION.fullmatch(str(path.name))]
    return max(tables, key=lambda path: _numbers(path.stem), default=None)


def _numbers(text):
    return [int(number) for number in re.findall(r"\d+", text)]


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


@cache  # one table serves many cohorts
def _table(path, _modified_ns):
    return read_table(path)


def read_table(path):
    """HEST's metadata table, as text without needless white space, empty cells missing;
    `InputError` if it is unfit. Commas, semicolons or tabs separate."""
    text = INVISIBLE.sub("", read_text(path)).lstrip("\n")
    separator = max(",;\t", key=text.partition("\n")[0].count)
    text = re.sub(r"[^\S\n\t]+" if separator == "\t" else r"[^\S\n]+", " ", text)
    options = {"dtype": str, "skipinitialspace": True, "skip_blank_lines": False}
    try:
        with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):
            table = pd.read_csv(StringIO(text), sep=separator, index_col=False, **options)
    except (pd.errors.ParserError, pd.errors.ParserWarning):
        raise InputError(
            f"{path}: a row has more cells than the header, or a quotation no end; put cells that "
            f"hold a {separator!r} in quotes."
        ) from None
    except ValueError as error:
        raise InputError(
            f"{path}: not a readable CSV table ({in_a_line(error)}); mend it."
        ) from None
    table.columns = table.columns.str.strip()
    table = table.apply(lambda cells: cells.str.strip()).replace("", None).dropna(how="all")
    for column in ("id", "patient", "dataset_title"):
        if column not in table:
            raise InputError(
                f"{path}: lacks the column '{column}'{nearest(column, table.columns)}; add it."
            )
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()][0]
        raise InputError(f"{path}: the column '{twice}' stands there twice; keep one.")
    if table["id"].isna().any():
        raise InputError(f"{path}: row {table['id'].isna().idxmax() + 2} has no id; fill it in.")
    if table["id"].duplicated().any():
        twice = table.loc[table["id"].duplicated(), "id"].iloc[0]
        raise InputError(f"{path}: the sample '{twice}' stands there twice; keep one row.")
    table["patient"] = table["patient"].mask(table["patient"].str.lower().isin(NOBODY))
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
            for value in as_list(values):
                if not isinstance(value, str) and str(value) not in set(table[column]):
                    raise InputError(
                        f"config: cohorts.{name}.samples.{column} asks for what is {value} to "
                        "YAML, which no row has; put it in quotes, as the table writes it."
                    )
            found = found[found[column].isin(map(str, as_list(values)))]
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
