"""Patches of a slide: where they lie, and how they are read."""

import math

import numpy as np
from PIL import Image

from spotrank.base.store import InputError, in_a_line
from spotrank.cohorts import hest


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
        import openslide

        origin = np.floor(self.corners[i]).astype(int)
        left, top = (self.corners[i] - origin) / self.downsample
        side = self.side / self.downsample
        extent = (math.ceil(left + side), math.ceil(top + side))
        try:
            region = self.slide.read_region(tuple(map(int, origin)), self.level, extent)
        except openslide.OpenSlideError as error:
            raise InputError(
                f"{self.path}: can't be read at ({origin[0]}, {origin[1]}) px, perhaps truncated "
                f"({in_a_line(error)}); get it again."
            ) from None
        if region.getchannel("A").getextrema()[0] < 255:  # never scanned: white, as glass is
            region = Image.alpha_composite(Image.new("RGBA", region.size, "white"), region)
        box = (left, top, left + side, top + side)
        return resample(region.convert("RGB"), self.size, box, self.interpolation)


class FilePatches:
    """Patches of HEST's own `patches/<id>.h5`, resampled to `size` px where theirs differs."""

    def __init__(self, path, size, interpolation="lanczos"):
        self.path, self.size, self.interpolation = path, size, interpolation
        self.barcodes, self.coords, self.images = hest.read_patches(path)

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


def open_slide(path):
    """Open a slide with OpenSlide; `InputError` if it is missing, truncated or no slide."""
    import openslide

    try:
        return openslide.OpenSlide(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such slide; check the cohort's folder and samples.") from None
    except openslide.OpenSlideError as error:
        raise InputError(
            f"{path}: not a slide that OpenSlide reads, perhaps truncated ({in_a_line(error)}); "
            "get it again."
        ) from None


def patch_side(patches, pixel_size_um):
    """Side of a patch in full-resolution px: size (px) × um_per_px / pixel_size_um."""
    return patches["size"] * patches["um_per_px"] / pixel_size_um


def on_slide(path, spatial, side, st, metadata):
    """Which patches lie wholly on the slide: bool `(n_spots,)`; `InputError` if none does.

    st, metadata: where `spatial` and the pixel size come from.
    """
    with open_slide(path) as slide:
        extent = np.array(slide.dimensions)
    inside = ((spatial - side / 2 >= 0) & (spatial + side / 2 <= extent)).all(1)
    if not inside.any():
        raise InputError(
            f"{st}: no spot lies on the slide {path}; check 'spatial' (px of the whole slide) and "
            f"'pixel_size_um_estimated' in {metadata}."
        )
    return inside


def overview(path, side=1200):
    """A thumbnail of the whole slide and the slide's `(width, height)` in full-resolution px."""
    with open_slide(path) as slide:
        return np.asarray(slide.get_thumbnail((side, side))), slide.dimensions
