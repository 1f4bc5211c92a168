"""What came out, in sentences made from the verdicts, and what a reader must be warned of."""

import re

import pandas as pd

from spotrank.verdicts.compare import ALL, DIFFER, UNTOLD, swapped
from spotrank.verdicts.floors import is_floor, is_given
from spotrank.verdicts.summary import KEYS

PLACE = ["cohort", "split", "panel"]  # rows elsewhere have other patients or genes
BESIDE = ("floor", "given")  # what rows stand beside that are not fitted by a loss
NAMED = 4  # names in a row; more are counted


def answers(summary, comparisons):
    """`[{place, said, elsewhere}]`: sentences on each of PLACE, that of all cohorts first, and
    whether it tests what another cohort trained.

    summary: of `summary.tsv`; comparisons: of `compare.read`. The row of the highest mean over
    patients is set beside every other that differs from it in one thing, beside the floors and
    beside other tools' predictions.
    """
    pairs = comparisons[(comparisons["differ"] != "panel") & ~is_given(comparisons)]
    pairs = pd.concat([pairs, swapped(pairs[~pairs["differ"].isin(BESIDE)])], ignore_index=True)
    for key in DIFFER:
        own = pairs["differ"].isin([key, *BESIDE] if key == "loss" else [key])
        pairs[key] = pairs[key].mask(own, pairs["a"])
    places = [ALL] * (ALL in set(pairs["cohort"])) + list(summary["cohort"].unique())
    said = []
    for cohort in places:
        rows = summary if cohort == ALL else summary[summary["cohort"] == cohort]
        for place, own in rows.groupby(PLACE[1:], sort=False):
            mine = pairs[(pairs[PLACE] == [cohort, *place]).all(axis=1)]
            if cohort != ALL or len(mine):
                said.append({"place": [cohort, *place], "said": _answer(own, mine)})
    return [
        one
        | {"place": _named(one["place"], said), "elsewhere": one["place"][1].startswith("from_")}
        for one in said
    ]


def _named(place, said):
    """What tells a place from the others."""
    columns = zip(*(one["place"] for one in said), strict=True)
    varying = [len(set(column)) > 1 for column in columns]
    return ", ".join(
        part.replace("_", " ") for part, own in zip(place, varying, strict=True) if own
    )


def _answer(rows, pairs):
    """rows: of the summary, of one place; pairs: comparisons there, from both sides."""
    methods = rows[~is_floor(rows) & ~is_given(rows)]
    sound = methods[(methods["leak"] == "") & methods["spearman_mean"].notna()]
    varying = [key for key in KEYS if key not in PLACE and methods[key].nunique() > 1] or ["loss"]

    def name(row):
        return ", ".join(dict.fromkeys(row[key] for key in varying))

    if methods["spearman_mean"].isna().all():
        return ["No row has a score."]
    if sound.empty:
        top = methods.loc[methods["spearman_mean"].idxmax()]
        return [
            "Nothing can be said of new patients: every row leaks.",
            f"{name(top)} has the highest mean, {number(top['spearman_mean'])}.",
        ]
    means = pairs[pairs["leak"] == ""].assign(given=pairs["differ"] == "given")  # of some genes
    means = means.sort_values(["given", "mean_a"], ascending=[True, False], kind="stable")
    keys = [key for key in KEYS if key not in PLACE]
    best = means.iloc[0] if len(means) else sound.loc[sound["spearman_mean"].idxmax()]
    own = pairs[(pairs[keys] == best[keys]).all(axis=1)]
    row = sound[(sound[keys] == best[keys]).all(axis=1)]
    row = row.iloc[0] if len(row) == 1 else None  # over all cohorts there are several
    score = number(best["mean_a"]) if row is None else with_interval(row, "spearman")
    others = own[~own["differ"].isin(BESIDE) & (own["leak"] == "") & (own["n_patients"] > 0)]
    several = sum(sound[key].nunique() > 1 for key in varying) > 1
    said = [_against(name(best), score, others, pairs, several)]
    if leaking := (methods["leak"] != "").sum():
        said.append(f"{leaking} of {len(methods)} rows leak and have no part in this.")
    said += _beside("Of the floors", name(best), own[own["differ"] == "floor"])
    said += _beside("Beside other tools' predictions", name(best), own[own["differ"] == "given"])
    if row is not None and row["spearman_share"] > 0:
        said.append(
            f"{name(best)} reaches {row['spearman_share']:.0%} of what sampling noise leaves to be "
            f"reached ({number(row['ceiling_spearman'])})."
        )
    return said


def _against(best, score, others, pairs, several):
    """The best row beside those that differ from it in one thing; several: things vary."""
    if others.empty:
        return f"{best} scores {score}; there is no other row to compare it with."
    untold = others[others["verdict"].str.startswith(UNTOLD)]
    beaten = others[others["verdict"] == "better"].sort_values("difference", kind="stable")
    n = int(others["n_patients"].max())
    patients = f"{n} patient" + "s" * (n > 1)
    if beaten.empty:
        return _unbeaten(f"{best} has the highest mean, {score}", n, untold["b"], pairs)
    is_mse = (beaten["differ"] == "loss") & (beaten["b"] == "mse")
    shown = beaten[is_mse].iloc[0] if is_mse.any() else beaten.iloc[-1]
    by = f"by {number(shown['difference'])} {interval(shown)}"
    won = f"{shown['b']} {by}"
    if len(beaten) > 1:
        won = f"{len(beaten)} others ({won})"
    if untold.empty and several:
        all_of = f"all {len(beaten)}" if len(beaten) > 1 else "the only one"
        return (
            f"{best} leads with {score}; of those that differ from it in one thing it beats "
            f"{all_of} ({shown['b']} {by}), {patients}."
        )
    if untold.empty:
        return f"{best} is best with {score}: it beats {won}, {patients}."
    if not several and len(untold) == 1 and _also_beats(untold.iloc[0], shown, pairs):
        return (
            f"{best} and {untold.iloc[0]['b']} are best and can't be told apart; both beat "
            f"{shown['b']}, the first {by}, {patients}."
        )
    return (
        f"{best} leads with {score}, but can't be told from {listed(untold['b'])}; "
        f"it beats {won}, {patients}."
    )


