"""Tables of a study, to be read: wide, as Markdown, LaTeX and HTML."""

import pandas as pd

from spotrank.verdicts.compare import ALL, OTHER, UNTOLD, swapped
from spotrank.verdicts.floors import OF_ALL, is_floor, is_given, is_partial

FLOOR, TOOL = " (floor)", " (given)"  # behind the name of a floor, or of another tool
NONE = "–"  # in place of what they have not
MEAN = "mean"  # the column of all cohorts of a split
STYLE = (
    "body{font-family:sans-serif;margin:1em} table{border-collapse:collapse} "
    "th,td{padding:.3em .8em;text-align:right;border-bottom:1px solid #ccc} "
    "th{border-bottom:2px solid #333}"
)


def wide(summary, metric="spearman"):
    """Losses in rows, cohorts in columns, means of `metric`; more keys where they vary.

    Other tools stand below what was fitted, floors below all. Returns three DataFrames of one
    shape: the numbers, what leaks in each, and what it lacks ('' if nothing).
    """
    floor, given = is_floor(summary), is_given(summary)
    summary = pd.concat(
        [
            summary[~floor & ~given],
            _labelled(summary[given], TOOL),
            _labelled(summary[floor], FLOOR),
        ]
    )
    keys = ("encoder", "panel", "head", "auxiliary")
    rows = [key for key in keys if _varies(summary[summary[key] != NONE], key)]
    rows.append("loss")
    several = _varies(summary, "split")
    column = summary["cohort"] + (", " + summary["split"] if several else "")
    index = pd.MultiIndex.from_frame(summary[rows].drop_duplicates())
    numbers, leaks, holes = (
        summary.assign(column=column)
        .pivot(index=rows, columns="column", values=values)
        .reindex(index if len(rows) > 1 else index.get_level_values(0))
        .reindex(columns=column.unique())
        .rename_axis(columns=None)
        for values in (f"{metric}_mean", "leak", "holes")
    )
    leaks, holes = leaks.fillna(""), holes.fillna("")
    of_split = column.groupby(summary["split"], sort=False).unique()
    for split, own in of_split[of_split.map(len) > 1].items():
        mean = f"{MEAN}, {split}" if several else MEAN
        numbers[mean] = numbers[own].mean(axis=1, skipna=False)
        for marks in (leaks, holes):
            marks[mean] = marks[own].apply(lambda row: next(filter(None, row), ""), axis=1)
    return numbers, leaks, holes


def _labelled(rows, what):
    """Rows of floors or tools, called such, without a word where they have no choice."""
    return rows.assign(
        loss=rows["loss"] + what,
        encoder=rows["encoder"].replace(OF_ALL, NONE),
        head=NONE,
        auxiliary=NONE,
    )


def _varies(frame, column):
    return frame[column].nunique() > 1


def ranks(numbers):
    """Rank of each number in its column, 1 the best, to three decimals.

    Rows that differ in the last level of the index only are compared.
    """
    rounded = numbers.round(3)
    if numbers.index.nlevels > 1:
        setting = list(range(numbers.index.nlevels - 1))
        rounded = rounded.groupby(level=setting, sort=False, dropna=False)
    return rounded.rank(ascending=False, method="dense")


def verdicts(numbers, comparisons):
    """Best and second of each column of a table of `wide`, where they are verdicts.

    comparisons: of `compare.compare`. Losses that share the other levels of the index are compared,
    and each with other tools. Returns the places, of the shape of `numbers`: 1 + the number of
    better rows, where every difference of a row is a verdict, else NaN; and sentences on what can't
    be told apart.
    """
    said = _told(comparisons)
    cohort = said["cohort"].replace(ALL, MEAN)
    of_split = cohort + ", " + said["split"]
    said = said.assign(
        column=cohort.mask(of_split.isin(numbers.columns), of_split),
        loss=said["a"],
        worse=said["verdict"] == "worse",
        told=said["verdict"].isin(OTHER),
    )
    within = ["column", *numbers.index.names[:-1]]
    rows = said.groupby([*within, "loss"]).agg(worse=("worse", "sum"), told=("told", "all"))
    places = (1 + rows["worse"]).where(rows["told"]).unstack("column")
    places = places.reindex(index=numbers.index, columns=numbers.columns)
    return places, _untold(numbers, said, within)


def _told(comparisons):
    """Comparisons of losses and tools, from both sides, with the names that `wide` gives rows."""
    said = comparisons[comparisons["differ"].isin(["loss", "given"])]
    tools = is_given(said)
    said = said.assign(tool_a=tools, tool_b=tools | (said["differ"] == "given"))
    turned = swapped(said).rename(columns={"tool_a": "tool_b", "tool_b": "tool_a"})
    said = pd.concat([said, turned], ignore_index=True)
    for side in ("a", "b"):
        said[side] = said[side].mask(said[f"tool_{side}"], said[side] + TOOL)
    said.loc[said["tool_a"], ["encoder", "head", "auxiliary"]] = NONE
    return said


