"""Measured numbers beside printed ones.

A printed table is a TSV, a row a number: columns that say what it is of, last of them what the
table compares (a loss, a head, an encoder …), then the metric, and its standard deviation as
`<metric>_sd` where it is printed. The columns are those of `summary.KEYS` or of another summary;
`number` is that of the panel's genes; `mean` in a column stands for the mean over its values.
"""

from functools import partial
from pathlib import Path

import pandas as pd

from spotrank.base.store import RESOURCES, InputError, in_a_line
from spotrank.base.words import nearest
from spotrank.report import tables
from spotrank.verdicts.summary import KEYS, METRICS, SYNTHETIC_KEYS

FOLDER = RESOURCES / "published"
BESIDE = ["within_slides", "pooled"]  # a fold's slides one by one, and pooled
MARKED = "Marked are the best and second of the published numbers, which nobody tested."
COUNTS = ["n_samples", "n_folds", "n_seeds", "n_genes", "n_undefined"]


def path_of(name):
    """Path of a printed table: a name in `resources/published`, or a file of the user's."""
    for path in (FOLDER / f"{name}.tsv", Path(name)):
        if path.is_file():
            return path
    known = sorted(path.stem for path in FOLDER.glob("*.tsv"))
    raise InputError(
        f"config: report.published is '{name}', no file and no published table"
        f"{nearest(name, known)}; give a file's path or one of {', '.join(known)}."
    )


def read(path):
    """A printed table and its metric; `InputError` if the file is none."""
    try:
        printed = pd.read_csv(path, sep="\t", keep_default_na=False)
        metric = next(metric for metric in METRICS if metric in printed)
        numbers = [name for name in (metric, f"{metric}_sd") if name in printed]
        printed[numbers] = printed[numbers].replace("", float("nan")).astype(float)
    except StopIteration:
        raise InputError(
            f"{path}: has no column of a metric ({', '.join(METRICS)}); add it."
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: not a table of numbers, separated by tabs ({in_a_line(error)}); mend it."
        ) from None
    keys = [name for name in printed if name not in numbers]
    return printed.astype(dict.fromkeys(keys, str)), keys, metric


def beside(summary, printed, keys, metric):
    """Printed and measured numbers, a row for each of either.

    summary: as `summary.summarise` gives it, with all of `keys`; printed, keys, metric: of `read`.
    Returns DataFrame, indexed by what varies beyond `keys` and `keys`: `published, published_sd,
    measured, sd, difference`, beside a pooled metric the same `within_slides`, beside another the
    same `pooled`, and what the summary has of `n_samples, n_folds, n_seeds, n_genes, n_undefined,
    leak, holes`. Raises `InputError` if the summary lacks a key.
    """
    if lacking := [key for key in keys if key not in summary]:
        raise InputError(
            f"the printed table's column '{lacking[0]}' is none of this study's; use "
            f"{', '.join(key for key in summary if not key.startswith('n_'))}."
        )
    summary = summary.astype(dict.fromkeys(keys, str))
    varying = [
        key
        for key in dict.fromkeys((*KEYS, *SYNTHETIC_KEYS))
        if key in summary and key not in keys and summary.groupby(keys)[key].nunique().max() > 1
    ]
    summary = summary.astype(dict.fromkeys(varying, str))
    within = metric.removeprefix("pooled_")
    names = {f"{within}_mean": "within_slides", f"pooled_{within}_mean": "pooled"}
    names |= {f"{metric}_mean": "measured", f"{metric}_sd": "sd"}
    measured = summary.rename(columns=names)
    beside = [name for name in (*BESIDE, *COUNTS, "leak", "holes") if name in measured]
    measured = measured[[*varying, *keys, "measured", "sd", *beside]]
    for key in keys:
        values = set(printed[key]) - {"mean"}
        if len(values) < printed[key].nunique():
            others = [*varying, *(other for other in keys if other != key)]
            mean = _mean(measured[measured[key].isin(values)], key, len(values), others)
            measured = pd.concat([measured, mean])
    named = {metric: "published", f"{metric}_sd": "published_sd"}
    printed = printed.rename(columns=named).assign(order=range(len(printed)))
    measured = measured.assign(row=range(len(measured)))
    table = measured.merge(printed, "outer", on=keys).sort_values(["order", "row"])
    # what is not printed stands below its setting's printed rows
    if keys[1:]:
        setting = table.groupby(keys[:-1], sort=False).ngroup()
        table = table.iloc[setting.argsort(kind="stable")]
    table["difference"] = table["measured"] - table["published"]
    for text in {"leak", "holes", *varying} & set(table):
        table[text] = table[text].fillna("")
    columns = ["published", "published_sd", "measured", "sd", "difference", *beside]
    return table.set_index([*varying, *keys]).reindex(columns=columns)


