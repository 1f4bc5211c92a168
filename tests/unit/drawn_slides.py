"""Thumbnails of slides, drawn: pieces of tissue on glass, and what people and dust leave there.

Pictures are uint8 `(height, width, 3)` at `UM_PER_PX`; what draws returns the picture and, of
tissue, where it is.
"""

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

UM_PER_PX = 8
STAINS = {  # optical densities of nuclei and of all else
    "H&E": ([0.75, 0.85, 0.35], [0.08, 0.45, 0.16]),
    "DAB": ([0.30, 0.55, 0.75], [0.20, 0.14, 0.08]),  # brown, on pale blue
}
INKS = {
    "green": (30, 140, 70), "blue": (30, 60, 200), "black": (25, 25, 28), "red": (215, 25, 35),
}  # fmt: skip


def glass(height=500, width=700, colour=(243, 240, 242), seed=0):
    """Glass that is a little shaded and noisy."""
    noise = np.random.default_rng(seed).normal(0, 1.5, (height, width, 3))
    shade = 1 - 0.04 * np.linspace(0, 1, width)[None, :, None]
    return (np.array(colour) * shade + noise).clip(0, 255).astype("u1")


def piece(rgb, x, y, radius, stain="H&E", seed=0):
    """Draw a roundish piece of tissue; `(rgb, where it is)`."""
    random = np.random.default_rng(seed)
    i, j = np.indices(rgb.shape[:2])
    turn = np.arctan2(i - y, j - x)
    where = np.hypot(i - y, j - x) < radius * (1 + 0.15 * np.sin(3 * turn + seed))
    nuclei = random.random(where.shape) < ndimage.gaussian_filter(
        random.random(where.shape), 12
    ) * 0.7  # fmt: skip
    fibres = 0.7 + 0.5 * ndimage.gaussian_filter(random.normal(size=where.shape), (1, 4)) * 4
    nuclear, other = map(np.array, STAINS[stain])
    density = nuclei[..., None] * nuclear + (fibres.clip(0.1)[..., None]) * other
    return np.where(where[..., None], rgb * np.exp(-density), rgb).astype("u1"), where


def fold(rgb, where):
    """Tissue that lies double along a band."""
    band = where & (np.abs(np.indices(where.shape)[1] - np.nonzero(where)[1].mean()) < 8)
    doubled = (rgb / 255.0) ** 2 * 255
    return np.where(band[..., None], doubled, rgb).astype("u1")


def line(rgb, path, colour, width, strength=0.95):
    """A stroke along `path`, with soft edges."""
    stroke = Image.new("L", rgb.shape[1::-1])
    ImageDraw.Draw(stroke).line(path, fill=255, width=width, joint="curve")
    share = ndimage.gaussian_filter(np.asarray(stroke) / 255, 0.8)[..., None] * strength
    return (rgb * (1 - share) + np.array(colour) * share).astype("u1")


def bubble(rgb, x, y, radius):
    """An air bubble: a dark ring without colour."""
    i, j = np.indices(rgb.shape[:2])
    ring = np.exp(-(((np.hypot(i - y, j - x) - radius) / 2.5) ** 2))[..., None]
    return (rgb * (1 - 0.6 * ring)).astype("u1")


def dust(rgb, x, y, radius=14):
    """A speck out of focus."""
    i, j = np.indices(rgb.shape[:2])
    return (rgb * (1 - 0.5 * np.exp(-((i - y) ** 2 + (j - x) ** 2) / radius**2))[..., None]).astype(
        "u1"
    )


def haze(rgb, x, y, radius=120):
    """Eosin that has run out beside the tissue."""
    i, j = np.indices(rgb.shape[:2])
    share = np.exp(-((i - y) ** 2 + (j - x) ** 2) / radius**2)[..., None]
    return (rgb * np.exp(-share * np.array([0.0, 0.22, 0.1]))).astype("u1")
