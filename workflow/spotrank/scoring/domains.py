"""Spatial domains: clusters of a slide's spots by expression, and how far two clusterings agree."""

import random

import igraph
import numpy as np
import torch

COLUMNS = ("n_domains_observed", "n_domains_predicted", "ari", "nmi")
COMPONENTS = 20
NEAREST = 15
AT_A_TIME = 128  # spots whose distance to all is known at once, few enough for a cache
ROUNDING = 1e-12  # of squared distances by products, in parts of the largest square


def domains(expression):
    """Cluster of each spot by `expression` `(n_spots, n_genes)`, numbers from 0 in a list.

    As scanpy does (`pp.pca`, `pp.neighbors`, `tl.leiden`, flavour igraph): Leiden by modularity at
    resolution 1, on the graph of each spot's 15 nearest in 20 principal components of the
    standardised genes. Where nothing varies, there is one domain. The seeds are fixed.
    """
    spread = np.ptp(expression, 0)
    varies = (spread > 0) & np.isfinite(spread)
    if not varies.any():
        return [0] * len(expression)
    x = torch.as_tensor(expression[:, varies]).double()
    x = (x - x.mean(0)) / x.std(0, correction=0)
    torch.manual_seed(0)
    random.seed(0)  # igraph draws from there
    if min(x.shape) > 2 * COMPONENTS:  # else no component is worth leaving out
        left, spread, _ = torch.svd_lowrank(x, 2 * COMPONENTS)
        x = (left * spread)[:, :COMPONENTS]
    n = min(NEAREST + 1, len(x))  # each is the nearest to itself
    near = _nearest(x, n).flatten().tolist()  # igraph takes longer for an array
    edges = zip(np.repeat(np.arange(len(x)), n).tolist(), near, strict=True)
    graph = igraph.Graph(len(x), edges).simplify()
    return graph.community_leiden("modularity", n_iterations=2).membership


def _nearest(x, n):
    """The `n` spots nearest to each of `x (n_spots, d)`, indices `(n_spots, n)` in any order.

    A product of matrices tells nearly how far spots are apart, and exact distances are taken of the
    nearest alone. Where that does not decide, as of spots at one place, they are taken of all.
    """
    if len(x) <= 2 * n:
        return _apart(x, x).topk(n, largest=False).indices
    square, found = x.square().sum(1), []
    for rows in torch.arange(len(x)).split(AT_A_TIME):
        some = x[rows]
        about, few = torch.addmm(square, some, x.mT, alpha=-2).topk(2 * n, largest=False)
        apart, order = _apart(some[:, None], x[few])[:, 0].topk(n + 1, largest=False)
        near, (last, other) = few.gather(1, order[:, :n]), apart[:, -2:].T
        beyond = about[:, -1] + square[rows] - ROUNDING * square.max()
        doubtful = (last == other) | (last.square() >= beyond)
        near[doubtful] = _apart(some[doubtful], x).topk(n, largest=False).indices
        found.append(near)
    return torch.cat(found)


def _apart(some, others):
    return torch.cdist(some, others, compute_mode="donot_use_mm_for_euclid_dist")


def agreement(observed, predicted):
    """How far two clusterings of the same spots agree, as a dict of COLUMNS.

    Adjusted Rand index and normalised mutual information; NaN where one of them has one domain
    only, for nothing is told apart there.
    """
    numbers = len(set(observed)), len(set(predicted))
    found = [
        igraph.compare_communities(observed, predicted, how) if min(numbers) > 1 else np.nan
        for how in ("adjusted_rand", "nmi")
    ]
    return dict(zip(COLUMNS, (*numbers, *found), strict=True))
