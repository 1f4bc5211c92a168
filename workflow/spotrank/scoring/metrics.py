"""Correlations and errors of tensors, a gene at a time, vectorised over genes and runs."""


def ranks(x, tissue=None):
    """Mid-ranks of the columns of `x` `(..., n_spots, n_genes)`, from 1; ties share their mean.

    tissue: number of a spot's tissue `(..., n_spots)`: ranks are then within tissues, these one
    after the other. What is NaN has no rank, and a column with it no correlation.
    """
    if x.is_cuda:
        return _searched(x, tissue)
    import torch

    from spotrank.scoring import ranking

    if tissue is None:
        tissue = torch.zeros(x.shape[:-1], dtype=torch.int64)
    rank = ranking.ranks(x[None].flatten(0, -3).numpy(), tissue[None].flatten(0, -2).numpy())
    return torch.from_numpy(rank).view(x.shape)


def _searched(x, tissue=None):
    """`ranks` by operations of tensors, for a GPU."""
    from torch import searchsorted

    columns = x.mT.contiguous()
    ordered = columns.sort(-1).values
    below, upto = (searchsorted(ordered, columns, right=right) for right in (False, True))
    rank = ((below + upto + 1).to(x.dtype) / 2).mT.masked_fill(x.isnan(), float("nan"))
    if tissue is None:
        return rank
    return _searched(rank.double() + x.shape[-2] * tissue[..., None]).to(x.dtype)


def pearson(a, b):
    """Pearson's correlation of the columns of `a` and `b` `(..., n_spots, n_genes)`.

    Returns float64 `(..., n_genes)`; NaN where a column is constant, for there it is undefined.
    """
    constant = (a.amax(-2) == a.amin(-2)) | (b.amax(-2) == b.amin(-2))
    a, b = (x.double() - x.double().mean(-2, keepdim=True) for x in (a, b))
    norm = (a.square().sum(-2) * b.square().sum(-2)).sqrt()
    return ((a * b).sum(-2) / norm).clamp(-1, 1).masked_fill(constant, float("nan"))


def spearman(a, b):
    """Spearman's correlation: `pearson` of the `ranks`."""
    return pearson(ranks(a), ranks(b))


def partial(ab, ac, bc):
    """Partial correlation of a and b given c, from the three correlations."""
    return (ab - ac * bc) / ((1 - ac.square()) * (1 - bc.square())).sqrt()


def mse(a, b):
    """Mean squared difference of the columns: `(..., n_spots, n_genes)` to `(..., n_genes)`."""
    return (a.double() - b.double()).square().mean(-2)


def mae(a, b):
    """Mean absolute difference of the columns: `(..., n_spots, n_genes)` to `(..., n_genes)`."""
    return (a.double() - b.double()).abs().mean(-2)


def moran(x, weights):
    """Moran's I of the columns of `x` `(..., n_spots, n_genes)`: near 1 where neighbours are alike.

    weights: sparse `(n_spots, n_spots)`, of `neighbours`. Returns float64 `(..., n_genes)`; NaN
    where a column is constant or no spot has a neighbour (Moran 1950, as in scanpy).
    """
    constant = x.amax(-2) == x.amin(-2)
    x = x.double() - x.double().mean(-2, keepdim=True)
    columns = x.movedim(-2, 0)
    around = columns.new_tensor(weights @ columns.flatten(1).numpy()).view_as(columns)
    norm = columns.square().sum(0) * (weights.sum() / len(columns))
    return ((columns * around).sum(0) / norm).masked_fill(constant, float("nan"))
