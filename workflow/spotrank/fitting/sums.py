"""Sums over spots, of which ridge regressions of all folds, panels and penalties follow."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import linalg

AT_A_TIME = 1024  # spots in float64
CONSTANT = 1e-12  # a spread below that part of the mean is none


@dataclass
class Axes:
    """Principal axes of features standardised on some spots: their `centre (d,)`, `spread (d,)`,
    1 where they are constant, `values (k,)`, squares of the singular values, the largest first, and
    `axes (k, d)`. There can be `most` of them; those lost to rounding are left out."""

    centre: torch.Tensor
    spread: torch.Tensor
    values: torch.Tensor
    axes: torch.Tensor
    most: int


@dataclass
class Moments:
    """Of `n` spots the means `x (d,)`, `y (g,)`, and about them Σxyᵀ `xy (d, g)` and Σy² `(g,)`."""

    n: int
    x: torch.Tensor
    y: torch.Tensor
    xy: torch.Tensor
    yy: torch.Tensor

    @classmethod
    def of(cls, x, y):
        mean, of_targets = (own.mean(0, dtype=torch.float64) for own in (x, y))
        xy = yy = 0
        for some, own in zip(x.split(AT_A_TIME), y.split(AT_A_TIME), strict=True):
            own = own - of_targets
            xy, yy = xy + (some - mean).mT @ own, yy + own.square().sum(0)
        return cls(len(x), mean, of_targets, xy, yy)

    def __add__(self, other):
        """Of the spots of both."""
        n = self.n + other.n
        x, y, share = other.x - self.x, other.y - self.y, other.n / n
        return Moments(
            n,
            self.x + x * share,
            self.y + y * share,
            self.xy + other.xy + torch.outer(x, y) * (self.n * share),
            self.yy + other.yy + y.square() * (self.n * share),
        )


class Features:
    """What is known of features, whatever the targets: `squares` of pieces, and the `last` axes."""

    def __init__(self):
        self.squares, self.last = {}, (None, None)


class Sums:
    """Sums over the pieces of `batches.Side`s, each piece's taken once, in float64.

    A piece is of spots that every side has all or none of. Products of float32 are exact in
    float64. Sums are about the piece's own means, so that means far from 0 cost no digit, and
    added as Chan, Golub and LeVeque (1983) do.
    """

    def __init__(self, features=None):
        self.features, self.known = features or Features(), {}

    def moments(self, side):
        """The `Moments` of a side."""
        pieces = self._pieces(side)
        total = pieces[0]
        for own in pieces[1:]:
            total = total + own
        return total

    def squares(self, side, mean):
        """Σ(x - mean)(x - mean)ᵀ `(d, d)`."""
        total = torch.zeros(2 * mean.shape, dtype=mean.dtype, device=mean.device)
        for piece, own in zip(np.unique(side.piece), self._pieces(side), strict=True):
            known = self.features.squares
            if piece not in known:
                known[piece] = _lower_squares(side.x[_rows(side, piece)], own.x)
            total += known[piece]
            total.addr_(own.x - mean, own.x - mean, alpha=own.n)
        return total.tril_().add_(total.tril(-1).mT)

    def _pieces(self, side):
        for piece in set(np.unique(side.piece)) - set(self.known):
            rows = _rows(side, piece)
            self.known[piece] = Moments.of(side.x[rows], side.target[rows])
        return [self.known[piece] for piece in np.unique(side.piece)]

    def axes(self, side, number=None):
        """The `Axes` of a side's features, or the first `number`."""
        asked = number, *np.unique(side.piece)
        if self.features.last[0] != asked:
            of = _axes_of_rows if len(side) <= side.x.shape[1] else self._axes_of_sums
            self.features.last = asked, of(side, number)
        return self.features.last[1]

    def _axes_of_sums(self, side, number):
        centre = self.moments(side).x
        gram = self.squares(side, centre)
        spread, varies = _spread((gram.diagonal() / len(side)).sqrt(), centre)
        values, vectors = _largest_first(gram.div_(spread).div_(spread[:, None]), number)
        return Axes(centre, spread, values, vectors.mT, min(varies, len(side) - 1))

    def squared_errors(self, side, solutions):
        """Mean squared error on a side of each prediction `x @ weight + bias`."""
        own = self.moments(side)
        squares = self.squares(side, own.x)
        for weight, bias in solutions:
            off = own.x @ weight + bias[0] - own.y
            total = (weight * (squares @ weight - 2 * own.xy)).sum(0) + own.yy
            yield float((total / own.n + off.square()).mean())


def _lower_squares(x, mean):
    """Σ(x - mean)(x - mean)ᵀ `(d, d)`, of which all above the diagonal may be missing."""
    total = torch.zeros(2 * mean.shape, dtype=mean.dtype, device=mean.device)
    for some in x.split(AT_A_TIME):
        own = some - mean
        if x.is_cuda:
            total.addmm_(own.mT, own)
        else:  # half of the work; into `total` itself, whose transpose is as Fortran has it
            linalg.blas.dsyrk(1, own.numpy().T, 1, total.numpy().T, overwrite_c=True)
    return total


def _rows(side, piece):
    return torch.as_tensor(np.flatnonzero(side.piece == piece), device=side.x.device)


def _axes_of_rows(side, number):
    """As many axes as spots at most, of their products with one another."""
    x = side.x.double()
    centre = x.mean(0)
    spread, varies = _spread(x.std(0, correction=0), centre)
    x = (x - centre) / spread
    values, vectors = _largest_first(x @ x.mT, number)
    return Axes(centre, spread, values, (vectors.mT @ x) / values.sqrt()[:, None],
                min(varies, len(x) - 1))  # fmt: skip


def _spread(spread, centre):
    """1 in place of none, and the number of features that vary."""
    varies = spread > CONSTANT * centre.abs()
    return spread.where(varies, 1), int(varies.sum())


def _largest_first(gram, number):
    """Eigenvalues above what rounding leaves of none `(k,)`, and their vectors `(n, k)`."""
    n = len(gram)
    if number is None or 2 * number > n or gram.is_cuda:
        values, vectors = torch.linalg.eigh(gram)
    else:
        some = linalg.eigh(gram.numpy(), subset_by_index=(n - number, n - 1))
        values, vectors = map(torch.from_numpy, some)
    rank = int((values > values[-1] * n * torch.finfo(values.dtype).eps).sum())
    return values.flip(0)[:rank], vectors.flip(1)[:, :rank]
