"""Encoders without weights, and what every encoder is: patches in, one vector a patch out.

An encoder is `Encoder(embed, size, about)`: `embed` takes uint8 patches `(n, size, size, 3)` and
returns float32 `(n, dimension)`, an array or a tensor that the GPU may still be at; `about` says
what made the vectors, for the file's attributes. An encoder without weights is a function and a row
of `ENCODERS`; those with weights on the hub are rows of `resources/encoders.yaml`.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from spotrank.base.store import InputError


@dataclass
class Encoder:
    embed: Callable
    size: int
    about: dict = field(default_factory=dict)
    interpolation: str = "lanczos"


def stain_statistics(size, threads=1):
    """Stain and texture statistics, 39 numbers a patch; no weights, the floor for all others.

    Of each stain (haematoxylin, eosin, residual; optical density unmixed after Ruifrok & Johnston
    2001): mean, standard deviation, 10, 50 and 90 % quantiles, standard deviation after averaging
    over 4, 8, 16 and 32 px, and mean absolute gradient. Mean and standard deviation of red, green
    and blue. Shares of tissue (mean colour below 0.9), dense haematoxylin and dense eosin.
    """
    from spotrank.encoders import stains

    if size < 64:
        raise InputError(
            f"config: 'patches.size' is {size}, but stain_statistics averages over 32 px and needs "
            "patches of 64 px; raise it."
        )
    pool = ThreadPoolExecutor(threads)

    def embed(patches):
        parts = np.array_split(patches, threads)
        return np.concatenate(list(pool.map(stains.statistics, parts)))

    return Encoder(embed, size, {"transform": "optical density, stains after Ruifrok & Johnston"})


ENCODERS = {"stain_statistics": stain_statistics}
