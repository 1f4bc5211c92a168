"""Tables of all scores of a study."""

import pandas as pd

KEYS = ["cohort", "split", "encoder", "panel", "head", "loss", "auxiliary"]
METRICS = ("spearman", "pearson", "spearman_given_depth")
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


def summary(scores):
    """One row for each combination of KEYS.

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
    table["leak"] = grouped[["fold", "leak"]].apply(_leak_in_words)
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

    Returns two DataFrames of one shape, the numbers and what leaks in each ('' if nothing does).
    """
    rows = [key for key in ("encoder", "panel", "head", "auxiliary") if _varies(summary, key)]
    rows.append("loss")
    several = _varies(summary, "split")
    column = summary["cohort"] + (", " + summary["split"] if several else "")
    index = pd.MultiIndex.from_frame(summary[rows].drop_duplicates())
    numbers, leaks = (
        summary.assign(column=column)
        .pivot(index=rows, columns="column", values=values)
        .reindex(index if len(rows) > 1 else index.get_level_values(0))
        .reindex(columns=column.unique())
        .rename_axis(columns=None)
        for values in (f"{metric}_mean", "leak")
    )
    if _varies(summary, "cohort") and not several:
        numbers["mean"] = numbers.mean(axis=1)
        leaks["mean"] = leaks.apply(lambda row: next(filter(None, row), ""), axis=1)
    return numbers, leaks


def _varies(frame, column):
    return frame[column].nunique() > 1


def ranks(table):
    """Rank of each number in its column, 1 the best, among rows that differ in loss only."""
    rounded = table.round(3)
    if table.index.nlevels == 1:
        return rounded.rank(ascending=False, method="dense")
    levels = list(range(table.index.nlevels - 1))
    return rounded.groupby(level=levels, sort=False).rank(ascending=False, method="dense")


def notes(leaks):
    """What the daggers in a table say, a sentence each."""
    said = {column: sorted(set(leaks[column]) - {""}) for column in leaks if column != "mean"}
    return [f"† {column}: {text}." for column, texts in said.items() for text in texts]


def formatted(numbers, leaks, best, second):
    """The table as text, three decimals; best and second are formats such as '**{}**'."""
    text = numbers.map(lambda value: "–" if pd.isna(value) else f"{value:.3f}")
    place = ranks(numbers)
    text = text.mask(place == 1, text.map(best.format)).mask(place == 2, text.map(second.format))
    return (text + leaks.map(lambda leak: " †" if leak else "")).reset_index()


def tsv(numbers, leaks):
    """Plain numbers, and what leaks in a row."""
    said = leaks.apply(lambda row: "; ".join(dict.fromkeys(filter(None, row))), axis=1)
    return numbers.assign(leak=said).to_csv(sep="\t")


def markdown(numbers, leaks):
    text = formatted(numbers, leaks, "**{}**", "<u>{}</u>")
    return "\n\n".join([text.to_markdown(index=False, disable_numparse=True), *notes(leaks)]) + "\n"


def latex(numbers, leaks):
    """A booktabs table; best bold, second underlined."""
    frame = formatted(numbers, leaks, r"\textbf{{{}}}", r"\underline{{{}}}")
    frame = frame.map(_tex).rename(columns=_tex)
    alignment = "l" * numbers.index.nlevels + "r" * numbers.shape[1]
    text = frame.to_latex(index=False, column_format=alignment).strip()
    return "\n\n".join([text, *map(_tex, notes(leaks))]) + "\n"


def html(numbers, leaks):
    """A page of its own, for the report."""
    frame = formatted(numbers, leaks, "<b>{}</b>", "<u>{}</u>")
    text = frame.to_html(index=False, escape=False, border=0)
    text += "".join(f"<p>{note}</p>" for note in notes(leaks))
    return f"<!doctype html><meta charset='utf-8'><style>{STYLE}</style>{text}\n"


def _tex(text):
    return text.replace("_", r"\_").replace("%", r"\%").replace("†", r"$\dagger$")
