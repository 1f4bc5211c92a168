"""What of a study its page draws: one fit a cohort, and of that what a budget in bytes allows."""

from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from spotrank.report.page.tested import Slide
from spotrank.verdicts.floors import is_floor, is_partial

FIT = ("split", "encoder", "panel", "head", "auxiliary")
SLIDES = 16  # that are drawn, over all cohorts
MAPS = 3_000_000  # bytes of all maps as text
ENOUGH = 24  # genes, of two losses: rather fewer slides than less of these


@dataclass
class Shown:
    """What is drawn of a cohort.

    fit: `{key of FIT: name}`; seed: the first; scores: the fit's rows; losses, slides: the most
    telling first, see `choose`; lacking: test slides that are not among `slides`; budget: bytes
    that its maps may take.
    """

    cohort: str
    fit: dict
    seed: int
    scores: pd.DataFrame
    losses: list
    slides: list
    lacking: int
    budget: int


def choose(summary, scores, cells, files, scaling):
    """A `Shown` of each cohort that has predictions, by its fit of the highest mean Spearman.

    summary: of `summary.tsv`; scores: path of `scores.parquet`, of which the chosen fits are read;
    cells: `{path of predictions: cell}`; files: `{cohort/sample: {'spots': path, 'wsi' or
    'patch_file': path}}` of test slides; those that are not there are left out; scaling: of the
    counts, see `expression.total`. Fits compare within a split and a panel, so those named first
    stand for all. Losses come by their mean, slides from both ends of theirs.
    """
    found = []
    fitted = summary[~is_floor(summary) & ~is_partial(summary)]
    cohorts = list(fitted["cohort"].unique())
    for cohort in cohorts:
        own = fitted[fitted["cohort"] == cohort]
        own = _of(own, {key: own[key].iloc[0] for key in ("split", "panel")})
        own = own.sort_values("spearman_mean", ascending=False, kind="stable", na_position="last")
        fit = own.iloc[0][list(FIT)].to_dict()
        losses = list(_of(own, fit)["loss"])
        which = [(key, "=", name) for key, name in {"cohort": cohort, **fit}.items()]
        rows = pq.read_table(scores, filters=which).to_pandas(strings_to_categorical=True)
        by_slide = rows[rows["loss"] == losses[0]].groupby("sample", observed=True)["spearman"]
        first = rows.groupby("sample", observed=True)["fold"].min()
        slides = []
        for sample in ends(by_slide.mean()):
            cell = {"cohort": cohort} | fit | {"fold": first[sample]}
            there = {
                kind: path
                for kind, path in files.get(f"{cohort}/{sample}", {}).items()
                if Path(path).exists()
            }
            made = [path for path, other in cells.items() if other == cell and Path(path).exists()]
            if made and "spots" in there:
                slides.append(Slide(cohort, sample, made[0], scaling, **there))
        if slides:
            kept = slides[: max(1, SLIDES // len(cohorts))]
            lacking = len(by_slide) - len(kept)
            seed, budget = int(rows["seed"].iloc[0]), MAPS // len(cohorts)
            found.append(Shown(cohort, fit, seed, rows, losses, kept, lacking, budget))
    return found


def ends(values):
    """Names of a Series in turn from its upper and its lower end; what is undefined comes last."""
    down = list(values.dropna().sort_values(ascending=False, kind="stable").index)
    half = (len(down) + 1) // 2
    return [*_in_turn(down[:half], down[half:][::-1]), *values[values.isna()].index]


def telling(spearman):
    """Genes in turn of the highest score, the lowest, and those that losses differ most about.

    spearman: DataFrame `(genes, losses)`, the best loss first.
    """
    best = spearman.iloc[:, 0].sort_values(ascending=False, kind="stable")
    spread = (spearman.max(axis=1) - spearman.min(axis=1)).sort_values(ascending=False)
    known = best.dropna().index
    return list(dict.fromkeys([*_in_turn(known, known[::-1], spread.index), *best.index]))


def fitting(budget, spots, n_losses, n_genes):
    """`(slides, losses, genes)`, how many of each there are maps of in `budget` bytes.

    spots: those of each slide. There are all, if they fit in; else fewer slides, so that there are
    ENOUGH genes of two losses, then fewer losses, then genes; one of each at least.
    """

    def fits(slides, losses, genes):
        return sum(as_text(n * genes) for n in spots[:slides]) * (1 + losses) <= budget

    if fits(len(spots), n_losses, n_genes):
        return len(spots), n_losses, n_genes
    enough = min(ENOUGH, n_genes)
    slides = next((n for n in range(len(spots), 1, -1) if fits(n, min(2, n_losses), enough)), 1)
    losses = next((n for n in range(n_losses, 1, -1) if fits(slides, n, enough)), 1)
    return slides, losses, next((n for n in range(n_genes, 1, -1) if fits(slides, losses, n)), 1)


def as_text(n):
    """Bytes of `n` bytes in base 64."""
    return -(-n // 3) * 4


def _of(rows, names):
    """Those rows that have these `{column: value}`."""
    for column, value in names.items():
        rows = rows[rows[column] == value]
    return rows


def _in_turn(*lists):
    """The lists' values in turn, each once."""
    values = chain.from_iterable(zip_longest(*lists))
    return list(dict.fromkeys(value for value in values if value is not None))
