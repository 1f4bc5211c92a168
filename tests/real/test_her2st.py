"""Four real sections: the published panel, the published scores."""

import pandas as pd
import pytest
import torch

from spotrank.encoders import stored
from spotrank.fitting import fit, predict
from spotrank.fitting.batches import assemble, parts_of
from spotrank.genes import panel
from spotrank.scoring import metrics
from spotrank.spots import expression, pair

SECTIONS = ["SPA139", "SPA140", "SPA141", "SPA145"]
QC = {"min_genes": 200, "min_spots": 3, "max_mito": 0.2}
PATCHES = {"size": 224, "um_per_px": 0.5, "source": "wsis"}
PUBLISHED = {  # STRank's protocol
    "learning_rate": 5e-5,
    "weight_decay": 0.01,
    "batch_size": 256,
    "max_epochs": 1000,
    "patience": 30,
    "monitor": "loss",
    "standardise": False,
    "batches": "random",
}


def paired(her2st):
    """`{section: AnnData}`"""
    return {
        section: pair.pair(
            her2st / f"st/{section}.h5ad", her2st / f"metadata/{section}.json", QC, PATCHES
        )
        for section in SECTIONS
    }


def official(sections, her2st, folder):
    """Training, validation and test spots of the published run, whose files are in `folder`."""
    fold = {
        "train": ["SPA141", "SPA145"],
        "validation": ["SPA140"],
        "test": ["SPA139"],
        "within": {},
    }
    embeddings = [
        stored.read_given(folder / f"embeddings/{section}.h5", her2st / f"st/{section}.h5ad")
        for section in SECTIONS
    ]
    genes = (folder / "panel_50.txt").read_text().split()
    return parts_of(assemble(fold, 112, SECTIONS, sections.values(), embeddings, genes))


@pytest.fixture(scope="module")
def sections(her2st):
    return paired(her2st)


def test_panel_is_the_published_one(sections, reference):
    published = (reference / "official_run/panel_50.txt").read_text().split()
    genes = {section: set(spots.var_names) for section, spots in sections.items()}
    ours = panel.choose(sections, "variance", 50, genes)
    assert set(ours["gene"]) == set(published)


def test_scores_are_the_published_ones(sections, her2st, reference):
    """Mean over three seeds within the spread of the published three runs, or near it."""
    folder = reference / "official_run"
    torch.set_num_threads(1)
    train, validation, test = official(sections, her2st, folder)
    published = pd.read_csv(folder / "scores.tsv", sep="\t").groupby("loss")["spearman"]
    losses = {name: (name, {}) for name in published.groups}
    losses["strank_pair"] = ("strank_pair", {"entropy": True})
    head = "linear", {}
    runs, parameters, _ = fit.fit(train, validation, losses, [0, 1, 2], head, PUBLISHED, "panel")
    truth = torch.as_tensor(expression.target(test.counts, test.counts.sum(1)))
    for run, _, score in predict.predict(parameters, head, test):
        rho = metrics.spearman(torch.as_tensor(score), truth)
        runs.loc[run, "spearman"] = rho.nanmean().item()
    ours = runs.groupby("loss")["spearman"].mean()
    for name in losses:
        low, high = published.min()[name], published.max()[name]
        assert low - 0.02 < ours[name] < high + 0.02, name
    assert ours.idxmax() == "strank_list"
