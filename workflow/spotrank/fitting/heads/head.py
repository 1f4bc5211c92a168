"""What heads share: their defaults, affine maps of many runs, and checks of options."""

from types import MappingProxyType

from spotrank.base.store import InputError


class Head:
    sees, slides, whole, alone, trunk, scales = "embeddings", False, False, False, True, False
    labels, neighbours, radius_um, by_patient = (), 0, 0, False
    training = MappingProxyType({})

    def __init__(self, dimension, n_genes):
        self.dimension, self.n_genes = dimension, n_genes

    def known(self, parameters, train):
        """What the parameters `(runs, …)` lack that prediction takes from the training spots."""
        return {}

    def asides(self):
        """Scores besides that the batch just trained on is to train by too: `(scores (1, n, genes),
        weight of the loss, weight of their squared distance from the head's scores)` each."""
        return []

    def hidden(self):
        """Numbers a spot and run that training keeps besides the scores."""
        return 0


def affine(prefix, dimension, n_outputs, generator):
    """Uniform in ±1/√dimension, as torch.nn.Linear."""
    import torch

    def draw(*shape):
        start = torch.empty(shape, device=generator.device)
        return start.uniform_(-(dimension**-0.5), dimension**-0.5, generator=generator)

    return {f"{prefix}weight": draw(dimension, n_outputs), f"{prefix}bias": draw(1, n_outputs)}


def apply(parameters, prefix, x):
    return parameters[f"{prefix}bias"].baddbmm(x, parameters[f"{prefix}weight"])


def at_least(least, value, head, option):
    if value < least:
        raise InputError(
            f"config: heads: the option '{option}' of '{head}' is {value}; give at least {least}."
        )
    return value


def share(value, head, option):
    if not 0 <= value < 1:
        raise InputError(
            f"config: heads: the option '{option}' of '{head}' is {value}; give a number from 0 on "
            "and below 1."
        )
    return value
