"""The final model of one cohort on samples of another, which may lack some of its genes."""

import logging

import numpy as np

from spotrank.base.store import InputError
from spotrank.cohorts import h5ad
from spotrank.spots import features


def measured(genes, samples, spots, where):
    """Which genes of a panel each sample has, bool `(n_samples, n_genes)`.

    samples: ids; spots: paths of what `pair` wrote; where: which cohorts these are, for the
    `InputError` of names of another kind, or of no common gene.
    """
    names = {sample: h5ad.read_names(path) for sample, path in zip(samples, spots, strict=True)}
    features.check_kinds({"the panel": genes} | names, where)
    found = np.stack([np.isin(genes, own) for own in names.values()])
    for sample, own in zip(samples, found, strict=True):
        if not own.any():
            raise InputError(
                f"{where}: {sample} has none of the {len(genes)} genes of the panel, such as "
                f"'{genes[0]}', but such as '{names[sample][0]}'; leave it out, or choose genes "
                "that it has."
            )
        logging.info("%s: %d of the panel's %d genes", sample, own.sum(), len(genes))
    return found


def masked(predicted, known):
    """Yield what `predict.predict` does, NaN where `known` `(n_spots, n_genes)` is not."""
    for run, block, score in predicted:
        yield run, block, np.where(known[block], score, np.float32("nan"))
