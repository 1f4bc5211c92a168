"""Tables of samples as people write them, and which rows a config asks for."""

import re
import warnings
from functools import cache
from io import StringIO

import pandas as pd
import yaml

from spotrank.base.store import RESOURCES, InputError, in_a_line, read_text
from spotrank.base.words import as_list, nearest, one_of

TASKS = RESOURCES / "tasks.yaml"
VERSION = re.compile(r"HEST_v\d+([._]\d+)*\.csv")  # name of HEST's metadata table
INVISIBLE = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
HEST = ("id", "patient", "dataset_title")  # columns that are needed of HEST's table
NOBODY = ("-", "?", "n/a", "na", "nan", "none", "null", "unknown")  # patients, in lower case


def newest(paths):
    """The metadata table of the highest version, by number, or None."""
    tables = [path for path in paths if VERSION.fullmatch(str(path.name))]
    return max(tables, key=lambda path: _numbers(path.stem), default=None)


def _numbers(text):
    return [int(number) for number in re.findall(r"\d+", text)]


def read(path, columns=HEST):
    """`read_table`, once as long as the file stays."""
    return _read(path, path.stat().st_mtime_ns if path.exists() else None, columns)


@cache  # one table serves many cohorts
def _read(path, _modified_ns, columns):
    return read_table(path, columns)


def read_table(path, columns=HEST):
    """A table of samples, as text without needless white space, empty cells missing; `InputError`
    if it lacks one of `columns` or is unfit. Commas, semicolons or tabs separate."""
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
    for column in columns:
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


def query(table, wanted, key):
    """Ids of the rows that have the `wanted` values `{column: value or values}`; key: the config's,
    for the `InputError` of a column that is none or values that no row has."""
    found = table
    for column, values in wanted.items():
        if column not in table:
            raise InputError(
                f"config: {key} asks for '{column}', which is no column of the metadata table"
                f"{nearest(column, table.columns)}; use one of its columns."
            )
        for value in as_list(values):
            if not isinstance(value, str) and str(value) not in set(table[column]):
                raise InputError(
                    f"config: {key}.{column} asks for what is {value} to YAML, which no row has; "
                    "put it in quotes, as the table writes it."
                )
        found = found[found[column].isin(map(str, as_list(values)))]
    if found.empty:
        raise InputError(f"config: {key} finds no sample; widen the query.")
    return list(found.index)


def named(table, wanted, name):
    """The ids `wanted` of the cohort `name`, each of which must have a row."""
    for sample in wanted:
        if sample not in table.index:
            raise InputError(
                f"cohorts.{name}: the sample '{sample}' is not in the metadata table"
                f"{nearest(sample, table.index)}; add its row or leave it out."
            )
    return wanted
