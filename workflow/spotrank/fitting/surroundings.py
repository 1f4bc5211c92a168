"""What lies around spots on their slide, for heads that ask for it.

Neighbours are looked for among all spots of a slide that have an embedding, of whatever part of the
fold: a head sees their pictures, never their counts. A slide to predict has its pictures too.
"""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass
class Neighbours:
    """Neighbours of `n` spots: embeddings `x (n, k, d)`, `place (n, k, 2)` in µm from the spot, and
    `there (n, k)`, false where a spot has fewer than k; what is not there is 0."""

    x: torch.Tensor
    place: torch.Tensor
    there: torch.Tensor


class Around:
    """The neighbours of each of some spots; `around[spots]` gives `Neighbours`, on `x`'s device.

    index: rows of x `(n, k)`, −1 where there are fewer; place: `(n, k, 2)`; x: embeddings of all
    spots, as the head sees them.
    """

    def __init__(self, index, place, x):
        self.index, self.place = (torch.as_tensor(own, device=x.device) for own in (index, place))
        self.x = x

    def __getitem__(self, spots):
        index = self.index[spots]
        there = index >= 0
        return Neighbours(self.x[index.clamp(min=0)] * there[..., None], self.place[spots], there)


def nearest(place, tissue, of_all, tissue_of_all, k, radius_um):
    """`index (n, k)` and relative `place (n, k, 2)` float32 of the `k` nearest of all spots of the
    same tissue within a radius, nearest first, that do not stand at the spot's very place."""
    from scipy.spatial import KDTree

    index = np.full((len(place), k), -1)
    relative = np.zeros((len(place), k, 2), np.float32)
    for own in np.unique(tissue):
        mine, others = np.flatnonzero(tissue == own), np.flatnonzero(tissue_of_all == own)
        here = of_all[others]
        # a copy of the place itself, which is there twice at most
        distance, found = KDTree(here).query(place[mine], np.arange(1, k + 3))
        with np.errstate(invalid="ignore"):
            taken = (distance > 0) & (distance <= radius_um)
        order = np.argsort(~taken, axis=1, kind="stable")[:, :k]
        taken, found = (np.take_along_axis(values, order, 1) for values in (taken, found))
        rows = others[found.clip(max=len(others) - 1)]
        index[mine] = np.where(taken, rows, -1)
        relative[mine] = (of_all[rows] - place[mine][:, None]) * taken[..., None]
    return index, relative


def around(head, spots, scaled, device):
    """`Around` the spots for a head, or None for one that does not ask.

    spots: `batches.Spots`, or whatever has their `x, place, tissue, whole`; scaled: makes of
    embeddings what the head sees.
    """
    if not head.neighbours:
        return None
    whole = spots.whole or spots
    found = nearest(
        spots.place, spots.tissue, whole.place, whole.tissue, head.neighbours, head.radius_um
    )
    return Around(*found, torch.as_tensor(scaled(whole.x[:]), device=device))


def keyword(around, spots):
    """The argument of a head's `score` besides, if it asks for one."""
    return {} if around is None else {"around": around[spots]}
