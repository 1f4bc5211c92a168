"""Patches of a slide: where they lie, and how they are read."""

import math

import numpy as np
from PIL import Image

from spotrank.base.store import InputError, in_a_line
from spotrank.cohorts import patch_files
from spotrank.cohorts.slide_files import open_slide, read_region


class SlidePatches:
    """Square patches around spots, read from a slide with OpenSlide.

    path: the slide; spatial: spot centres in full-resolution px, x then y `(n_spots, 2)`;
    side: side of a patch in full-resolution px; size: side in px as read; interpolation: as
    `resample` takes it. May be read from several threads. Raises `InputError` for a slide that
    can't be read.
    """

    def __init__(self, path, spatial, side, size, interpolation="lanczos"):
        self.path, self.side, self.size = path, side, size
        self.interpolation = interpolation
        self.slide = open_slide(path)
        self.corners = np.asarray(spatial) - side / 2
        # a level barely coarser than asked for, by rounding of its shape, will do
        self.level = self.slide.get_best_level_for_downsample(side / size * 1.01)
        self.downsample = self.slide.level_downsamples[self.level]

    def __len__(self):
        return len(self.corners)

    def __getitem__(self, i):
        """Patch `i`: `(size, size, 3)` uint8, from the nearest finer level, resampled once."""
        origin = np.floor(self.corners[i]).astype(int)
        left, top = (self.corners[i] - origin) / self.downsample
        side = self.side / self.downsample
        extent = (math.ceil(left + side), math.ceil(top + side))
        region = read_region(self.slide, self.path, origin, self.level, extent)
        box = (left, top, left + side, top + side)
        return resample(region, self.size, box, self.interpolation)


class FilePatches:
    """Patches of HEST's own `patches/<id>.h5`, resampled to `size` px where theirs differs.

    geometry: the config's `patches`; pixel_size_um: of the slide; see `patch_files.read_patches`.
    """

    def __init__(self, path, geometry, pixel_size_um, size, interpolation="lanczos"):
        self.path, self.size, self.interpolation = path, size, interpolation
        found = patch_files.read_patches(path, geometry, pixel_size_um)
        self.barcodes, self.centres, self.images = found
        refuse_colourless(self)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        """Patch `i`: `(size, size, 3)` uint8."""
        try:
            image = self.images[i]
        except OSError as error:
            raise InputError(
                f"{self.path}: patch {i} can't be read ({in_a_line(error)}); get it again."
            ) from None
        if len(image) == self.size:
            return image
        return resample(Image.fromarray(image), self.size, None, self.interpolation)


def resample(image, size, box=None, interpolation="lanczos"):
    """Resample `box` of a PIL image to `(size, size, 3)` uint8, antialiased.

    interpolation: 'bilinear', 'bicubic' or 'lanczos'.
    """
    return np.asarray(image.resize((size, size), Image.Resampling[interpolation.upper()], box))


def patch_side(patches, pixel_size_um):
    """Side of a patch in full-resolution px: size (px) × um_per_px / pixel_size_um."""
    return patches["size"] * patches["um_per_px"] / pixel_size_um


def on_slide(path, spatial, side, st, metadata):
    """Which patches lie wholly on the slide: bool `(n_spots,)`.

    st, metadata: where `spatial` and the pixel size come from. Raises `InputError` if none does, or
    if the slide shows no colours there.
    """
    with open_slide(path) as slide:
        extent = np.array(slide.dimensions)
    inside = within(spatial, side, extent)
    if not inside.any():
        raise InputError(
            f"{st}: no spot lies on the slide {path}; check 'spatial' (px of the whole slide) and "
            f"'pixel_size_um_estimated' in {metadata}."
        )
    refuse_colourless(SlidePatches(path, spatial[inside], side, 32))
    return inside


def within(spatial, side, extent):
    """Which squares of `side` px around `spatial` lie wholly on a slide of `extent` px: bool."""
    return ((spatial - side / 2 >= 0) & (spatial + side / 2 <= extent)).all(1)


def refuse_colourless(patches):
    """Raise `InputError` if some 64 of the `patches` are black, or what is dark in them is grey."""
    some = [patches[i] for i in range(0, len(patches), math.ceil(len(patches) / 64))]
    pixels = np.concatenate(some).reshape(-1, 3).astype(int)
    if pixels.max() < 64:  # samples of 16 bits, say, of which 12 are used
        raise InputError(
            f"{patches.path}: is all but black where the spots are, {pixels.max()} of 255 at most; "
            "bring its brightness to 0 to 255."
        )
    tissue = pixels[pixels.min(1) < 200]
    if len(tissue) > len(pixels) / 100 and np.ptp(tissue, axis=1).max() <= 2:
        raise InputError(
            f"{patches.path}: is grey where the spots are, but H&E needs colour; get it in colour."
        )
