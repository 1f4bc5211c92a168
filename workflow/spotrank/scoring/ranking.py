"""Mid-ranks on a CPU: numpy's sort of integers between two loops that numba compiles.

As operations of tensors around a sort of spots the same takes four to six times as long.
"""

import numpy as np
from numba import njit


def ranks(x, tissue):
    """See `metrics.ranks`; x: `(runs, n_spots, n_genes)`; tissue: int64 `(runs, n_spots)`."""
    n = x.shape[1]
    bits = n.bit_length()
    if tissue.max(initial=0) >> 29 - bits:  # no room beside value and spot
        within = ranks(x, 0 * tissue).astype("f8")
        return ranks(within + n * tissue[..., None], 0 * tissue).astype(x.dtype)
    if x.dtype == np.float32:
        value = np.add(x, 0, order="C").view("i4")  # without -0
    else:
        value = np.unique(x, return_inverse=True)[1].astype("i4")
    key = _keys(value, np.ascontiguousarray(tissue), bits)
    key.view("f8").sort(-1)  # doubles above 0 are in the order of their bits, and sort faster
    rank = _ranks(key, bits, np.empty(x.shape, x.dtype))
    rank[np.isnan(x)] = np.nan
    return rank


@njit(nogil=True, cache=True)
def _keys(value, tissue, bits):
    """Integers `(runs, n_genes, n_spots)` that tell, from the top, tissue, value and spot."""
    runs, n, genes = value.shape
    keys = np.empty((runs, genes, n), np.int64)
    for run in range(runs):
        rest = (tissue[run] << (32 + bits)) + np.arange(n) + (1 << 62)
        for gene in range(genes):
            for spot in range(n):
                own = value[run, spot, gene]
                own ^= (own >> 31) & 0x7FFFFFFF  # bits of floats below 0 go down
                keys[run, gene, spot] = rest[spot] + (np.int64(own) << bits)
    return keys


@njit(nogil=True, cache=True)
def _ranks(keys, bits, rank):
    """Fill `rank (runs, n_spots, n_genes)` by sorted `_keys`."""
    runs, genes, n = keys.shape
    spots = (1 << bits) - 1
    for run in range(runs):
        for gene in range(genes):
            key, first = keys[run, gene], 0
            for place in range(n):
                rank[run, key[place] & spots, gene] = place + 1
                if place + 1 < n and (key[place] ^ key[place + 1]) <= spots:
                    continue  # a tie
                if first < place:
                    for tied in range(first, place + 1):
                        rank[run, key[tied] & spots, gene] = (first + place) / 2 + 1
                first = place + 1
    return rank
