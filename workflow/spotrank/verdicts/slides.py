"""Means over genes, a row a slide and run: what all tables are made of, gathered lot by lot."""

from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from spotrank.verdicts import columns
from spotrank.verdicts.floors import is_given

KEYS = ["cohort", "split", "encoder", "panel", "head", "loss", "auxiliary"]
METRICS = ("spearman", "pearson", "pooled_spearman", "pooled_pearson", "spearman_given_depth")
CEILED = ("spearman", "pearson")  # metrics with a ceiling of sampling noise
# means over genes whose ceiling is not flagged: of it, and of score and it where both are
OF_CEILING = [
    f"{what}_{metric}" for what in ("ceiling", "scored", "reachable") for metric in CEILED
]
BESIDE = (
    "noise_free_spearman", "depth_spearman", "n_auxiliary", "mse", "mae", "ari", "nmi", *OF_CEILING,
)  # fmt: skip
MEANS = [*METRICS, *BESIDE, *columns.COLUMNS]
FOLD = ["cohort", "split", "fold", "gene"]
SLIDE = ["cohort", "split", "panel", "fold", "sample", "gene"]


@dataclass
class Slides:
    """Means over genes of all scores of a study.

    means: of `of_slides`; predicted: `{tools: the same of the genes that each of them predicted}`,
    one tool or two, whose predictions were given; common: `{two panels: the same of the genes that
    both have in a fold}`. The latter two have no more than `units.by_patient` asks for.
    """

    means: pd.DataFrame
    predicted: dict
    common: dict


def gather(lots):
    """`Slides` of the scores that a call of `lots` yields, as DataFrames of whole cells.

    They are gone through twice where there are tools or panels to compare. Memory is that of a lot,
    and of a row a slide and run.
    """
    means, genes, spots = [], {}, {}
    for scores in lots():
        means.append(of_slides(scores))
        given = is_given(scores)
        _note(genes, scores[~given], "panel", FOLD)
        _note(spots, scores[given & scores["mse"].notna()], "loss", SLIDE)
    alone = {frozenset([tool]): own for tool, own in spots.items()}
    of_tools, of_panels = alone | _both(spots), _both(genes)
    predicted, common = ({key: [] for key in own} for own in (of_tools, of_panels))
    for scores in lots() if predicted or common else ():
        scores = scores[[*KEYS, "fold", "seed", "sample", "patient", "gene", "spearman"]]
        given = is_given(scores)
        for tools, chosen in of_tools.items():
            mine = scores[given & scores["loss"].isin(tools)] if len(tools) > 1 else scores
            predicted[tools].append(_plain(mine.merge(chosen, on=SLIDE)))
        for panels, chosen in of_panels.items():
            mine = scores[scores["panel"].isin(panels) & ~given]
            common[panels].append(_plain(mine.merge(chosen, on=FOLD)))
    joined = ({key: pd.concat(own) for key, own in of.items()} for of in (predicted, common))
    return Slides(pd.concat(means, ignore_index=True), *joined)


def _note(found, scores, key, columns):
    """Add to `{value of key: columns}` the rows of `scores`, each once."""
    rows = scores[[key, *columns]].drop_duplicates()
    rows = rows.astype({name: object for name in rows if name != "fold"})
    for value, own in rows.groupby(key, sort=False):
        found[value] = pd.concat([found.get(value), own[columns]]).drop_duplicates()


def _both(found):
    """`{two keys: the rows that both have}`."""
    return {
        frozenset(pair): found[pair[0]].merge(found[pair[1]]) for pair in combinations(found, 2)
    }


def of_slides(scores):
    """Means of each metric over genes, a row for each of KEYS, fold, seed and slide.

    Genes whose correlation is undefined have no part in the mean; `n_undefined` counts them;
    `n_lacking` tells how many of them were not predicted, or not measured. Those whose ceiling is
    flagged have none in the means OF_CEILING.
    """
    keys = [*KEYS, "fold", "seed", "sample"]
    scores = scores.assign(
        n_undefined=scores["spearman"].isna(),
        n_lacking=scores["mean_count"].isna() | is_given(scores) & scores["mse"].isna(),
        **columns.columns(scores, keys),
    )
    for metric in CEILED:
        ceiling = scores[f"ceiling_{metric}"].where(scores["ceiling_flag"] == "")
        scores[f"ceiling_{metric}"] = ceiling
        scores[f"scored_{metric}"] = scores[metric].where(ceiling.notna())
        scores[f"reachable_{metric}"] = ceiling.where(scores[metric].notna())
    slides = scores.groupby(keys, sort=False, observed=True).agg(
        patient=("patient", "first"),
        **{metric: (metric, "mean") for metric in MEANS},
        n_genes=("gene", "nunique"),
        n_undefined=("n_undefined", "sum"),
        n_lacking=("n_lacking", "sum"),
        leak=("leak", "first"),
    )
    return _named(slides, "leak")


def _plain(scores):
    """Mean Spearman and number of genes, a row for each of KEYS, fold, seed and slide."""
    slides = scores.groupby([*KEYS, "fold", "seed", "sample"], sort=False, observed=True)
    return _named(
        slides.agg(
            patient=("patient", "first"),
            spearman=("spearman", "mean"),
            n_genes=("gene", "size"),
        )
    )


def _named(slides, *also):
    """The index as columns, whose texts are no categories: lots have their own."""
    texts = [*KEYS, "sample", "patient", *also]
    return slides.reset_index().astype(dict.fromkeys(texts, object))
