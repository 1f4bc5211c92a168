"""A test slide: where its spots lie, what was measured of them, and what was predicted."""

from dataclasses import dataclass

import h5py
import numpy as np

from spotrank.base.store import read_h5ad, reading
from spotrank.spots import expression

DRAWN = 10_000  # spots of a slide that are drawn
GENES = 64  # read at a time, as many as stand together in the file


@dataclass
class Slide:
    """Files of a test slide; scaling: of its counts, see `expression.total`."""

    cohort: str
    sample: str
    predictions: str
    scaling: str
    spots: str
    wsi: str | None = None
    patch_file: str | None = None

    def n_drawn(self):
        """How many of its spots are drawn."""
        with reading(self.spots), h5py.File(self.spots) as file:
            return min(len(file["obs/library"]), DRAWN)


class Tested:
    """What is known of a `Slide`, in memory.

    spots: AnnData of `pair`; genes: of the panel; tested: rows of `spots` that the fit tests.
    """

    def __init__(self, slide):
        self.slide, self.spots = slide, read_h5ad(slide.spots)
        with reading(slide.predictions), h5py.File(slide.predictions) as file:
            mine = np.flatnonzero(file["sample"].asstr()[:] == slide.sample)
            self.rows = np.s_[mine[0] : mine[-1] + 1]
            barcodes = file["barcode"].asstr()[self.rows]
            self.genes = list(file["gene"].asstr()[:])
            self.runs = list(zip(file["loss"].asstr()[:], file["seed"][:].tolist(), strict=True))
        self.tested = self.spots.obs_names.get_indexer(barcodes)
        own = self.spots[self.tested, self.genes]
        self.counts = own.X.tocsc()
        self.total = expression.total(self.counts, own.obs["library"].to_numpy(), slide.scaling)

    def observed(self, genes):
        """Expression in log1p units `(n_tested, len(genes))`; genes: places in the panel."""
        return expression.target(self.counts[:, genes].toarray(), self.total)

    def predicted(self, loss, seed, genes):
        """The same as predicted, in log1p units by the fit's slope and intercept."""
        run, genes = self.runs.index((loss, seed)), np.asarray(genes)
        found = np.empty((len(self.tested), len(genes)))
        path = self.slide.predictions
        with reading(path), h5py.File(path) as file:
            for start in np.unique(genes // GENES) * GENES:
                mine = (genes >= start) & (genes < start + GENES)
                scores = file["predictions"][run, self.rows, start : start + GENES]
                found[:, mine] = scores[:, genes[mine] - start]
            return found * file["slope"][run][genes] + file["intercept"][run][genes]

    def errors(self, loss, seed):
        """Mean over the panel's genes of each spot's squared error, log1p units² `(n_tested,)`."""
        total, n = np.zeros(len(self.tested)), len(self.genes)
        for start in range(0, n, GENES):
            genes = np.arange(start, min(start + GENES, n))
            total += ((self.predicted(loss, seed, genes) - self.observed(genes)) ** 2).sum(1)
        return total / n


def drawn(n):
    """Which of `n` spots are drawn: all, or DRAWN of them, evenly over the tissue."""
    return np.sort(np.random.default_rng(0).permutation(n)[:DRAWN])
