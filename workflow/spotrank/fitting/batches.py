"""The spots of a fold: joined from its samples, as tensors, and the batches they train in."""

import logging
from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch

from spotrank.base.store import InputError
from spotrank.fitting.sums import Sums
from spotrank.scoring import metrics
from spotrank.spots import expression
from spotrank.spots.split import parts

SPOTS_AT_A_TIME, PATCHES_AT_A_TIME = 4096, 64


@dataclass
class Spots:
    """Spots of some samples, a sample after the other: embeddings `x (n, d)` or patches
    `(n, px, px, 3)`, raw `counts (n, g)` of the panel, `library`, the counts over all genes `(n,)`,
    number of the `tissue`, `place` in µm `(n, 2)`, `part` of the fold, and ids; of chosen spots the
    `whole` that they are of; where fits share `sums.Sums`, numbers of their `piece`."""

    x: np.ndarray
    counts: np.ndarray
    library: np.ndarray
    tissue: np.ndarray
    place: np.ndarray
    part: np.ndarray
    sample: np.ndarray
    barcode: np.ndarray
    whole: "Spots | None" = None
    piece: np.ndarray | None = None

    def __getitem__(self, chosen):
        own = {key: getattr(self, key)[chosen] for key in self.of_spots()}
        return Spots(**own, whole=self.whole or self)

    def of_spots(self):
        """Names of what holds a row a spot."""
        return [key for key, own in vars(self).items() if key != "whole" and own is not None]


def assemble(fold, gap_um, samples, spots, embeddings, genes, pieces=None):
    """Join counts and embeddings by barcode; spots without an embedding are left out.

    fold, gap_um: see `split.parts`; samples: ids; spots: their AnnData of `pair`; embeddings: their
    `(barcodes, vectors)`, or patches in place of vectors; genes: the panel, then auxiliary ones;
    pieces: of `together.Together`.
    Raises `InputError` where nothing is in common, a gene is missing, or the dimensions of the
    embeddings differ.
    """
    joined = []
    for tissue, (sample, adata, (barcodes, vectors)) in enumerate(
        zip(samples, spots, embeddings, strict=True)
    ):
        row = pd.Index(barcodes).get_indexer(adata.obs_names)
        found = row >= 0
        if not found.any():
            raise InputError(
                f"the embeddings of '{sample}' have no barcode in common with its spots; "
                "they are of different samples."
            )
        if not found.all():
            logging.info("%s: %d spots have no embedding and are left out", sample, (~found).sum())
        if missing := set(genes) - set(adata.var_names):
            raise InputError(
                f"the sample '{sample}' lacks the panel's gene '{min(missing)}'; "
                "choose genes that every sample has."
            )
        place = adata.obsm["spatial"] * adata.uns["pixel_size_um"]
        part = parts(fold, sample, place, gap_um)[found]
        adata = adata[found]
        joined.append(
            Spots(
                x=vectors[_slice_of(row[found])],
                counts=adata[:, list(genes)].X.toarray().astype(np.float32),
                library=adata.obs["library"].to_numpy(np.float32),
                tissue=np.full(adata.n_obs, tissue),
                place=place[found],
                part=part,
                sample=np.full(adata.n_obs, sample, object),
                barcode=adata.obs_names.to_numpy(object),
                piece=pieces and pieces(sample, place)[found],
            )
        )
    dimensions = {sample: part.x.shape[1:] for sample, part in zip(samples, joined, strict=True)}
    if len(set(dimensions.values())) > 1:
        raise InputError(f"the embeddings of a cohort differ in dimension: {dimensions}.")
    return Spots(
        **{
            key: np.concatenate([getattr(part, key) for part in joined])
            for key in joined[0].of_spots()
        }
    )


def parts_of(spots):
    """The training, validation and test spots; `InputError` where there are hardly any."""
    chosen = {part: spots.part == part for part in ("train", "validation", "test")}
    for part, mine in chosen.items():
        if mine.sum() < 2:
            raise InputError(
                f"a fold's {part} part has {mine.sum()} spots and needs two; add samples, or lower "
                "split.gap_um."
            )
    return [spots[_slice_of(np.flatnonzero(mine))] for mine in chosen.values()]


def _slice_of(rows):
    """The same rows as a slice if they are one after the other, for it copies nothing."""
    first = rows[0]
    return slice(first, first + len(rows)) if (np.diff(rows) == 1).all() else rows


