"""Heads: from embeddings to one score a gene, many runs at once.

A head is `Head(start, score)`. `start(dimension, n_genes, generator)` gives the initial parameters
of one run; `score(parameters, x)` takes parameters with a leading axis of runs and embeddings
`(runs, n_spots, dimension)` and returns `(runs, n_spots, n_genes)`. A new head is a row of `HEADS`.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Head:
    start: Callable
    score: Callable


def linear_start(dimension, n_genes, generator):
    """Uniform in ±1/√dimension, as torch.nn.Linear."""
    import torch

    bound = dimension**-0.5
    return {
        "weight": torch.empty(dimension, n_genes).uniform_(-bound, bound, generator=generator),
        "bias": torch.empty(1, n_genes).uniform_(-bound, bound, generator=generator),
    }


def linear_score(parameters, x):
    return parameters["bias"].baddbmm(x, parameters["weight"])


HEADS = {"linear": Head(linear_start, linear_score)}
