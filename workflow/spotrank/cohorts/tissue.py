"""Tissue of a simulated slide, laid out on maps of 1 µm per cell: its kinds, nuclei and spots.

An index into a map is a position in µm.
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd

SPACING, DIAMETER, PATCH = 100.0, 55.0, 112  # µm: between spots, of a spot, side of a patch
ROW = SPACING * 3**0.5 / 2  # µm between the rows of the hexagonal grid
MARGIN = 100  # µm of glass around the tissue

TUMOUR, GLAND, STROMA, IMMUNE, FAT = range(1, 6)  # labels in a map; 0 is glass
KINDS = pd.DataFrame(
    {
        "bias": [0.5, 0.3, 0.3, -0.1, -0.2],  # for winning ground against the other kinds
        "length": [330, 300, 330, 200, 300],  # µm, size of its regions
        "spacing": [11.5, 7.5, 21, 7.6, 14],  # µm between nuclei
        "radius": [4.1, 3.1, 2.4, 2.6, 1.8],  # µm, of a median nucleus
        "spread": [0.22, 0.08, 0.12, 0.07, 0.1],  # of nuclear size and outline (pleomorphism)
        "elongation": [1.3, 1.7, 4, 1.1, 3],  # of nuclei
        "disorder": [3, 0.2, 0.2, 3, 3],  # rad, spread of the nuclei's direction
        "darkness": [0.75, 0.8, 0.75, 1.2, 0.85],  # optical density of a nucleus
        "haematoxylin": [0.13, 0.1, 0.02, 0.06, 0.02],  # optical density between nuclei
        "eosin": [0.24, 0.28, 0.32, 0.15, 0.28],  # likewise
        "fibre": [0.15, 0.1, 0.33, 0.2, 0.1],  # how strongly fibres modulate both
    },
    index=["tumour", "gland", "stroma", "immune", "fat"],
)
COMPOSITION = [*KINDS.index, "nuclei", "nuclear_area"]
AWAY = 150, 400  # µm, what counts as the surroundings of a spot


def lay_out(rngs, traits, side, n_spots):
    """Place `n_spots` spots, kinds of tissue and nuclei on a slide of `side` µm.

    rngs: generators of the patient and of the section; traits: has the patient's `bias` of each
    kind and the `direction` of its fibres. Returns `labels`, `hollow` and `warp`, maps of shape
    (side, side), and the tables `nuclei` and `spots`.
    """
    axis = np.abs(np.linspace(-1, 1, side, dtype=np.float32)) ** 3
    remoteness = axis + axis[:, None] + 0.15 * _field(rngs, side, side / 4)
    spots = _place_spots(remoteness, n_spots)
    labels = np.zeros((side, side), np.uint8)
    strongest = np.full((side, side), -np.inf, np.float32)
    for label, (length, bias) in enumerate(zip(KINDS["length"], traits.bias, strict=True), 1):
        claim = _field(rngs, side, length) + np.float32(bias)
        labels[claim > strongest] = label
        np.maximum(strongest, claim, out=strongest)
    # the tissue ends at the outermost spot
    labels[remoteness > remoteness[spots["y"].astype(int), spots["x"].astype(int)].max()] = 0

    hollow = np.zeros(labels.shape, bool)
    glandular = _carve(rngs[1], labels, hollow)
    warp = _field(rngs, side, 500) * 120  # µm by which fibres are bent
    grade = _field(rngs, side, 350)
    nuclei = _place_nuclei(rngs[1], labels, hollow, glandular, warp, traits.direction, grade)
    return SimpleNamespace(labels=labels, hollow=hollow, warp=warp, nuclei=nuclei, spots=spots)


def _field(rngs, side, length):
    """Smooth random field (side, side) of unit variance, mostly shared by a patient's sections."""
    from PIL import Image
    from scipy.ndimage import gaussian_filter

    field = 0
    for amplitude, scale in [(1, length), (0.3, length / 6)]:
        cells = int(2.5 * side / scale) + 4
        noise = [rng.normal(size=(cells, cells)) for rng in rngs]
        noise = gaussian_filter(0.9 * noise[0] + 0.44 * noise[1], 1, mode="wrap")
        noise = Image.fromarray((amplitude * noise / noise.std()).astype(np.float32))
        field = field + np.asarray(noise.resize((side, side), Image.Resampling.BICUBIC))
    return field


def _place_spots(remoteness, n_spots):
    """The `n_spots` least remote points of the hexagonal grid: row, col, x and y (µm)."""
    extent = len(remoteness) - MARGIN
    row, col = np.mgrid[: int(extent / ROW) + 1, : int(2 * extent / SPACING) + 1]
    grid = pd.DataFrame({"row": row.ravel(), "col": col.ravel()}).query("(row + col) % 2 == 0")
    grid = grid.assign(x=MARGIN / 2 + grid.col * SPACING / 2, y=MARGIN / 2 + grid.row * ROW)
    order = np.argsort(remoteness[grid.y.astype(int), grid.x.astype(int)], kind="stable")
    return grid.iloc[np.sort(order[:n_spots])]


def _scatter(rng, side, spacing):
    """Points (x, y) in µm, evenly but irregularly spaced."""
    points = np.mgrid[spacing / 2 : side : spacing, spacing / 2 : side : spacing]
    points = points + rng.uniform(-0.38, 0.38, points.shape) * spacing
    return np.clip(points, 0, side - 1).reshape(2, -1).T


