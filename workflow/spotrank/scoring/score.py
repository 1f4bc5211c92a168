"""Score predictions: one row a gene, slide, loss and seed."""

import h5py
import numpy as np
import pandas as pd
import torch

from spotrank.base.store import reading
from spotrank.scoring import metrics
from spotrank.spots import expression

COLUMNS = (
    "cohort", "split", "fold", "sample", "patient", "encoder", "panel", "head", "loss",
    "auxiliary", "seed", "gene", "n_spots", "mean_count", "spearman", "pearson", "mse",
    "pooled_spearman", "pooled_pearson", "noise_free_spearman", "depth_spearman",
    "spearman_given_depth", "n_auxiliary", "leak", "ceiling_spearman", "ceiling_pearson",
    "ceiling_spearman_sd", "ceiling_pearson_sd", "ceiling_flag",
)  # fmt: skip
AT_A_TIME = 4_000_000  # numbers: memory stays that of a few such arrays


def score(predictions, spots, scaling):
    """Compare the predictions of a fold with the counts of its test samples.

    predictions: path of the file that `fit` wrote; spots: `{sample: AnnData}` of `pair`;
    scaling: of the counts, see `expression.total`.

    Yields DataFrames, of a slide, a block of genes and some runs each, with the columns `sample,
    loss, seed, gene, n_spots, mean_count, spearman, pearson, mse, pooled_spearman, pooled_pearson,
    noise_free_spearman, depth_spearman, spearman_given_depth, n_auxiliary`. Correlations that are
    undefined are NaN.
    The script joins the `ceiling_…` of `ceiling.ceilings` by sample and gene. They are those of all
    spots of the slide; where a split tests a part of it they stand in for the part's own.
    `mse` is that of the calibrated predictions, in squared log1p units. The pooled correlations are
    those over the spots of all slides of the fold (HEST-Benchmark), the same in each slide's rows:
    slides that differ in depth flatter them. `noise_free_spearman`, known of simulated cohorts
    only, is what the noise-free mean scores: the best that can be reached.
    `depth_spearman` is what a spot's counts over all genes score: of a sparse gene deep spots have
    more, scaled or not. `spearman_given_depth` is what is left of the score without it, Spearman's
    partial correlation.
    """
    with reading(predictions), h5py.File(predictions) as file:
        genes, losses, samples, barcodes = (
            file[key].asstr()[:] for key in ("gene", "loss", "sample", "barcode")
        )
        seeds, slope, intercept, n_auxiliary = (
            file[key][:] for key in ("seed", "slope", "intercept", "n_auxiliary")
        )
        slides = []
        for sample, adata in spots.items():
            mine = np.flatnonzero(samples == sample)
            adata = adata[barcodes[mine], list(genes)]
            slides.append(Slide(sample, slice(mine[0], mine[-1] + 1), adata, scaling))
        width = min(len(genes), max(1, AT_A_TIME // len(samples)))
        together = max(1, AT_A_TIME // (len(samples) * width))
        for start in range(0, len(genes), width):
            block = slice(start, start + width)
            parts = [slide.of_genes(block) for slide in slides]
            pooled = torch.cat([truth for _, truth, _ in parts])
            pooled_ranks = metrics.ranks(pooled)
            for first in range(0, len(losses), together):
                runs = slice(first, first + together)
                predicted = torch.as_tensor(file["predictions"][runs, :, block])
                of_pool = {
                    "pooled_spearman": metrics.pearson(metrics.ranks(predicted), pooled_ranks),
                    "pooled_pearson": metrics.pearson(predicted, pooled),
                }
                line = [torch.as_tensor(x[runs, None, block]) for x in (slope, intercept)]
                for slide, part in zip(slides, parts, strict=True):
                    columns = of_pool | slide.compare(predicted[:, slide.rows], part, *line)
                    yield pd.concat(
                        part[0].assign(
                            gene=genes[block],
                            loss=losses[first + i],
                            seed=seeds[first + i],
                            n_auxiliary=n_auxiliary[first + i],
                            **{key: values[i].numpy() for key, values in columns.items()},
                        )
                        for i in range(len(predicted))
                    )


class Slide:
    """A test slide's counts of the panel, beside its rows among the predictions."""

    def __init__(self, sample, rows, adata, scaling):
        self.sample, self.rows = sample, rows
        self.raw, library = adata.X.tocsc(), adata.obs["library"].to_numpy()
        self.noise_free = adata.layers.get("noise_free")
        self.total = expression.total(self.raw, library, scaling)
        self.depth = metrics.ranks(torch.as_tensor(library[:, None]))

    def of_genes(self, block):
        """What does not depend on predictions (DataFrame), the truth, and its ranks."""
        counts = self.raw[:, block].toarray()
        truth = torch.as_tensor(expression.target(counts, self.total))
        ranked = metrics.ranks(truth)
        best = np.full(counts.shape[1], np.nan)
        if self.noise_free is not None:
            mean = torch.as_tensor(np.asarray(self.noise_free[:, block]))
            best = metrics.pearson(metrics.ranks(mean), ranked).numpy()
        about = pd.DataFrame(
            {
                "sample": self.sample,
                "n_spots": len(counts),
                "mean_count": counts.mean(0),
                "noise_free_spearman": best,
                "depth_spearman": metrics.pearson(self.depth, ranked).numpy(),
            }
        )
        return about, truth, ranked

    def compare(self, predicted, part, slope, intercept):
        """Metrics `(runs, n_genes)` of `predicted` `(runs, n_spots, n_genes)`."""
        about, truth, ranked = part
        order, of_depth = metrics.ranks(predicted), torch.as_tensor(about["depth_spearman"])
        spearman = metrics.pearson(order, ranked)
        return {
            "spearman": spearman,
            "pearson": metrics.pearson(predicted, truth),
            "mse": metrics.mse(slope * predicted + intercept, truth),
            "spearman_given_depth": metrics.partial(
                spearman, metrics.pearson(order, self.depth), of_depth
            ),
        }