def _unbeaten(lead, n, untold, pairs):
    """The best row where it beats no other."""
    if n == 1:
        return f"One patient can't tell methods apart: {lead}."
    if untold.empty:
        return f"{lead}, {n} patients."
    methods = pairs[~pairs["differ"].isin(BESIDE)]
    if methods["verdict"].isin(["better", "worse"]).any():
        return f"{lead}, but can't be told from {listed(untold)}, {n} patients."
    return (
        f"Nothing can be told apart with {n} patients: {lead}, but differs from {listed(untold)} "
        "by no more than chance explains."
    )


def _also_beats(untold, shown, pairs):
    """Whether the row that can't be told from the best beats what is shown, too."""
    if untold["differ"] != shown["differ"]:
        return False
    rest = [key for key in KEYS if key not in (*PLACE, shown["differ"])]
    same = (pairs[rest] == shown[rest]).all(axis=1) & (pairs["differ"] == shown["differ"])
    own = pairs[same & (pairs["a"] == untold["b"]) & (pairs["b"] == shown["b"])]
    return (own["verdict"] == "better").all() and len(own) > 0


def _beside(where, best, others):
    """The best row beside floors or other tools' predictions, a sentence if any was tested."""
    kinds = {
        "beats": others["verdict"] == "better",
        "can't be told from": others["verdict"].str.startswith(UNTOLD),
        "is worse than": others["verdict"] == "worse",
    }
    said = [f"{words} {listed(others.loc[own, 'b'])}" for words, own in kinds.items() if own.any()]
    return [f"{where}, {best} {listed(said)}."] if said else []


def listed(names):
    """Names in a row; of more than NAMED their number."""
    names = list(dict.fromkeys(names))
    if len(names) > NAMED:
        return f"{len(names)} others"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def number(x):
    """Three decimals, without the zero before the point."""
    return "–" if pd.isna(x) else re.sub(r"^(-?)0\.", r"\1.", f"{x:.3f}").replace("-", "−")


def interval(row, low="low", high="high"):
    """A 95 % interval in brackets, or nothing where none is known."""
    return "" if pd.isna(row[low]) else f"[{number(row[low])}, {number(row[high])}]"


def with_interval(row, metric):
    """The mean of a row of the summary, and its interval."""
    ends = interval(row, f"{metric}_low", f"{metric}_high")
    return " ".join(filter(None, [number(row[f"{metric}_mean"]), ends]))


def warnings(summary, samples, known):
    """Sentences on what leaks, what is missing, and which samples look wrong, `[{kind, text}]`.

    samples: of `samples.tsv`; known: `provenance.json`.
    """
    said = []
    for kind, column in (("leak", "leak"), ("hole", "holes")):
        marked = summary[summary[column] != ""]
        for (cohort, split, text), own in marked.groupby(["cohort", "split", column], sort=False):
            all_rows = (summary[["cohort", "split"]] == [cohort, split]).all(axis=1).sum()
            where = f"{cohort}, {split.replace('_', ' ')}"
            of = "all rows" if len(own) == all_rows else f"{len(own)} of {all_rows} rows"
            what = f"leaks in {text}" if kind == "leak" else holes_in_words(text)
            said.append({"kind": kind, "text": f"{where}, {of}: {what}."})
    if holes := len(known["holes"]):
        text = f"Left out as missing or stale: {holes} of {holes + len(known['cells'])} cells."
        said.append({"kind": "hole", "text": text})
    for row in samples[samples["marks"] != ""].to_dict("records"):
        said.append(
            {"kind": "sample", "text": f"{row['cohort']}, {row['sample']}: {row['marks']}."}
        )
    return said + _lost(samples) + _undefined(summary)


def holes_in_words(text):
    """What is missing: folds by those that are there, genes by those that are not."""
    parts = text.split("; ")
    return "; ".join(one if "lacking" in one else f"only {one} are there" for one in parts)


def _lost(samples):
    """What became of spots on their way, in a sentence if any were lost."""
    lost = samples[[column for column in samples if column.startswith("lost_")]].sum()
    if not lost.sum():
        return []
    why = ", ".join(f"{n:,.0f} {WHY[step]}" for step, n in lost[lost > 0].items())
    text = f"{lost.sum():,.0f} of {samples['measured'].sum():,.0f} spots lost: {why}."
    return [{"kind": "lost", "text": text}]


WHY = {
    "lost_enough_genes": "with too few genes",
    "lost_low_mito": "with too much mitochondrial RNA",
    "lost_on_slide": "off the slide",
    "lost_has_patch": "without a patch",
}


def _undefined(summary):
    methods = summary[~is_floor(summary) & ~is_given(summary)]
    n = methods["n_undefined"].sum()
    what = "genes × slides × seeds that are constant have no correlation and no part in a mean"
    return [{"kind": "undefined", "text": f"{n:,} {what}."}] if n else []