def _carve(rng, labels, hollow):
    """Shape glands and fat, with their hollows, in place; return the glands' nuclei: x, y, angle.

    What lies between the glands becomes stroma.
    """
    from scipy.spatial import cKDTree

    side = len(labels)
    centres = _scatter(rng, side, 80)
    x, y = centres.astype(int).T
    centres = centres[labels[y, x] == GLAND]
    labels[labels == GLAND] = STROMA
    glandular = [np.empty((0, 3))]
    for x, y in centres:
        left, top = max(int(x) - 50, 0), max(int(y) - 50, 0)
        window = np.s_[top : min(top + 100, side), left : min(left + 100, side)]
        i, j = np.ogrid[window]
        radius, phase = rng.uniform(25, 37), rng.uniform(0, np.pi)
        turn = np.arctan2(i - y, j - x)
        reach = np.hypot(i - y, j - x) / (radius * (1 + 0.15 * np.cos(2 * turn + phase)))
        labels[window][(reach < 1) & (labels[window] > 0)] = GLAND
        hollow[window] |= reach < 0.5
        angle = np.arange(0, 2 * np.pi, KINDS["spacing"]["gland"] / radius / 0.78)
        ring = radius * (1 + 0.15 * np.cos(2 * angle + phase)) * rng.normal(0.78, 0.03, len(angle))
        nuclei = x + ring * np.cos(angle), y + ring * np.sin(angle), angle
        glandular.append(np.column_stack(np.clip(nuclei, 0, side - 1)))

    fat = np.argwhere(labels == FAT)
    nearest, second = cKDTree(_scatter(rng, side, 58)[:, ::-1]).query(fat, k=2)[0].T
    hollow[tuple(fat[second - nearest > 4].T)] = True
    return np.concatenate(glandular)


def _place_nuclei(rng, labels, hollow, glandular, warp, direction, grade):
    """Table of nuclei: x, y (µm), angle, label, radius (µm) and its size among its kind (sd)."""
    # fibres run along the contours of y' + warp, where y' is y in axes turned by `direction`
    slope_y, slope_x = np.gradient(warp)
    found = [np.column_stack([glandular, np.full(len(glandular), GLAND)])]
    for label in (TUMOUR, STROMA, IMMUNE, FAT):
        points = _scatter(rng, len(labels), KINDS["spacing"].iloc[label - 1])
        x, y = points.astype(int).T
        crowded = rng.random(len(points)) < 0.8 + 0.2 * grade[y, x]
        angle = np.arctan2(np.sin(direction) - slope_x[y, x], np.cos(direction) + slope_y[y, x])
        nuclei = np.column_stack([points, angle, np.full(len(points), label)])
        found.append(nuclei[(labels[y, x] == label) & crowded])
    nuclei = pd.DataFrame(np.concatenate(found), columns=["x", "y", "angle", "label"])
    x, y = nuclei[["x", "y"]].to_numpy().astype(int).T
    kind = KINDS.iloc[nuclei["label"].astype(int) - 1].reset_index()
    nuclei["angle"] += rng.normal(0, kind["disorder"])
    nuclei["size"] = 0.6 * grade[y, x] + rng.normal(0, 0.7, len(nuclei))
    nuclei["radius"] = kind["radius"] * np.exp(kind["spread"] * nuclei["size"])
    return nuclei.astype({"label": int})[(labels[y, x] > 0) & ~hollow[y, x]]


def measure(tissue):
    """What was laid out within each spot's patch, (n_spots, n_composition), see `COMPOSITION`.

    The share of each kind of tissue, nuclei per 100 µm², and the share of the patch they cover.
    """
    x, y, radius = tissue.nuclei[["x", "y", "radius"]].to_numpy().T
    composition = []
    for cx, cy in tissue.spots[["x", "y"]].to_numpy():
        top, left = int(cy) - PATCH // 2, int(cx) - PATCH // 2
        patch = tissue.labels[max(top, 0) : top + PATCH, max(left, 0) : left + PATCH]
        shares = np.bincount(patch.ravel(), minlength=len(KINDS) + 1)[1:]
        inside = (np.abs(x - cx) < PATCH / 2) & (np.abs(y - cy) < PATCH / 2)
        composition.append([*shares, 100 * inside.sum(), np.pi * (radius[inside] ** 2).sum()])
    return np.array(composition) / PATCH**2


def surroundings(tissue, composition):
    """Immune tissue around each spot beyond what its own patch tells, `(n_spots,)` of variance 1.

    The share of immune tissue in a ring of `AWAY` around the spot, what lies beyond the slide being
    glass, less its linear regression on the spot's `composition`, see `measure`.
    """
    from scipy.signal import fftconvolve

    cell, (near, far) = 10, AWAY  # µm
    side = len(tissue.labels) // cell * cell
    immune = (tissue.labels == IMMUNE)[:side, :side].reshape(side // cell, cell, -1, cell)
    axis = np.arange(-far, far + 1, cell)
    distance = np.hypot(axis, axis[:, None])
    ring = ((distance >= near) & (distance <= far)).astype(float)
    share = fftconvolve(immune.mean((1, 3)), ring / ring.sum(), "same")
    x, y = np.minimum(tissue.spots[["x", "y"]].to_numpy().T // cell, len(share) - 1).astype(int)
    known = np.column_stack([composition, np.ones(len(composition))])
    left = share[y, x] - known @ np.linalg.lstsq(known, share[y, x])[0]
    return left / left.std()
