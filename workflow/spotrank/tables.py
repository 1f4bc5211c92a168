"""Tables of all scores of a study."""

import pandas as pd

KEYS = ["cohort", "split", "encoder", "panel", "head", "loss", "auxiliary"]
METRICS = ("spearman", "pearson")
STYLE = (
    "body{font-family:sans-serif;margin:1em} table{border-collapse:collapse} "
    "th,td{padding:.3em .8em;text-align:right;border-bottom:1px solid #ccc} "
    "th{border-bottom:2px solid #333}"
)


def runs(scores):
    """Mean of each metric over genes, then over slides: a row for each fold and seed of KEYS.

    Genes whose correlation is undefined have no part in the mean; `n_undefined` counts them.
    """
    keys = [*KEYS, "fold", "seed"]
    scores = scores.assign(n_undefined=scores["spearman"].isna())
    slides = scores.groupby([*keys, "sample"], sort=False, observed=True).agg(
        **{metric: (metric, "mean") for metric in (*METRICS, "mse", "noise_free_spearman")},
        n_genes=("gene", "nunique"),
        n_undefined=("n_undefined", "sum"),
        leak=("leak", "first"),
    )
    return (
        slides.groupby(keys, sort=False, observed=True)
        .agg(
            **{metric: (metric, "mean") for metric in (*METRICS, "mse", "noise_free_spearman")},
            n_genes=("n_genes", "max"),
            n_undefined=("n_undefined", "sum"),
            leak=("leak", "first"),
        )
        .reset_index()
    )


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
    )
    table["leak"] = grouped[["fold", "leak"]].apply(_leak_in_words)
    return table.reset_index()


def _leak_in_words(folds):
    folds = folds.drop_duplicates("fold")
    leaking = folds[folds["leak"] != ""]
    if leaking.empty:
        return ""
    what = "; ".join(leaking["leak"].unique())
    return f"{len(leaking)} of {len(folds)} folds: {what}"


def wide(summary, metric="spearman"):
    """Losses in rows, cohorts in columns, means of `metric`; more keys where they vary.

    A cohort whose folds leak is marked '†'. Returns the table and its notes, a list of sentences.
    """
    varying = [key for key in ("encoder", "panel", "head", "auxiliary") if _varies(summary, key)]
    several = _varies(summary, "split")
    name = summary["cohort"] + (", " + summary["split"] if several else "")
    leak = summary.groupby(name, sort=False)["leak"].agg(
        lambda leaks: next(filter(None, leaks), "")
    )
    mark = name.map(lambda column: column + (" †" if leak[column] else ""))
    table = summary.assign(column=mark).pivot(
        index=[*varying, "loss"], columns="column", values=f"{metric}_mean"
    )
    order = summary[[*varying, "loss"]].drop_duplicates()
    table = table.reindex(index=order if varying else order["loss"], columns=mark.unique())
    table = table.rename_axis(columns=None)
    if varying:
        table.index = pd.MultiIndex.from_frame(order)
    if _varies(summary, "cohort") and not several:
        table["mean"] = table.mean(axis=1)
    notes = [f"† {column}: {text}." for column, text in leak.items() if text]
    return table, notes


def _varies(frame, column):
    return frame[column].nunique() > 1


def ranks(table):
    """Rank of each number in its column, 1 the best, among rows that differ in loss only."""
    rounded = table.round(3)
    if table.index.nlevels == 1:
        return rounded.rank(ascending=False, method="dense")
    levels = list(range(table.index.nlevels - 1))
    return rounded.groupby(level=levels, sort=False).rank(ascending=False, method="dense")


def formatted(table, best, second):
    """The table as text, three decimals; best and second are formats such as '**{}**'."""
    text = table.map(lambda value: "–" if pd.isna(value) else f"{value:.3f}")
    place = ranks(table)
    text = text.mask(place == 1, text.map(best.format)).mask(place == 2, text.map(second.format))
    return text.reset_index()


def markdown(table, notes):
    text = formatted(table, "**{}**", "<u>{}</u>").to_markdown(index=False, disable_numparse=True)
    return "\n\n".join([text, *notes]) + "\n"


def latex(table, notes):
    """A booktabs table; best bold, second underlined."""
    frame = formatted(table, r"\textbf{{{}}}", r"\underline{{{}}}")
    frame = frame.rename(columns=_tex).assign(loss=frame["loss"].map(_tex))
    text = frame.to_latex(
        index=False, column_format="l" * table.index.nlevels + "r" * table.shape[1]
    )
    return "\n\n".join([text.strip(), *map(_tex, notes)]) + "\n"


def html(table, notes):
    """A page of its own, for the report."""
    text = formatted(table, "<b>{}</b>", "<u>{}</u>").to_html(index=False, escape=False, border=0)
    text += "".join(f"<p>{note}</p>" for note in notes)
    return f"<!doctype html><meta charset='utf-8'><style>{STYLE}</style>{text}\n"


def _tex(text):
    return text.replace("_", r"\_").replace("%", r"\%").replace("†", r"$\dagger$")
