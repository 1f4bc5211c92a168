"""Sums over spots, of which ridge regressions of all folds, panels and penalties follow."""

from copy import copy
from dataclasses import dataclass

import numpy as np
import torch

AT_A_TIME = 4096  # spots in float64
CONSTANT = 1e-12  # a spread below that part of the mean is none
AWAY = 1e-7  # nor is one below that part of the mean's distance from the origin, by rounding


@dataclass
class Axes:
    """Principal axes of features standardised on some spots: their `centre (d,)`, `spread (d,)`,
    1 where they are constant, `values (k,)`, squares of the singular values, the largest first, and
    `axes (k, d)`."""

    centre: torch.Tensor
    spread: torch.Tensor
    values: torch.Tensor
    axes: torch.Tensor


class Sums:
    """Sums over the pieces of `batches.Side`s, each piece's taken once, about an `origin (d,)`,
    by default the mean of the first side.

    A piece is of spots that every side has all or none of. Products of float32 are exact in float64
    and summed there, so nothing is lost but where a mean lies far from the origin.
    """

    def __init__(self, origin=None):
        self.origin = origin
        self.squares, self.products, self.last = {}, {}, (None, None)

    def of_other_targets(self):
        """The same sums of features, for sides with the same pieces and other targets."""
        own = copy(self)
        own.products = {}
        return own

    def of_squares(self, side):
        """Σxxᵀ `(d, d)`."""
        return self._total(side, self.squares, lambda x, y: [x.mT @ x])[0]

    def of_products(self, side):
        """Σx `(d,)`, Σy `(g,)`, Σy² `(g,)` and Σxyᵀ `(d, g)`."""
        return self._total(
            side, self.products, lambda x, y: [x.sum(0), y.sum(0), y.square().sum(0), x.mT @ y]
        )

    def _total(self, side, known, of_block):
        if self.origin is None:
            self.origin = side.x.mean(0, dtype=torch.float64)
        total = None
        for piece in np.unique(side.piece):
            if piece not in known:
                rows = torch.as_tensor(np.flatnonzero(side.piece == piece), device=side.x.device)
                known[piece] = _sum(
                    of_block(side.x[some].double() - self.origin, side.target[some].double())
                    for some in rows.split(AT_A_TIME)
                )
            total = _sum([known[piece]], total)
        return total

    def axes(self, side):
        """The `Axes` of a side's features."""
        pieces = tuple(np.unique(side.piece))
        if self.last[0] != pieces:
            few = len(side) <= side.x.shape[1]
            self.last = pieces, _axes_of_rows(side) if few else self._axes_of_sums(side)
        return self.last[1]

    def _axes_of_sums(self, side):
        mean = self.of_products(side)[0] / len(side)
        gram = self.of_squares(side).addr(mean, mean, alpha=-len(side))
        spread = (gram.diagonal() / len(side)).clamp(min=0).sqrt()
        none = spread <= CONSTANT * (self.origin + mean).abs() + AWAY * mean.abs()
        spread[none] = 1
        gram = gram.div_(spread).div_(spread[:, None])
        gram[none], gram[:, none] = 0, 0
        values, vectors = _largest_first(gram)
        return Axes(self.origin + mean, spread, values, vectors.mT)

    def squared_error(self, side, weight, bias):
        """Mean squared error on a side of predictions `x @ weight + bias`."""
        x, y, yy, xy = self.of_products(side)
        bias = bias[0] + self.origin @ weight
        of_squares = (weight * (self.of_squares(side) @ weight)).sum(0)
        total = of_squares + yy + len(side) * bias**2
        total += 2 * (bias * (x @ weight - y) - (weight * xy).sum(0))
        return float(total.mean()) / len(side)


def _sum(parts, total=None):
    """The sums of `parts`, lists of tensors, added to those of `total`."""
    for part in parts:
        if total is None:
            total = [own.clone() for own in part]
        else:
            for own, more in zip(total, part, strict=True):
                own += more
    return total


def _axes_of_rows(side):
    """As many axes as spots at most, of their products with one another."""
    x = side.x.double()
    centre, spread = x.mean(0), x.std(0, correction=0)
    spread[spread <= CONSTANT * centre.abs()] = 1
    x = (x - centre) / spread
    values, vectors = _largest_first(x @ x.mT)
    return Axes(centre, spread, values, (vectors.mT @ x) / values.sqrt()[:, None])


def _largest_first(gram):
    """Eigenvalues above what rounding leaves of none `(k,)`, and their vectors `(n, k)`."""
    values, vectors = torch.linalg.eigh(gram)
    rank = int((values > values[-1] * len(gram) * torch.finfo(values.dtype).eps).sum())
    return values.flip(0)[:rank], vectors.flip(1)[:, :rank]
