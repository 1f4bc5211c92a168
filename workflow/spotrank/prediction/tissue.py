"""Where the tissue lies on a slide, found on a thumbnail."""

import numpy as np
from scipy import ndimage

UM_PER_PX = 8  # of the thumbnail that tissue is looked for in ...
SIDE = 5000  # ... whose longer side has at most so many px
WINDOW = 24  # µm over which texture is taken, ...
HALO = 48  # ... and by which it reaches beyond an edge
TEXTURE = (
    0.02,
    0.06,
)  # deviation of optical density that parts tissue from glass, at least, at most
DENSE = 0.25  # optical density above a smooth haze of stain
GAP, LINE = 40, 50  # µm: half the widths of gaps that are closed, and of lines that are no tissue
PIECE, HOLE = 0.05, 0.25  # mm²: what is smaller is no piece, and no hole
COLOURLESS = 0.2  # spread of optical density over channels, by its mean, of dust, bubbles and edges
# ink by hue in degrees (from, to), and saturations of its core and of its margins
PENS = {"green": (75, 185, 0.3, 0.1), "blue": (185, 236, 0.6, 0.2), "red": (345, 375, 0.65, 0.3)}
BLACK = (0.3, 0.6)  # brightness of black ink's core and of its margins, which are as good as grey
INK = 0.02  # mm² from which what has a pen's colour is ink, not a speck or a pigment


def find(rgb, um_per_px):
    """Which pixels of a thumbnail are tissue, bool `(height, width)`.

    rgb: uint8 `(height, width, 3)`; um_per_px: of the thumbnail. Tissue is what has texture in its
    optical density, by Otsu's threshold (1979) on the logarithm of the local deviation: glass, a
    haze of stain and shades are smooth, however dark; or it is dense. Ink goes by its colour, and
    what has none (dust, edges of bubbles and cover slips) as a piece.
    """
    from skimage import filters, morphology  # not for every start of a run

    ink = _ink(rgb, um_per_px)
    density = _filled(_optical_density(rgb), ink)  # else a pen's edges were texture
    mean = density.mean(2)
    textured = np.log(_deviation(mean, WINDOW / um_per_px) + 1e-3)
    threshold = np.clip(filters.threshold_otsu(textured), *np.log(TEXTURE))
    mask = (textured > threshold) | (mean > DENSE)
    mask = _grown(mask, GAP / um_per_px)
    mask = ~_grown(~mask, (GAP + HALO + LINE) / um_per_px)
    mask = _grown(mask, LINE / um_per_px)
    px_per_mm2 = (1000 / um_per_px) ** 2
    mask = morphology.remove_small_objects(mask, max_size=PIECE * px_per_mm2)
    mask = morphology.remove_small_holes(mask, max_size=HOLE * px_per_mm2)
    return _coloured(mask, density) & ~ink


def _optical_density(rgb):
    """Optical density against the slide's own glass, `(height, width, 3)`, natural logarithm.

    Glass is each channel's most frequent value among the brighter half of the pixels.
    """
    bright = rgb[rgb.sum(2, dtype=int) >= np.median(rgb.sum(2, dtype=int))]
    glass = np.array([np.bincount(channel, minlength=256).argmax() for channel in bright.T])
    return np.maximum(-np.log((rgb + np.float32(1)) / np.float32(glass + 1)), 0)


def _filled(values, where):
    """`values` with those at `where` replaced by the nearest others."""
    if not where.any() or where.all():
        return values
    i, j = ndimage.distance_transform_edt(where, return_distances=False, return_indices=True)
    return values[i, j]


def _deviation(values, sigma):
    """Standard deviation under a Gaussian window."""
    mean = ndimage.gaussian_filter(values, sigma)
    return np.sqrt(np.maximum(ndimage.gaussian_filter(values**2, sigma) - mean**2, 0))


def _ink(rgb, um_per_px):
    """Which pixels are a pen's: its colour's core, and what of its colour touches that."""
    from skimage import color, morphology

    hue, saturation, value = np.moveaxis(color.rgb2hsv(rgb), 2, 0)
    hue = hue * 360
    grey = saturation < 0.25
    cores, margins = grey & (value < BLACK[0]), grey & (value < BLACK[1])
    found = [(cores, margins)]
    for low, high, core, margin in PENS.values():
        own = (hue - low) % 360 < high - low
        found.append((own & (saturation > core), own & (saturation > margin)))
    ink = np.zeros(hue.shape, bool)
    for core, margin in found:
        core = morphology.remove_small_objects(core, max_size=INK * (1000 / um_per_px) ** 2)
        ink |= ndimage.binary_propagation(core, mask=core | margin)
    return _grown(ink, WINDOW / um_per_px)


def _coloured(mask, density):
    """`mask` without the pieces that have no colour."""
    labels, n = ndimage.label(mask)
    pieces = np.arange(1, n + 1)
    spread = ndimage.mean(np.ptp(density, axis=2), labels, pieces)
    mean = ndimage.mean(density.mean(2), labels, pieces)
    coloured = np.concatenate([[False], spread > COLOURLESS * np.maximum(mean, 1e-6)])
    return coloured[labels]


def _grown(mask, radius):
    """What lies within `radius` px of `mask`: a dilation by a disc, whose time its size is not."""
    if not mask.any():
        return mask
    return ndimage.distance_transform_edt(~mask) <= radius
