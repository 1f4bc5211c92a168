"""Score predictions: one row a gene, slide, loss and seed."""

import h5py
import numpy as np
import pandas as pd

from spotrank import expression, metrics

COLUMNS = (
    "cohort", "split", "fold", "sample", "patient", "encoder", "panel", "head", "loss",
    "auxiliary", "seed", "gene", "n_spots", "mean_count", "spearman", "pearson", "mse",
    "noise_free_spearman", "leak",
)  # fmt: skip


def score(predictions, spots, scaling):
    """Compare the predictions of a fold with the counts of its test samples.

    predictions: path of the file that `fit` wrote; spots: `{sample: AnnData}` of `pair`;
    scaling: of the counts, see `expression.target`.

    Returns a DataFrame with the columns `sample, loss, seed, gene, n_spots, mean_count, spearman,
    pearson, mse, noise_free_spearman`. Correlations that are undefined are NaN. `mse` is that of
    the calibrated predictions, in squared log1p units; `noise_free_spearman`, known of simulated
    cohorts only, is what the noise-free mean scores: the best that can be reached.
    """
    rows = []
    with h5py.File(predictions) as file:
        genes, losses, samples, barcodes = (
            file[key].asstr()[:] for key in ("gene", "loss", "sample", "barcode")
        )
        seeds, slope, intercept = (file[key][:] for key in ("seed", "slope", "intercept"))
        for sample, adata in spots.items():
            mine = np.flatnonzero(samples == sample)
            adata = adata[barcodes[mine], list(genes)]
            counts = adata.X.toarray()
            truth = expression.target(counts, adata.obs["library"].to_numpy(), scaling)
            best = np.full(len(genes), np.nan)
            if "noise_free" in adata.layers:
                best = metrics.spearman(np.asarray(adata.layers["noise_free"]), truth)
            of_slide = {
                "sample": sample,
                "gene": genes,
                "n_spots": len(mine),
                "mean_count": counts.mean(0),
                "noise_free_spearman": best,
            }
            for run in range(len(losses)):
                predicted = file["predictions"][run, mine[0] : mine[-1] + 1]
                calibrated = predicted * slope[run] + intercept[run]
                rows.append(
                    pd.DataFrame(
                        of_slide
                        | {
                            "loss": losses[run],
                            "seed": seeds[run],
                            "spearman": metrics.spearman(predicted, truth),
                            "pearson": metrics.pearson(predicted, truth),
                            "mse": metrics.mse(calibrated, truth),
                        }
                    )
                )
    return pd.concat(rows, ignore_index=True)
