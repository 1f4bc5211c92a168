"""Score predictions: one row a gene, slide, loss and seed."""

from contextlib import contextmanager
from functools import lru_cache

import h5py
import numpy as np
import pandas as pd
import torch

from spotrank.base.store import reading
from spotrank.scoring import CEILINGS, domains, metrics
from spotrank.scoring.columns import MEASURED, PREDICTED, Measured, Predicted
from spotrank.spots import expression
from spotrank.spots.neighbours import neighbours

CELL = (
    "cohort", "split", "fold", "sample", "patient", "encoder", "panel", "head", "loss",
    "auxiliary", "seed",
)  # fmt: skip
COLUMNS = tuple(dict.fromkeys((
    *CELL, "gene", "n_spots", "mean_count", "spearman", "pearson", "mse", "pooled_spearman",
    "pooled_pearson", "noise_free_spearman", "depth_spearman", "spearman_given_depth",
    "n_auxiliary", "leak", *MEASURED, *PREDICTED, "train_pearson", *domains.COLUMNS,
    *CEILINGS,
)))  # fmt: skip
OF_SETS = (*CELL, "set", "n_in_set", "n_genes", "spearman", "leak")
AT_A_TIME = 4_000_000  # numbers: memory stays that of a few such arrays


def score(predictions, spots, scaling):
    """Compare the predictions of a fold with the counts of its test samples.

    predictions: path of the file that `fit` wrote; spots: `{sample: AnnData}` of `pair`;
    scaling: of the counts, see `expression.total`.

    Yields DataFrames, of a slide, a block of genes and some runs each, with those of COLUMNS that
    are not the cell's own: see docs/columns.md. Correlations that are undefined are NaN.
    The pooled correlations are those over the spots of all slides of the fold (HEST-Benchmark), the
    same in each slide's rows: slides that differ in depth flatter them. So are a run's domains the
    same in the rows of all genes of a slide. The script joins
    the `ceiling_…` of `ceiling.ceilings` by sample and gene. They are those of all spots of the
    slide; where a split tests a part of it they stand in for the part's own.
    """
    with _opened(predictions, spots, scaling) as (file, genes, runs, slides):
        slope, intercept, train_pearson = (
            file[key][:] for key in ("slope", "intercept", "train_pearson")
        )
        agreement = _agreement(file["predictions"], slides)
        n_spots = file["predictions"].shape[1]
        width = min(len(genes), max(1, AT_A_TIME // n_spots))
        together = max(1, AT_A_TIME // (n_spots * width))
        for start in range(0, len(genes), width):
            block = slice(start, start + width)
            measured = [slide.of_genes(block) for slide in slides]
            of_genes = [
                pd.DataFrame({name: of(own) for name, of in MEASURED.items()}) for own in measured
            ]
            pooled = torch.cat([own.target for own in measured])
            pooled_ranks = metrics.ranks(pooled)
            for first in range(0, len(runs), together):
                some = slice(first, first + together)
                scores = torch.as_tensor(file["predictions"][some, :, block])
                line = [torch.as_tensor(x[some, None, block]) for x in (slope, intercept)]
                of_runs = {
                    "pooled_spearman": metrics.pearson(metrics.ranks(scores), pooled_ranks),
                    "pooled_pearson": metrics.pearson(scores, pooled),
                    "train_pearson": train_pearson[some, block],
                }
                for slide, own, about in zip(slides, measured, of_genes, strict=True):
                    predicted = Predicted(own, scores[:, slide.rows], *line)
                    columns = of_runs | {name: of(predicted) for name, of in PREDICTED.items()}
                    yield pd.concat(
                        about.assign(
                            sample=slide.sample,
                            gene=genes[block],
                            **runs[first + i],
                            **agreement[slide.sample][first + i],
                            **{key: np.asarray(values[i]) for key, values in columns.items()},
                        )
                        for i in range(len(scores))
                    )


def score_sets(predictions, spots, scaling, sets):
    """Compare the mean expression of gene sets, see `score`; sets: `{name: genes}`.

    Yields a DataFrame for each run and slide: `sample, loss, seed, set, n_in_set, n_genes,
    spearman`. The mean is that over the `n_genes` genes of the set that are in the panel, in
    log1p units; a set with fewer than two of them has no score, but NaN, as has one of which a
    gene was not predicted.
    """
    with _opened(predictions, spots, scaling) as (file, genes, runs, slides):
        members = [np.flatnonzero(np.isin(genes, own)) for own in sets.values()]
        about = pd.DataFrame(
            {
                "set": list(sets),
                "n_in_set": list(map(len, sets.values())),
                "n_genes": list(map(len, members)),
            }
        )
        scored = (about["n_genes"] > 1).to_numpy()
        for name in about["set"][~scored]:
            print(f"{name}: without a score, for fewer than two of its genes are in the panel")
        members = [own for own in members if len(own) > 1]
        slope, intercept = file["slope"][:], file["intercept"][:]
        observed = [
            metrics.ranks(_means(slide.of_genes().target.numpy(), members)) for slide in slides
        ]
        for i, run in enumerate(runs):
            predicted = slope[i] * file["predictions"][i] + intercept[i]
            for slide, truth in zip(slides, observed, strict=True):
                ranks = metrics.ranks(_means(predicted[slide.rows], members))
                spearman = np.full(len(about), np.nan)
                spearman[scored] = metrics.pearson(ranks, truth)
                yield about.assign(sample=slide.sample, **run, spearman=spearman)


def _means(values, members):
    """Mean of some of the columns of `values`, `(n_spots, n_sets)`; members: which, of each set."""
    means = [values[:, own].mean(1, dtype=float) for own in members]
    return torch.as_tensor(np.stack(means, 1) if means else np.empty((len(values), 0)))


@contextmanager
def _opened(predictions, spots, scaling):
    """Yield the open file of predictions, its genes, its runs (dicts of `loss`, `seed` and
    `n_auxiliary`), and a `Slide` for each of `spots`."""
    with reading(predictions), h5py.File(predictions) as file:
        genes, losses, samples, barcodes = (
            file[key].asstr()[:] for key in ("gene", "loss", "sample", "barcode")
        )
        runs = [
            {"loss": loss, "seed": seed, "n_auxiliary": n}
            for loss, seed, n in zip(losses, file["seed"], file["n_auxiliary"], strict=True)
        ]
        slides = []
        for sample, adata in spots.items():
            mine = np.flatnonzero(samples == sample)
            rows = slice(mine[0], mine[-1] + 1)
            slides.append(Slide(sample, rows, adata[barcodes[mine]], genes, scaling))
        yield file, genes, runs, slides


@lru_cache(maxsize=64)
def _observed(target, dtype, shape):
    """Domains of what was measured; a job that scores many fits meets the same slides again."""
    return domains.domains(np.frombuffer(target, dtype).reshape(shape, order="F"))


def _agreement(predictions, slides):
    """`{sample: of each run, how far predicted and observed domains agree}`."""
    observed = []
    for slide in slides:
        target = slide.of_genes().target.numpy()
        observed.append(_observed(target.tobytes("F"), target.dtype, target.shape))
    found = {slide.sample: [] for slide in slides}
    for scores in predictions:
        for slide, own in zip(slides, observed, strict=True):
            predicted = domains.domains(scores[slide.rows])
            found[slide.sample].append(domains.agreement(own, predicted))
    return found


class Slide:
    """A test slide's counts of the panel, beside its rows among the predictions.

    Genes that were not measured there, as can be in another cohort than that of the panel, are NaN.
    """

    def __init__(self, sample, rows, adata, genes, scaling):
        self.sample, self.rows = sample, rows
        measured = np.isin(genes, adata.var_names)
        adata = adata[:, list(genes[measured])]
        self.column = np.where(measured, np.cumsum(measured) - 1, -1)
        self.raw, library = adata.X.tocsc(), adata.obs["library"].to_numpy()
        self.noise_free = adata.layers.get("noise_free")
        self.total = expression.total(self.raw, library, scaling)
        self.depth = metrics.ranks(torch.as_tensor(library[:, None]))
        self.neighbours = neighbours(adata.obsm["spatial"])

    def of_genes(self, block=slice(None)):
        """What was measured of some genes of the panel, or of all."""
        column = self.column[block]
        measured = column >= 0

        def of_panel(known):
            found = np.full((len(known), len(column)), np.nan, known.dtype, "F")
            found[:, measured] = known
            return found

        counts, noise_free = of_panel(self.raw[:, column[measured]].toarray()), self.noise_free
        if noise_free is not None:
            noise_free = torch.as_tensor(of_panel(np.asarray(noise_free[:, column[measured]])))
        target = torch.as_tensor(expression.target(counts, self.total))
        return Measured(counts, target, noise_free, self.depth, self.neighbours)
