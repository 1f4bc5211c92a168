"""What ridges of one cohort, split and encoder share, whatever their folds and panels."""

import json
from contextlib import suppress

import numpy as np

from spotrank.base.store import InputError
from spotrank.fitting.heads import HEADS
from spotrank.fitting.heads.ridge import Ridge
from spotrank.fitting.inputs import Reader
from spotrank.fitting.sums import Features, Sums
from spotrank.genes import panel
from spotrank.spots.split import parts, samples_of

PARTS = ("train", "validation", "test")


RIDGES = {name for name, head in HEADS.items() if getattr(head, "func", head) is Ridge}


def of(fits):
    """The `Together` of a lot's fits if they are ridges, else None, for they have little to share.

    fits: each with `made_by`, of `made_by.fit`, and `input`, lists of paths by name.
    """
    if not all(fit["made_by"]["head"]["head"] in RIDGES for fit in fits):
        return None
    folds = {json.dumps(fit["made_by"]["fold"]): fit["made_by"]["fold"] for fit in fits}
    panels = {path for fit in fits for path in fit["input"]["panel"]}
    return Together(folds.values(), fits[0]["made_by"]["gap_um"], panels)


class Together(Reader):
    """Each file is read once, each piece of the spots is summed once, however many fits they give.

    folds: those of the fits; gap_um: see `split.parts`; panels: paths of theirs, of whose genes
    alone the counts are kept in memory.
    """

    def __init__(self, folds, gap_um, panels):
        self.folds, self.gap_um = folds, gap_um
        self.genes = set()
        for path in panels:
            with suppress(InputError):  # damaged: the fits to that panel will say so, no others
                self.genes |= set(panel.load(path)[0])
        self.known, self.numbers, self.of_samples = {}, {}, {}
        self.features, self.of_genes = Features(), {}

    def spots(self, path):
        if path not in self.known:
            adata = super().spots(path)
            self.known[path] = adata[:, adata.var_names.isin(self.genes)].copy()
        return self.known[path]

    def embeddings(self, made_by, path, st):
        if path not in self.known:
            self.known[path] = super().embeddings(made_by, path, st)
        return self.known[path]

    def pieces(self, sample, place):
        """Number of each spot's piece `(n_spots,)`, whose spots are of one part in every fold."""
        if sample not in self.of_samples:
            mine = [fold for fold in self.folds if sample in samples_of(fold, *PARTS)]
            of_folds = [parts(fold, sample, place, self.gap_um) for fold in mine]
            pieces = [(sample, *own) for own in zip(*of_folds, strict=True)]
            numbers = [self.numbers.setdefault(own, len(self.numbers)) for own in pieces]
            self.of_samples[sample] = np.array(numbers)
        return self.of_samples[sample]

    def sums(self, genes):
        """The `Sums` of a fit to the panel `genes`, for `fit.fit`."""
        return self.of_genes.setdefault(tuple(genes), Sums(self.features))
