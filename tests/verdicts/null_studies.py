"""False alarms: studies whose losses do not differ, through the code that compares losses.

`python tests/verdicts/null_studies.py [STUDIES]` prints the table of docs/statistics.md: how often
tests at 5 % find a difference between two losses where there is none.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

from spotrank.fitting.losses import LOSSES
from spotrank.verdicts.compare import compare
from spotrank.verdicts.slides import gather
from spotrank.verdicts.summary import BESIDE, METRICS, summarise

NUMBERS = (
    *METRICS, *BESIDE, "mean_count", "train_pearson", "moran_observed", "moran_predicted"
)  # fmt: skip

# Standard deviations of what a score is made of, by an analysis of variance of real scores
# (config/examples/her2st.yaml), but of patients, whom two tell next to nothing of: those of a
# simulated cohort.
SPREAD = {
    ("patient",): 0.03,
    ("slide",): 0.02,
    ("gene",): 0.09,
    ("slide", "gene"): 0.078,
    ("loss", "patient"): 0.019,
    ("loss", "slide"): 0.004,
    ("loss", "gene"): 0.065,
    ("loss", "slide", "gene"): 0.053,
    ("loss", "slide", "seed"): 0.0075,
    ("loss", "slide", "gene", "seed"): 0.113,
}
SLIDES, GENES, SEEDS = 2, 50, 3  # slides of a patient


def null_scores(rng, patients):
    """Scores of a study of all losses, each patient left out in turn, none better than another.

    What a gene has to do with a loss cancels out over the panel: all means are equal.
    """
    sizes = {"loss": len(LOSSES), "slide": patients * SLIDES, "gene": GENES, "seed": SEEDS}
    score = np.full(tuple(sizes.values()), 0.2)
    for names, spread in SPREAD.items():
        shape = [size if name in names else 1 for name, size in sizes.items()]
        if "patient" in names:
            shape[1] = patients
        effect = rng.normal(0, spread, shape)
        if "patient" in names:
            effect = effect.repeat(SLIDES, axis=1)
        if names == ("loss", "gene"):
            effect -= effect.mean(axis=2, keepdims=True)
        score += effect
    loss, slide, gene, seed = (index.ravel() for index in np.indices(score.shape))
    named = {"split": "s", "encoder": "e", "panel": "p", "head": "linear", "auxiliary": "none"}
    table = pd.DataFrame(named | {"cohort": "c", "leak": ""}, index=range(score.size))
    numbers = dict.fromkeys(NUMBERS, score.ravel()) | {"ceiling_flag": ""}
    return table.assign(
        loss=pd.Categorical.from_codes(loss, list(LOSSES)),
        fold=slide // SLIDES,
        patient=slide // SLIDES,
        sample=slide,
        gene=gene,
        seed=seed,
        **numbers,
    )


def compared(scores):
    """Comparisons of the study, as the tables have them."""
    persons = {"c": {patient: patient for patient in scores["patient"].unique()}}
    means = gather(lambda: [scores])
    return compare(means, summarise(means.means), persons)


def over(units, scores):
    """Wilcoxon's p of all pairs of losses over `units`, as papers do and we don't."""
    means = scores.groupby(["loss", *units], observed=True)["spearman"].mean().unstack(0).to_numpy()
    a, b = np.triu_indices(means.shape[1], 1)
    return stats.wilcoxon(means[:, a], means[:, b]).pvalue


def alarms(seed, patients, studies):
    """Share of false alarms at 5 % of each way to test, over pairs of losses of all studies; and
    share of studies with any verdict."""
    rng = np.random.default_rng([seed, patients])
    found = []
    for _ in range(studies):
        scores = null_scores(rng, patients)
        table = compared(scores)
        ways = {
            "paired t": table["p_t"],
            "sign flips": table["p_flip"],
            "the larger p": table["p"],
            "over genes": over(["gene"], scores),
            "over gene × slide": over(["gene", "sample"], scores),
        }
        alarm = {
            way: np.mean(p < 0.05) if np.isfinite(p).all() else None for way, p in ways.items()
        }
        found.append(alarm | {"a verdict": table["verdict"].isin(["better", "worse"]).any()})
    return pd.DataFrame(found).mean()


if __name__ == "__main__":
    studies = int(sys.argv[1]) if sys.argv[1:] else 200
    table = pd.DataFrame({n: alarms(0, n, studies) for n in (2, 4, 6, 12)}).T
    print(table.rename_axis("patients").reset_index().to_markdown(index=False, floatfmt=".3f"))
