"""Which spots of a slide lie around each, and what is gathered from them."""

from dataclasses import dataclass
from functools import cache


@dataclass
class Around:
    """The nearest other spots of each: `index, distance, weight (n, k)`.

    The weight is 1, and falls to 0 towards the first spot that is left out: those of a lattice are
    equally far, and so it does not matter which of them are. `back (n, most)` tells
    where in `index.flatten()` each spot stands, and n k where no more.
    """

    index: object
    distance: object
    weight: object
    back: object


def around(place, k, radius_um=float("inf")):
    """`Around` each of the places `(n, 2)` in µm: `k` spots or fewer, none beyond the radius."""
    import numpy as np
    import torch
    from scipy.spatial import KDTree

    points = place.cpu().numpy().astype(float)
    n = len(points)
    distance, index = KDTree(points).query(points, k + 2)
    # a spot is not its own neighbour, wherever it stands among those of its place
    distance[index == np.arange(n)[:, None]] = np.inf
    order = distance.argsort(1, kind="stable")
    distance, index = (np.take_along_axis(own, order, 1) for own in (distance, index))
    end = np.minimum(distance[:, k : k + 1], radius_um)
    distance, index = distance[:, :k], index[:, :k]
    part = np.divide(distance, end, where=distance < end, out=np.ones_like(distance))
    weight = (4 * (1 - part**2)).clip(0, 1)
    distance, index = np.where(weight > 0, distance, 0), np.where(weight > 0, index, 0)
    found = index, np.float32(distance), np.float32(weight), _back(index.ravel(), n)
    return Around(*(torch.as_tensor(own, device=place.device) for own in found))


def _back(index, n):
    import numpy as np

    count = np.bincount(index, minlength=n)
    order, start = index.argsort(kind="stable"), count.cumsum() - count
    column = np.arange(count.max())
    at = np.minimum(start[:, None] + column, len(index) - 1)
    return np.where(column < count[:, None], order[at], len(index))


def averaging(where):
    """Sparse matrix `(n, n)` that takes means over each spot's neighbours, by weight."""
    import torch

    n, k = where.index.shape
    share = where.weight / where.weight.sum(1, keepdim=True).clamp(min=1e-6)
    rows = torch.arange(n, device=share.device).repeat_interleave(k)
    entries = torch.stack((rows, where.index.flatten()))
    found = torch.sparse_coo_tensor(entries, share.flatten(), (n, n), check_invariants=False)
    return found.coalesce()


def gathered(x, where):
    """Of `x (…, n, c)` the rows of each spot's neighbours `(…, n, k, c)`.

    Gradients add up in the same order each time, on a GPU too, which those of an index don't.
    """
    gather, _ = _functions()
    return gather.apply(x, where.index, where.back)


def _rows(x, index):
    return x.index_select(-2, index.flatten()).unflatten(-2, index.shape)


@cache
def _functions():
    import torch

    class Gather(torch.autograd.Function):
        @staticmethod
        def forward(context, x, index, back):
            context.save_for_backward(index, back)
            return _rows(x, index)

        @staticmethod
        def backward(context, gradient):
            return Scatter.apply(gradient, *context.saved_tensors), None, None

    class Scatter(torch.autograd.Function):
        @staticmethod
        def forward(context, gradient, index, back):
            context.save_for_backward(index, back)
            flat = torch.nn.functional.pad(gradient.flatten(-3, -2), (0, 0, 0, 1))
            return _rows(flat, back).sum(-2)

        @staticmethod
        def backward(context, x):
            return Gather.apply(x, *context.saved_tensors), None, None

    return Gather, Scatter
