"""Which rows of a study's tables differ: all pairs that differ in one thing, tested over patients.

Genes, slides and seeds of a patient are averaged beforehand, for they are no units
(docs/statistics.md says what goes wrong otherwise).
"""

from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd

from spotrank.base.store import InputError
from spotrank.verdicts.floors import OF_ALL, is_floor, is_given
from spotrank.verdicts.summary import KEYS
from spotrank.verdicts.units import by_patient, grid, over_folds, student

ALL = "all cohorts"  # no cohort's name: those have no spaces
DIFFER = ("loss", "encoder", "head", "auxiliary")
ALPHA = 0.05
UNTOLD = "can't be told"
OTHER = {"better": "worse", "worse": "better"}  # the verdict from the other side
FLIPS = range(6, 15)  # numbers of patients: fewer can't reach .05, more have patterns without end
AT_A_TIME = 4_000_000  # numbers: memory stays that of a few such arrays
COLUMNS = [
    "cohort", "split", "differ", "encoder", "panel", "head", "auxiliary", "loss", "a", "b",
    "mean_a", "mean_b", "difference", "low", "high", "sd", "p_t", "p_flip", "p", "p_holm",
    "n_patients", "n_seeds", "n_genes", "verdict", "leak", "holes",
]  # fmt: skip


def compare(slides, summary, persons):
    """Differences in mean Spearman, a row a pair, by `COLUMNS`.

    slides: of `slides.gather`; summary: of `summary.summarise`; persons: see `units.by_patient`. A
    pair is of one cohort, or of all where each has both rows, and differs in `differ`: `a` and `b`
    are what its rows have there, the other of KEYS are theirs in common. With 'floor' `b` is a
    floor's name, with 'given' that of a tool whose predictions were given; the other KEYS are those
    of `a`. Tools are compared on the genes that they predicted, panels on the
    genes that both have in a fold. `low`, `high`: 95 % interval of the difference; `sd`: its
    standard deviation over patients; `p`: the larger of `p_t` and `p_flip`, `p_holm` with Holm's
    correction for all tests of the table; `verdict`: of a against b. Rows that leak are not tested.
    """
    from statsmodels.stats.multitest import multipletests  # slow, and not for every start of a run

    tables = list(_of_values(by_patient(slides.means, persons), summary, _pairs))
    for own, some in slides.predicted.items():
        values = by_patient(some, persons)
        tables += _of_values(values, summary, partial(_pairs_of_tools, tools=own))
    for panels in combinations(summary["panel"].unique(), 2):
        if (some := slides.common.get(frozenset(panels))) is not None:
            tables += _of_values(by_patient(some, persons), summary, _pairs_of_panels)
    found = [table for table in tables if len(table)]
    table = pd.concat(found or [pd.DataFrame(columns=COLUMNS)], ignore_index=True)
    table["p"] = table[["p_t", "p_flip"]].max(axis=1)
    tested = table["p"].notna()
    if tested.any():
        table.loc[tested, "p_holm"] = multipletests(table.loc[tested, "p"], method="holm")[1]
    n = table["n_patients"]
    table["verdict"] = np.select(
        [table["leak"] != "", table["p_holm"] < ALPHA],
        ["none: leaks", np.where(table["difference"] > 0, "better", "worse")],
        UNTOLD + " (" + n.astype(str) + np.where(n == 1, " patient)", " patients)"),
    )
    return table[COLUMNS]


def read(path):
    """Comparisons from the file that a run wrote; `InputError` if there is none."""
    words = [*COLUMNS[: COLUMNS.index("mean_a")], "verdict", "leak", "holes"]
    options = {"dtype": dict.fromkeys(words, str), "keep_default_na": False, "na_values": [""]}
    try:
        table = pd.read_csv(path, sep="\t", **options)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run the study first.") from None
    return table.fillna(dict.fromkeys(words, ""))


def swapped(comparisons):
    """Each comparison as seen from `b`."""
    sides = {"a": "b", "b": "a", "mean_a": "mean_b", "mean_b": "mean_a"}
    return comparisons.rename(columns=sides).assign(
        difference=-comparisons["difference"],
        low=-comparisons["high"],
        high=-comparisons["low"],
        verdict=comparisons["verdict"].replace(OTHER),
    )


def _of_values(values, summary, pairs_of):
    """Yield comparisons of `values` of `by_patient`, of one cohort or all, without Holm's p."""
    rows = values.groupby(KEYS, sort=False).agg(n_genes=("n_genes", "max")).reset_index()
    rows = summary[[*KEYS, "leak", "holes", "n_seeds"]].merge(rows, on=KEYS)
    over_all = _over_all(rows, values, summary.groupby("split")["cohort"].nunique())
    for of_rows, of_values in ((rows, values), over_all):
        for place, own in of_rows.groupby(["cohort", "split"], sort=False):
            mine = of_values[(of_values["cohort"] == place[0]) & (of_values["split"] == place[1])]
            yield _tests(pairs_of(own.reset_index(drop=True)), own, mine)


