"""Statistics of stains and texture of a patch, in one pass over its pixels.

Compiled by numba: as array operations the same takes twenty passes and ten times as long.
"""

import numpy as np
from numba import njit

# optical densities of haematoxylin, eosin and residual in R, G, B (Ruifrok & Johnston 2001)
STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
UNMIX = np.linalg.inv(STAINS / np.linalg.norm(STAINS, axis=1, keepdims=True)).astype("f4")
DENSITY = -np.log(np.maximum(np.arange(256), 1) / 255).astype("f4")
DENSE = (1.0, 0.2)  # optical density above which haematoxylin and eosin are dense
LEVELS = 5  # averaged over 2, 4, 8, 16 and 32 px
QUANTILES = (0.1, 0.5, 0.9)


@njit(nogil=True, cache=True)
def statistics(patches):
    """39 numbers a patch `(n, 39)` float32 of uint8 patches `(n, px, px, 3)`, px at least 64.

    See `weightless.stain_statistics`.
    """
    n, px = patches.shape[0], patches.shape[1] // 2
    features = np.empty((n, 39), np.float32)
    stains, flat = np.empty((3, px, px), np.float32), np.empty((px // 2) ** 2, np.float32)
    for i in range(n):
        out, patch = features[i], patches[i]
        colour_sum, colour_squares, dense = np.zeros(3), np.zeros(3), np.zeros(2)
        tissue = 0
        for y in range(px):
            for x in range(px):
                bright = 0
                s0 = s1 = s2 = np.float32(0)
                for c in range(3):
                    a, b = patch[2 * y, 2 * x, c], patch[2 * y, 2 * x + 1, c]
                    d, e = patch[2 * y + 1, 2 * x, c], patch[2 * y + 1, 2 * x + 1, c]
                    total = int(a) + int(b) + int(d) + int(e)
                    bright += total
                    colour_sum[c] += total
                    colour_squares[c] += total * total
                    # unmixing is linear, so it may come after averaging
                    od = (DENSITY[a] + DENSITY[b] + DENSITY[d] + DENSITY[e]) / np.float32(4)
                    s0 += od * UNMIX[c, 0]
                    s1 += od * UNMIX[c, 1]
                    s2 += od * UNMIX[c, 2]
                stains[0, y, x], stains[1, y, x], stains[2, y, x] = s0, s1, s2
                tissue += bright < 0.9 * 3 * 4 * 255
                dense[0] += s0 > DENSE[0]
                dense[1] += s1 > DENSE[1]
        m = px * px
        for c in range(3):
            mean = colour_sum[c] / m
            out[30 + c] = mean / 1020
            out[33 + c] = np.sqrt(max(colour_squares[c] - m * mean**2, 0) / (m - 1)) / 1020
        out[36] = tissue / m
        out[37], out[38] = dense[0] / m, dense[1] / m
        for s in range(3):
            level, side = stains[s], px
            across = down = 0.0
            for y in range(px):
                for x in range(px - 1):
                    across += abs(level[y, x + 1] - level[y, x])
            for y in range(px - 1):
                for x in range(px):
                    down += abs(level[y + 1, x] - level[y, x])
            out[27 + s] = (across + down) / (px * (px - 1)) / 2
            for depth in range(LEVELS):
                if depth:  # in place: what is read lies beyond what was written
                    side //= 2
                    for y in range(side):
                        for x in range(side):
                            level[y, x] = (
                                level[2 * y, 2 * x]
                                + level[2 * y, 2 * x + 1]
                                + level[2 * y + 1, 2 * x]
                                + level[2 * y + 1, 2 * x + 1]
                            ) / np.float32(4)
                mean = squares = 0.0
                for y in range(side):
                    for x in range(side):
                        mean += level[y, x]
                mean /= side * side
                for y in range(side):
                    for x in range(side):
                        squares += (level[y, x] - mean) ** 2
                deviation = np.sqrt(squares / (side * side - 1))
                if depth == 0:
                    out[s], out[3 + s] = mean, deviation
                else:
                    out[15 + 3 * (depth - 1) + s] = deviation
                if depth == 1:
                    m1 = side * side
                    for y in range(side):
                        for x in range(side):
                            flat[y * side + x] = level[y, x]
                    for q in range(3):
                        k = int(np.round(QUANTILES[q] * (m1 - 1)))
                        out[6 + 3 * s + q] = np.partition(flat, k)[k]
    return features
