"""Score predictions: one row a gene, slide, loss and seed."""

import h5py
import numpy as np
import pandas as pd
import torch

from spotrank import expression, metrics

COLUMNS = (
    "cohort", "split", "fold", "sample", "patient", "encoder", "panel", "head", "loss",
    "auxiliary", "seed", "gene", "n_spots", "mean_count", "spearman", "pearson", "mse",
    "noise_free_spearman", "depth_spearman", "spearman_given_depth", "n_auxiliary", "leak",
)  # fmt: skip
AT_A_TIME = 4_000_000  # numbers: memory stays that of a few such arrays


def score(predictions, spots, scaling):
    """Compare the predictions of a fold with the counts of its test samples.

    predictions: path of the file that `fit` wrote; spots: `{sample: AnnData}` of `pair`;
    scaling: of the counts, see `expression.total`.

    Yields DataFrames, of a slide, a block of genes and some runs each, with the columns `sample,
    loss, seed, gene, n_spots, mean_count, spearman, pearson, mse, noise_free_spearman,
    depth_spearman, spearman_given_depth, n_auxiliary`. Correlations that are undefined are NaN.
    `mse` is that of the calibrated predictions, in squared log1p units; `noise_free_spearman`,
    known of simulated cohorts only, is what the noise-free mean scores: the best that can be
    reached.
    `depth_spearman` is what a spot's counts over all genes score: of a sparse gene deep spots have
    more, scaled or not. `spearman_given_depth` is what is left of the score without it, Spearman's
    partial correlation.
    """
    with h5py.File(predictions) as file:
        genes, losses, samples, barcodes = (
            file[key].asstr()[:] for key in ("gene", "loss", "sample", "barcode")
        )
        seeds, slope, intercept, n_auxiliary = (
            file[key][:] for key in ("seed", "slope", "intercept", "n_auxiliary")
        )
        for sample, adata in spots.items():
            mine = np.flatnonzero(samples == sample)
            rows = slice(mine[0], mine[-1] + 1)
            adata = adata[barcodes[mine], list(genes)]
            raw, library = adata.X.tocsc(), adata.obs["library"].to_numpy()
            total = expression.total(raw, library, scaling)
            depth = metrics.ranks(torch.as_tensor(library[:, None]))
            width = min(len(genes), max(1, AT_A_TIME // len(mine)))
            for start in range(0, len(genes), width):
                block = slice(start, start + width)
                counts = raw[:, block].toarray()
                truth = torch.as_tensor(expression.target(counts, total))
                ranked = metrics.ranks(truth)
                best = np.full(counts.shape[1], np.nan)
                if "noise_free" in adata.layers:
                    mean = torch.as_tensor(np.asarray(adata.layers["noise_free"][:, block]))
                    best = metrics.pearson(metrics.ranks(mean), ranked).numpy()
                of_depth = metrics.pearson(depth, ranked)
                of_block = pd.DataFrame(
                    {
                        "sample": sample,
                        "gene": genes[block],
                        "n_spots": len(mine),
                        "mean_count": counts.mean(0),
                        "noise_free_spearman": best,
                        "depth_spearman": of_depth.numpy(),
                    }
                )
                together = max(1, AT_A_TIME // counts.size)
                for first in range(0, len(losses), together):
                    runs = slice(first, first + together)
                    predicted = torch.as_tensor(file["predictions"][runs, rows, block])
                    a, b = (torch.as_tensor(x[runs, None, block]) for x in (slope, intercept))
                    order = metrics.ranks(predicted)
                    spearman = metrics.pearson(order, ranked)
                    given = metrics.partial(spearman, metrics.pearson(order, depth), of_depth)
                    pearson = metrics.pearson(predicted, truth)
                    mse = metrics.mse(a * predicted + b, truth)
                    yield pd.concat(
                        of_block.assign(
                            loss=losses[first + i],
                            seed=seeds[first + i],
                            n_auxiliary=n_auxiliary[first + i],
                            spearman=spearman[i].numpy(),
                            pearson=pearson[i].numpy(),
                            mse=mse[i].numpy(),
                            spearman_given_depth=given[i].numpy(),
                        )
                        for i in range(len(predicted))
                    )