def _over_all(rows, values, n):
    """`rows` and `values` of what each cohort of a split has, as if of one; none of a single one.

    n: how many cohorts each split has.
    """
    keys = KEYS[1:]
    values = values.assign(fold=values["cohort"] + " " + values["fold"].astype(str), cohort=ALL)
    same = rows.groupby(keys, sort=False)
    found = same["cohort"].nunique()
    wanted = n.loc[found.index.get_level_values("split")].to_numpy()
    rows = same.agg(
        leak=("leak", _said), holes=("holes", _said), n_seeds=("n_seeds", "min"),
        n_genes=("n_genes", "max"),
    )[(found == wanted) & (found > 1)]  # fmt: skip
    return rows.reset_index().assign(cohort=ALL), values.merge(rows.reset_index()[keys], on=keys)


def _said(texts):
    return "; ".join(dict.fromkeys(filter(None, texts)))


def _pairs(rows):
    """Pairs `(differ, numbers of the rows a, of the rows b)` of one cohort and split."""
    methods = rows[~is_floor(rows) & ~is_given(rows)]
    for differ in DIFFER:
        yield differ, *_differing(methods, differ)
    yield "floor", *_beside(methods, rows[is_floor(rows)])


def _pairs_of_tools(rows, tools):
    """Pairs of a tool's row with all that are fitted, or of two tools."""
    own = rows[is_given(rows) & rows["loss"].isin(tools)]
    if len(tools) > 1:
        yield "loss", *_differing(own, "loss")
        return
    yield "given", *_beside(rows[~is_floor(rows) & ~is_given(rows)], own)
    yield "floor", *_beside(own, rows[is_floor(rows)])


def _beside(methods, others):
    """Numbers of the rows a and b of each method with each of others, floors or tools."""
    both = methods.reset_index().merge(others.reset_index(), on="panel", suffixes=("_a", "_b"))
    # those that see no picture of ours have no encoder, others are those of theirs
    both = both[both["encoder_b"].isin([OF_ALL]) | (both["encoder_a"] == both["encoder_b"])]
    return both["index_a"].to_numpy(), both["index_b"].to_numpy()


def _pairs_of_panels(rows):
    yield "panel", *_differing(rows[~is_floor(rows)], "panel")


def _differing(rows, differ):
    """Numbers of the rows a and b of each pair that differs in one key only."""
    rows = rows[KEYS].reset_index()
    both = rows.merge(rows, on=[key for key in KEYS if key != differ], suffixes=("_a", "_b"))
    both = both[both["index_a"] < both["index_b"]]
    return both["index_a"].to_numpy(), both["index_b"].to_numpy()


def _tests(pairs, rows, values):
    """Comparisons of one cohort and split."""
    cells, person = grid(values, "spearman", rows)
    tables = []
    for differ, a, b in pairs:
        of_a, of_b = rows.iloc[a].reset_index(drop=True), rows.iloc[b].reset_index(drop=True)
        key = "loss" if differ in ("floor", "given") else differ
        table = of_a[KEYS].assign(differ=differ, a=of_a[key], b=of_b[key], **{key: ""})
        for name in ("leak", "holes"):
            table[name] = [_said(own) for own in zip(of_a[name], of_b[name], strict=True)]
        for name in ("n_seeds", "n_genes"):
            table[name] = np.minimum(of_a[name], of_b[name])
        tables.append(table.assign(**_paired(cells[a], cells[b], person, table["leak"] == "")))
    return pd.concat(tables, ignore_index=True)


def _paired(a, b, person, tested):
    """Columns of a comparison of cells `(pairs, cells)`, by the cells that both have."""
    both = np.isfinite(a) & np.isfinite(b)
    mean_a, mean_b = (
        student(over_folds(np.where(both, x, np.nan), person))["mean"] for x in (a, b)
    )
    differences = over_folds(a - b, person)
    of_t = student(differences)
    return {
        "mean_a": mean_a,
        "mean_b": mean_b,
        "difference": of_t["mean"],
        **{name: of_t[name] for name in ("low", "high", "sd")},
        "p_t": np.where(tested, of_t["p"], np.nan),
        "p_flip": np.where(tested, sign_flips(differences), np.nan),
        "p_holm": np.nan,
        "n_patients": of_t["n"],
    }


def sign_flips(differences):
    """Two-sided p of the exact test that flips signs of differences `(pairs, persons)`.

    The share of all 2^n patterns of signs whose sum is at least as far from 0 as the observed one;
    half of them tell all, for the others are their mirror images. NaN are left out; the p is NaN
    where the number of persons is not in FLIPS.
    """
    n = np.isfinite(differences).sum(1)
    p = np.full(len(differences), np.nan)
    for k in np.intersect1d(n, FLIPS):
        signs = 1.0 - 2 * (np.arange(2 ** (k - 1)) >> np.arange(k)[:, None] & 1)  # (k, patterns)
        mine = np.flatnonzero(n == k)
        for some in np.array_split(mine, -(-len(mine) * signs.shape[1] // AT_A_TIME)):
            own = differences[some]
            own = own[np.isfinite(own)].reshape(-1, k)
            far = np.abs(own.sum(1, keepdims=True)) * (1 - 1e-9)  # sums in other orders are equal
            p[some] = (np.abs(own @ signs) >= far).mean(1)
    return p
