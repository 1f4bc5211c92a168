"""Tables of all scores of a study."""

import pandas as pd

KEYS = ["cohort", "split", "encoder", "panel", "head", "loss", "auxiliary"]
METRICS = ("spearman", "pearson", "pooled_spearman", "pooled_pearson", "spearman_given_depth")
BESIDE = ("mse", "noise_free_spearman", "depth_spearman", "n_auxiliary")
STYLE = (
    "body{font-family:sans-serif;margin:1em} table{border-collapse:collapse} "
    "th,td{padding:.3em .8em;text-align:right;border-bottom:1px solid #ccc} "
    "th{border-bottom:2px solid #333}"
)
SYNTHETIC_KEYS = ["sampling", "loss", "list_size", "thinning"]


def runs(scores):
    """Mean of each metric over genes, then over slides: a row for each fold and seed of KEYS.

    Genes whose correlation is undefined have no part in the mean; `n_undefined` counts them.
    """
    keys = [*KEYS, "fold", "seed"]
    scores = scores.assign(n_undefined=scores["spearman"].isna())
    slides = scores.groupby([*keys, "sample"], sort=False, observed=True).agg(
        **{metric: (metric, "mean") for metric in (*METRICS, *BESIDE)},
        n_genes=("gene", "nunique"),
        n_undefined=("n_undefined", "sum"),
        leak=("leak", "first"),
    )
    table = (
        slides.groupby(keys, sort=False, observed=True)
        .agg(
            **{metric: (metric, "mean") for metric in (*METRICS, *BESIDE)},
            n_genes=("n_genes", "max"),
            n_undefined=("n_undefined", "sum"),
            leak=("leak", "first"),
        )
        .reset_index()
    )
    return table.astype(dict.fromkeys((*KEYS, "leak"), object))


def summary(scores, planned=None):
    """One row for each combination of KEYS.

    planned: `{KEYS: folds that were planned}`, also of what has no scores; by default what is
    there. `holes` says how many folds are lacking.

    Mean and standard deviation are taken over the folds and seeds of `runs`; `n_undefined` counts
    genes × slides × seeds without a correlation; `leak` says in how many folds test patients are in
    training, and which.
    """
    grouped = runs(scores).groupby(KEYS, sort=False, observed=True)
    table = grouped.agg(
        **{
            f"{metric}_{name}": (metric, function)
            for metric in METRICS
            for name, function in (("mean", "mean"), ("sd", "std"))
        },
        n_folds=("fold", "nunique"),
        n_seeds=("seed", "nunique"),
        n_genes=("n_genes", "max"),
        n_undefined=("n_undefined", "sum"),
        noise_free_spearman=("noise_free_spearman", "mean"),
        depth_spearman=("depth_spearman", "mean"),
        n_auxiliary=("n_auxiliary", "mean"),
    )
    tested = scores[[*KEYS, "sample"]].drop_duplicates().astype(object)
    table.insert(table.columns.get_loc("n_folds"), "n_samples", tested.groupby(KEYS).size(), True)
    table["leak"] = grouped[["fold", "leak"]].apply(_leak_in_words)
    planned = planned or table["n_folds"].to_dict()
    table = table.reindex(pd.MultiIndex.from_tuples(planned, names=KEYS))
    counts = [name for name in table if name.startswith("n_") and name != "n_auxiliary"]
    table = table.fillna(dict.fromkeys(counts, 0) | {"leak": ""}).astype(dict.fromkeys(counts, int))
    table["holes"] = [
        f"{there} of {all} folds" if there < all else ""
        for there, all in zip(table["n_folds"], planned.values(), strict=True)
    ]
    return table.reset_index()


def synthetic(scores):
    """One row for each combination of SYNTHETIC_KEYS of the synthetic study.

    Mean and standard deviation are taken over seeds of the mean over functions; `n_undefined`
    counts runs whose score is constant, which have no part in them.
    """
    scores = scores.assign(n_undefined=scores["spearman"].isna())
    seeds = scores.groupby([*SYNTHETIC_KEYS, "seed"], sort=False).agg(
        spearman=("spearman", "mean"), n_undefined=("n_undefined", "sum")
    )
    grouped = seeds.reset_index().groupby(SYNTHETIC_KEYS, sort=False)
    return grouped.agg(
        spearman_mean=("spearman", "mean"),
        spearman_sd=("spearman", "std"),
        n_seeds=("seed", "nunique"),
        n_undefined=("n_undefined", "sum"),
    ).reset_index()


def _leak_in_words(folds):
    folds = folds.drop_duplicates("fold")
    leaking = folds[folds["leak"] != ""]
    if leaking.empty:
        return ""
    what = "; ".join(leaking["leak"].unique())
    return f"{len(leaking)} of {len(folds)} folds: {what}"


def wide(summary, metric="spearman"):
    """Losses in rows, cohorts in columns, means of `metric`; more keys where they vary.

    Returns three DataFrames of one shape: the numbers, what leaks in each, and what it lacks ('' if
    nothing).
    """
    rows = [key for key in ("encoder", "panel", "head", "auxiliary") if _varies(summary, key)]
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
    if _varies(summary, "cohort") and not several:
        numbers["mean"] = numbers.mean(axis=1, skipna=False)
        for marks in (leaks, holes):
            marks["mean"] = marks.apply(lambda row: next(filter(None, row), ""), axis=1)
    return numbers, leaks, holes


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


def notes(marks, sign="†"):
    """What the signs in a table say, a sentence each; marks: their text, by column."""
    said = {column: sorted(set(marks[column]) - {""}) for column in marks if column != "mean"}
    return [f"{sign} {column}: {text}." for column, texts in said.items() for text in texts]


def formatted(numbers, leaks, holes, best, second):
    """The table as text, three decimals; best and second are formats such as '**{}**'.

    leaks, holes: what leaks in a cell and what it lacks, '' if nothing; both are marked.
    """
    text = numbers.map(lambda value: "–" if pd.isna(value) else f"{value:.3f}")
    place = ranks(numbers)
    text = text.mask(place == 1, text.map(best.format)).mask(place == 2, text.map(second.format))
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
    text = frame.to_html(index=False, escape=False, border=0)
    text += "".join(f"<p>{note}</p>" for note in notes)
    return f"<!doctype html><meta charset='utf-8'><style>{STYLE}</style>{text}\n"


def _tex(text):
    for character, command in (
        ("_", r"\_"), ("%", r"\%"), ("†", r"$\dagger$"), ("‡", r"$\ddagger$"), ("±", r"$\pm$"),
    ):  # fmt: skip
        text = text.replace(character, command)
    return text