class Side:
    """Training or validation spots as tensors on the device; around: see `surroundings.around`;
    sums: `Sums` that others share, whose pieces `spots` tell."""

    def __init__(self, spots, x, n_panel, scaling, share, device, around=None, sums=None):
        panel = spots.counts[:, :n_panel]
        target = expression.target(spots.counts, expression.total(panel, spots.library, scaling))
        size = expression.size(panel, spots.library, scaling, share)
        self.place, self.counts, self.target, self.size = (
            torch.as_tensor(np.float32(array), device=device)
            for array in (spots.place, spots.counts, target, size)
        )
        self.x, self.around = torch.as_tensor(x, device=device), around
        self.sample, self.number = spots.sample, spots.tissue
        self.sums, self.piece = sums or Sums(), spots.piece if sums else spots.tissue
        self._lay_out()

    def _lay_out(self):
        """Number the slides anew, from 0."""
        device = self.x.device
        tissue = np.unique(self.number, return_inverse=True)[1]
        self.tissue = torch.as_tensor(tissue, device=device)
        self.slides = [torch.as_tensor(np.flatnonzero(tissue == t), device=device)
                       for t in range(tissue.max() + 1)]  # fmt: skip
        self.__dict__.pop("rank", None)

    @cached_property
    def rank(self):
        """Of the targets within each slide, as quantiles."""
        rank = torch.empty_like(self.target)
        for slide in self.slides:
            rank[slide] = (metrics.ranks(self.target[slide]) - 0.5) / len(slide)
        return rank

    def __len__(self):
        return len(self.x)

    def __add__(self, other):
        """The spots of both."""
        own = self._with(lambda key: _joined(getattr(self, key), getattr(other, key)))
        return own if self.sums is other.sums else own.in_pieces(own.number)

    def in_pieces(self, piece):
        """With sums of its own over pieces `(n,)`, see `Sums`."""
        own = copy(self)
        own.sums, own.piece = Sums(), piece
        return own

    def __getitem__(self, rows):
        """Some of the spots, ranked among themselves; rows: an array of numbers."""
        return self._with(lambda key: getattr(self, key)[rows])

    def _with(self, values):
        own = copy(self)
        for key in ("x", "place", "counts", "target", "size", "sample", "number", "piece"):
            setattr(own, key, values(key))
        own._lay_out()
        return own

    def slide_of(self, spots):
        """All spots of the slide that spots are of, and where these stand among them."""
        slide = self.slides[self.tissue[spots[0]]]
        return slide, torch.searchsorted(slide, spots)

    def of(self, spots, seeds):
        """What a `losses.Batch` holds of `spots`, a slice or indices `(seeds, n)`."""
        tensors = {key: getattr(self, key) for key in PER_SPOT}
        if isinstance(spots, slice):
            return {key: x[spots].expand(seeds, *x[spots].shape) for key, x in tensors.items()}
        return {key: rows_of(x, spots) for key, x in tensors.items()}


def rows_of(x, rows):
    """`x[rows]`, several times as fast on a CPU."""
    return x.index_select(0, rows.flatten()).view(*rows.shape, *x.shape[1:])


def _joined(a, b):
    return (torch.cat if torch.is_tensor(a) else np.concatenate)((a, b))


PER_SPOT = ("counts", "target", "rank", "size", "tissue")

# Each gives the batches of an epoch, indices `(seeds, n)`; orders: a generator a seed; of_tissues:
# one for all, for batches of a step have one shape


def random_batches(side, size, orders, of_tissues):
    """All spots in random order."""
    order = torch.stack([_shuffled(len(side), generator) for generator in orders])
    return list(order.split(size, dim=1))


def tissue_batches(side, size, orders, of_tissues):
    """Spots of one tissue only, its batches of nearly equal size; tissues in random order."""
    batches = []
    for slide in side.slides:
        order = torch.stack([slide[_shuffled(len(slide), generator)] for generator in orders])
        batches += order.tensor_split(-(-len(slide) // size), dim=1)
    return [batches[i] for i in _shuffled(len(batches), of_tissues).tolist()]


def balanced_batches(side, size, orders, of_tissues):
    """As many spots of each tissue; small ones begin again, of large ones others come next time."""
    share, n = max(1, size // len(side.slides)), -(-len(side) // size)
    parts = []
    for slide in side.slides:
        rounds = -(-share * n // len(slide))
        order = torch.stack(
            [
                torch.cat([slide[_shuffled(len(slide), generator)] for _ in range(rounds)])
                for generator in orders
            ]
        )
        parts.append(order[:, : share * n].split(share, dim=1))
    return [torch.cat(batch, 1) for batch in zip(*parts, strict=True)]


BATCHES = {"random": random_batches, "tissue": tissue_batches, "balanced": balanced_batches}


def _shuffled(n, generator):
    return torch.randperm(n, generator=generator, device=generator.device)


def slides_of(tissue):
    """Slices of spots, a slide each."""
    return _slices([*np.flatnonzero(np.diff(tissue)) + 1, len(tissue)])


def blocks(head, tissue):
    """Slices of spots that a head scores at a time: a slide, some patches, or many embeddings."""
    if head.slides:
        return slides_of(tissue)
    step = PATCHES_AT_A_TIME if head.sees == "patches" else SPOTS_AT_A_TIME
    step = -(-step // (1 + head.neighbours))
    return _slices([*range(step, len(tissue), step), len(tissue)])


def _slices(ends):
    return [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