def _untold(numbers, said, within):
    """A sentence a pair of which the better, first or second of its column, can't be told from the
    other; said: comparisons from both sides; within: what names a column and setting of it."""
    value = numbers.melt(ignore_index=False, var_name="column").reset_index()
    value = value[value["loss"].isin(said["loss"])].set_index([*within, "loss"])["value"]
    rank = value.groupby(level=within).rank(method="first", ascending=False)
    for side in ("loss", "b"):
        said[f"rank_{side}"] = rank.reindex(pd.MultiIndex.from_frame(said[[*within, side]])).array
    untold = said["verdict"].str.startswith(UNTOLD) & (said["rank_loss"] < said["rank_b"])
    first = said[untold & (said["rank_loss"] <= 2)].sort_values(["rank_loss", "rank_b"])
    first = first.drop_duplicates(within).sort_index()
    first = first.sort_values("column", key=numbers.columns.get_indexer, kind="stable")
    words = first["loss"] + " and " + first["b"] + first["verdict"].str.removeprefix(UNTOLD)
    where = first[within].agg(", ".join, axis=1) if len(first) else words
    return [
        f"Can't be told apart: {pair} in {'; '.join(own)}."
        for pair, own in where.groupby(words, sort=False)
    ]


def notes(marks, sign="†"):
    """What the signs in a table say, a sentence each; marks: their text, by column."""
    own = [column for column in marks if column.split(", ")[0] != MEAN]
    said = {column: sorted(set(marks[column]) - {""}) for column in own}
    return [f"{sign} {column}: {text}." for column, texts in said.items() for text in texts]


def ceilings(summary):
    """What sampling noise leaves to be reached, and how much of that is, a sentence a cohort and
    split; floors and rows that leak, or lack genes that others have, aside."""
    aside = is_floor(summary) | is_partial(summary) | (summary["leak"] != "")
    rows = summary[~aside & summary["spearman_share"].notna()]
    keys = ("encoder", "panel", "head", "auxiliary")
    named, said = [key for key in keys if _varies(rows, key)], []
    for (cohort, split), own in rows.groupby(["cohort", "split"], sort=False):
        where = cohort + (f", {split}" if _varies(summary, "split") else "")
        best = own.loc[own["spearman_share"].idxmax()]
        said.append(
            f"{where}: the ceiling of sampling noise is {best['ceiling_spearman']:.3f}, of which "
            f"{', '.join(best[[*named, 'loss']])} reaches {best['spearman_share']:.0%}, the most."
        )
    return said


def formatted(numbers, leaks, holes, places, best, second):
    """The table as text, three decimals; best and second are formats such as '**{}**'.

    leaks, holes: what leaks in a cell and what it lacks, '' if nothing; both are marked. places: of
    `verdicts`.
    """
    text = numbers.map(lambda value: "–" if pd.isna(value) else f"{value:.3f}")
    text = text.mask(places == 1, text.map(best.format))
    text = text.mask(places == 2, text.map(second.format))
    return text + marked(leaks, "†") + marked(holes, "‡")


def marked(said, sign):
    """The sign, after a space, where something is said."""
    return said.map(lambda text: f" {sign}" if text else "")


def tsv(numbers, leaks, provenance):
    """Plain numbers, what leaks in a row, and the id of the provenance."""
    said = leaks.apply(lambda row: "; ".join(dict.fromkeys(filter(None, row))), axis=1)
    return numbers.assign(leak=said, provenance=provenance).to_csv(sep="\t")


# Each takes a function of the formats of best and second that gives a table as text, indexed by
# its labels, and the sentences below it


def markdown(text_of, notes):
    frame = text_of("**{}**", "<u>{}</u>").reset_index()
    return "\n\n".join([frame.to_markdown(index=False, disable_numparse=True), *notes]) + "\n"


def latex(text_of, notes):
    """A booktabs table; best bold, second underlined."""
    frame = text_of(r"\textbf{{{}}}", r"\underline{{{}}}")
    alignment = "l" * frame.index.nlevels + "r" * frame.shape[1]
    frame = frame.reset_index().map(_tex).rename(columns=_tex)
    text = frame.to_latex(index=False, column_format=alignment).strip()
    return "\n\n".join([text, *map(_tex, notes)]) + "\n"


def html(text_of, notes):
    """A page of its own, for the report."""
    frame = text_of("<b>{}</b>", "<u>{}</u>").reset_index()
    return page(frame.to_html(index=False, escape=False, border=0), notes)


def page(text, notes):
    """A page of a table, `text` in HTML, and the sentences below it."""
    text += "".join(f"<p>{note}</p>" for note in notes)
    return f"<!doctype html><meta charset='utf-8'><style>{STYLE}</style>{text}\n"


def _tex(text):
    for character, command in (
        ("_", r"\_"), ("%", r"\%"), ("†", r"$\dagger$"), ("‡", r"$\ddagger$"), ("±", r"$\pm$"),
    ):  # fmt: skip
        text = text.replace(character, command)
    return text