def _mean(measured, key, n, others):
    """Mean of what is measured over the `n` values of `key`, where all of them are."""
    grouped = measured.groupby(others, sort=False)
    # cohorts have samples of their own, panels and the like share them
    same = ("n_seeds", "n_genes") if key == "cohort" else COUNTS[:-1]
    mean = grouped.agg(
        **{
            name: (name, lambda values: values.mean(skipna=False))
            for name in ("measured", *BESIDE)
            if name in measured
        },
        **{name: (name, "max" if name in same else "sum") for name in COUNTS if name in measured},
        **{
            name: (name, lambda said: next(filter(None, said), ""))
            for name in ("leak", "holes")
            if name in measured
        },
    )
    mean = mean[grouped.size() == n]
    return mean.reset_index().assign(**{key: "mean"})


def forms(table, known):
    """`{suffix: text}` of a table of `beside`: TSV, Markdown, LaTeX and HTML.

    known: of `trust.gather`.
    """
    below, text_of = [*notes(table), MARKED, known["source"]], partial(formatted, table)
    return {
        "tsv": table.assign(provenance=known["id"]).to_csv(sep="\t"),
        "md": tables.markdown(text_of, below),
        "tex": tables.latex(text_of, below),
        "html": tables.html(text_of, below),
    }


def _three(value):
    return "–" if pd.isna(value) else f"{value:.3f}"


def formatted(table, best, second):
    """The table as text, for `tables.markdown` and its like; table: of `beside`, indexed by what a
    row is of; best and second of a setting's published numbers are formats such as '**{}**'."""
    text = pd.DataFrame(index=table.index)
    for column, sd in (("published", "published_sd"), ("measured", "sd")):
        shown = table[column].map(_three)
        if column == "published":
            place = tables.ranks(table[column])
            shown = shown.mask(place == 1, shown.map(best.format))
            shown = shown.mask(place == 2, shown.map(second.format))
        text[column] = shown + table[sd].map(
            lambda value: "" if pd.isna(value) else f" ± {value:.3f}"
        )
    for sign, why in (("†", "leak"), ("‡", "holes")):
        if why in table:
            text["measured"] += tables.marked(table[why], sign)
    text["difference"] = table["difference"].map(
        lambda value: "–" if pd.isna(value) else f"{value:+.3f}"
    )
    for name in filter(table.columns.__contains__, BESIDE):
        text[name.replace("_", " ")] = table[name].map(_three)
    for name in filter(table.columns.__contains__, COUNTS):
        text[name.removeprefix("n_")] = table[name].map(
            lambda value: "–" if pd.isna(value) else f"{value:.0f}"
        )
    return text


def notes(table):
    """What the signs in the table say, a sentence each."""
    said = []
    for sign, why in (("†", "leak"), ("‡", "holes")):
        for row, text in table.get(why, pd.Series()).items():
            setting = ", ".join(row[:-1]) if isinstance(row, tuple) else ""
            said.append((sign, setting, text))
    return [
        " ".join(filter(None, [sign, f"{setting}:" * bool(setting), f"{text}."]))
        for sign, setting, text in dict.fromkeys(said)
        if text and setting != "mean"
    ]
