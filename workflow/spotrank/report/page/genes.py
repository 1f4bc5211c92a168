"""Genes of the page: numbers of each, and maps of the most telling, observed beside predicted."""

import numpy as np

from spotrank.report.page import chosen
from spotrank.report.page.packed import quantised, short, text_of
from spotrank.report.page.tested import Tested, drawn

OF_GENE = ["mean_count", "ceiling_spearman", "ceiling_spearman_sd", "ceiling_pearson",
           "moran_observed", "depth_spearman"]  # fmt: skip
OF_LOSS = ["spearman", "pearson", "mse", "spearman_given_depth", "moran_predicted"]


def data(shown):
    """What the page's `drawGenes` draws; None where nothing is.

    shown: of `chosen.choose`. Of each cohort: its `fit` and `seed`; `losses`, the best first, and
    `mapped_losses`, how many of them have maps; `genes` and `mapped`, places of those that have;
    `numbers`: means over slides and seeds of OF_GENE `(n_genes,)`, those whose ceiling is `flagged`
    somewhere, and `scores`, OF_LOSS and `n_undefined`, `(n_losses, n_genes)`; `maps` of each slide,
    see `_maps`; `notes`: sentences on what is shown and what was left out.
    """
    return {"cohorts": [_of_cohort(own) for own in shown]} if shown else None


def _of_cohort(shown):
    by_gene = shown.scores.groupby("gene", observed=True)
    by_loss = shown.scores.assign(n_undefined=shown.scores["spearman"].isna()).groupby(
        ["loss", "gene"], observed=True
    )
    of_loss = by_loss[OF_LOSS].mean().assign(n_undefined=by_loss["n_undefined"].sum())
    spearman = of_loss["spearman"].unstack("loss")[shown.losses]
    numbers, genes = by_gene[OF_GENE].mean().loc[spearman.index], list(spearman.index)
    flagged = by_gene["ceiling_flag"].agg(lambda flags: (flags != "").any())[genes]
    spots = [slide.n_drawn() for slide in shown.slides]
    n_slides, n_losses, n_genes = chosen.fitting(shown.budget, spots, len(shown.losses), len(genes))
    telling = chosen.telling(spearman)[:n_genes]
    scores = {
        column: [short(of_loss[column][loss].reindex(genes)) for loss in shown.losses]
        for column in of_loss
    }
    return {
        "cohort": shown.cohort,
        "fit": shown.fit,
        "seed": shown.seed,
        "losses": shown.losses,
        "mapped_losses": n_losses,
        "genes": genes,
        "mapped": [genes.index(gene) for gene in telling],
        "numbers": {column: short(numbers[column]) for column in OF_GENE},
        "flagged": flagged.astype(int).tolist(),
        "scores": scores,
        "maps": [
            _maps(shown, slide, telling, shown.losses[:n_losses])
            for slide in sorted(shown.slides[:n_slides], key=lambda slide: slide.sample)
        ],
        "notes": _notes(shown, n_slides, n_losses, (n_genes, len(genes))),
    }


def _maps(shown, slide, genes, losses):
    """Maps of one slide: its `sample`; `genes`: which of `genes` its fit has, places in them;
    `values`: of what was observed and of each of `losses`, uint8 `(len(genes), n_drawn)` in base
    64, the last level where a spot wasn't tested, and `ends`, what the lowest and highest stand for
    of each gene; `spearman` of each loss and gene, of the seed that is drawn."""
    tested = Tested(slide)
    place = {gene: i for i, gene in enumerate(tested.genes)}
    own = [i for i, gene in enumerate(genes) if gene in place]
    columns = [place[genes[i]] for i in own]
    n = tested.spots.n_obs
    kinds = [lambda: tested.observed(columns)]
    kinds += [lambda loss=loss: tested.predicted(loss, shown.seed, columns) for loss in losses]
    values, ends = [], []
    for kind in kinds:
        of_spots = np.full((n, len(own)), np.nan)
        of_spots[tested.tested] = kind()
        packed = [quantised(of_gene) for of_gene in of_spots[drawn(n)].T]
        values.append(text_of(np.stack([of_gene for of_gene, _ in packed])))
        ends.append([short(of_gene, 6) for _, of_gene in packed])
    scores = shown.scores[
        (shown.scores["sample"] == slide.sample) & (shown.scores["seed"] == shown.seed)
    ].drop_duplicates(["loss", "gene"])
    spearman = scores.set_index(["loss", "gene"])["spearman"]
    return {
        "sample": slide.sample,
        "genes": own,
        "values": values,
        "ends": ends,
        "spearman": [short(spearman[loss].reindex([genes[i] for i in own])) for loss in losses],
    }


def _notes(shown, n_slides, n_losses, genes):
    """Sentences on what is drawn, and what was left out."""
    fit = ", ".join(name.replace("_", " ") for name in shown.fit.values() if name != "none")
    notes = [
        f"Drawn is the fit of the highest mean Spearman ({fit}); numbers are means over test "
        f"slides and seeds, maps those of seed {shown.seed}. Predictions have log1p units by a "
        "line fitted on training spots."
    ]
    leaks = [leak for leak in shown.scores["leak"].unique() if leak]
    notes += [f"† {leak}" for leak in leaks]
    n_all = len(shown.slides) + shown.lacking
    kinds = [
        (n_slides, n_all, "test slides (the best, the worst and so on inwards)"),
        (n_losses, len(shown.losses), "losses (the best)"),
        (*genes, "genes (the best, the worst and those that losses differ most about)"),
    ]
    left_out = [f"{there} of {n} {what}" for there, n, what in kinds if there < n]
    if left_out:
        notes.append(
            f"To keep this page small it has maps of {', '.join(left_out)}; open points "
            "have none. The predictions of all lie with the study's fits."
        )
    return notes
