"""Which file is a sample's slide, and what keeps OpenSlide from reading one."""

import itertools
import math
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from spotrank.base.store import InputError, in_a_line

OVERVIEW = 25_000_000  # px of the largest picture that is held at once ...
BLOCK = 2048  # ... and side of what it is read by
# what slides are called; a file of another name (.part, .xml, .png) is none, whatever it holds
SUFFIXES = {
    *("bif", "btf", "czi", "dcm", "mrxs", "ndpi", "ome.tif", "ome.tiff", "qptiff", "scn", "svs"),
    *("svslide", "tf8", "tif", "tiff", "vms", "vmu"),
}
OPTIONS = "[tile,pyramid,compression=jpeg]"
CONVERT = f"write it as a tiled RGB TIFF (vips copy IN 'OUT.tif{OPTIONS}')"
UPRIGHT = f"write it upright (vips autorot IN 'OUT.tif{OPTIONS}')"
GET = "get the slide itself"
GREY = ("is grey, but H&E needs colour", f"{GET} in colour")
PALETTE = ("has a palette of few colours, but H&E needs all", f"{GET} in RGB")
# how files begin that are no slides: what they are, and what to do
STARTS = {
    b"\x89PNG": ("is a PNG picture", CONVERT),
    b"\xff\xd8\xff": ("is a JPEG picture", CONVERT),
    b"\x00\x00\x00\x0cjP": ("is a JPEG 2000 picture", CONVERT),
    b"\xff\x4f\xff\x51": ("is a JPEG 2000 picture", CONVERT),
    b"PK\x03\x04": ("is a zip archive", "unpack it"),
    b"\x1f\x8b": ("is packed by gzip", "unpack it"),
    b"version https://git-lfs": ("is a pointer of git LFS, not the file", GET),
    b"<": ("is a page of the web or XML", GET),
}
# TIFFs that OpenSlide's reader of plain ones can't read or reads wrongly: what tells them by the
# first page's tags and the other pages of full resolution, what they are, and what to do; last
# those that `slide_import` writes anew
KINDS = [
    (
        lambda first, others: any(_area(page) > _area(first) for page in others),
        "begins with a page that is smaller than page {largest}, perhaps the label, and OpenSlide "
        "reads the first",
        f"write that page alone (vips copy 'IN[page={{largest}}]' 'OUT.tif{OPTIONS}')",
    ),
    (
        lambda first, others: (
            _is_grey(first)
            and (first.samplesperpixel > 2 or any(page.shape == first.shape for page in others))
        ),
        "holds its channels as grey pictures, not as RGB, but H&E needs colour",
        "join those of red, green and blue (vips bandjoin 'IN[page=0] IN[page=1] IN[page=2]' "
        f"'OUT.tif{OPTIONS}')",
    ),
    (lambda first, others: _is_grey(first), *GREY),
    (lambda first, others: first.photometric == 3, *PALETTE),
    (
        lambda first, others: first.sampleformat != 1 or first.bitspersample > 16,
        "has samples of {format}, not of 8 or 16 bits from 0 on, which OpenSlide can't read",
        "bring them to 0 to 255, and " + CONVERT,
    ),
    (
        lambda first, others: "Orientation" in first.tags and first.tags["Orientation"].value != 1,
        "is a TIFF that its orientation tag turns or mirrors, which OpenSlide does not do",
        UPRIGHT,
    ),
    (
        lambda first, others: not first.is_tiled,
        "is a TIFF without tiles (in strips), which OpenSlide can't read",
        CONVERT,
    ),
]


@cache
def slide_of(folder, sample):
    """Path of a sample's slide in `folder`: its id and a suffix of `SUFFIXES`, in any case.

    Of files so called, the one that OpenSlide knows. Raises `InputError` where there is none or
    more than one.
    """
    from openslide import OpenSlide

    named = sorted(Path(folder).glob(f"{sample}.*"))
    called = [path for path in named if path.name[len(sample) + 1 :].lower() in SUFFIXES]
    known = [path for path in called if OpenSlide.detect_format(path)]
    if len(known) == 1:
        return known[0]
    if known:
        raise InputError(
            f"{known[0]} and {known[1].name} are both slides of the sample '{sample}'; keep one."
        )
    if called:
        raise unreadable(called[0], "of no format that it knows")
    near = [path.name for path in sorted(Path(folder).glob(f"{sample}[!0-9A-Za-z]*"))]
    beside = f" ({near[0]} is not it)" if near else ""
    raise InputError(
        f"{folder}/{sample}.* is missing: no slide by a suffix of OpenSlide's formats, such as "
        f".tif or .svs{beside}; put it there or leave the sample out."
    )


class UnreadableSlide(InputError):
    """A file that OpenSlide can't read, or would read wrongly: `what` it is, and the `advice`."""

    def __init__(self, path, what, advice):
        super().__init__(f"{path}: {what}; {advice}.")
        self.what, self.advice = what, advice


def open_slide(path):
    """Open a slide with OpenSlide; `UnreadableSlide` for what it can't read, or would read wrongly,
    `InputError` for a file that isn't there."""
    import openslide

    try:
        slide = openslide.OpenSlide(path)
    except openslide.OpenSlideError as error:
        raise unreadable(path, in_a_line(error)) from None
    if slide.properties[openslide.PROPERTY_NAME_VENDOR] == "generic-tiff" and (kind := _kind(path)):
        slide.close()
        raise UnreadableSlide(path, *kind)
    return slide


def unreadable(path, error):
    """The `InputError` of a file that OpenSlide can't read, by what it is; error: what was said."""
    try:
        with open(path, "rb") as file:
            start = file.read(64)
    except OSError as failure:
        return InputError(f"{path}: can't be read ({failure.strerror}); put the slide there.")
    for begin, (what, advice) in STARTS.items():
        if start.startswith(begin):
            return UnreadableSlide(path, f"{what}, not a slide that OpenSlide reads", advice)
    cut = (f"not a slide that OpenSlide reads, perhaps truncated ({error})", "get it again")
    return UnreadableSlide(path, *(_kind(path, error) or cut))


def _kind(path, error=None):
    """What a TIFF is that OpenSlide's reader of plain ones is not made for, and what to do.

    error: what OpenSlide says, if it can't read it. None for any other file, or one cut short.
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            parts = (zip(page.dataoffsets, page.databytecounts, strict=True) for page in tiff.pages)
            ends = max(sum(part) for page in parts for part in page)
            if error and (ends > Path(path).stat().st_size or "Short read" in str(error)):
                return None
            first, *others = (page for page in tiff.pages if page.index == 0 or not page.is_reduced)
            largest = max((first, *others), key=_area)
            for holds, what, advice in KINDS:
                if holds(first, others):
                    words = {"largest": largest.index, "format": first.dtype}
                    return what.format(**words), advice.format(**words)
            if error:
                return (
                    f"is compressed as {first.compression.name} ({first.photometric.name}), which "
                    f"OpenSlide can't read ({error})",
                    CONVERT,
                )
    except Exception:  # whatever the library makes of a file that is damaged or no TIFF
        return None
    return None


def _area(page):
    return page.imagewidth * page.imagelength


def _is_grey(page):
    return page.photometric in (0, 1)  # white or black is zero


def overview(path, side=1200):
    """A thumbnail of the whole slide and the slide's `(width, height)` in full-resolution px.

    Memory does not grow with the slide: a level of more than `OVERVIEW` px is averaged by blocks.
    """
    with open_slide(path) as slide:
        level = slide.get_best_level_for_downsample(max(slide.dimensions) / side)
        width, height = slide.level_dimensions[level]
        downsample = slide.level_downsamples[level]
        # px a side that become one, a power of two, so that no tile is in two blocks
        factor = 2 ** max(math.ceil(math.log2(width * height / OVERVIEW) / 2), 0)
        small = Image.new("RGB", (math.ceil(width / factor), math.ceil(height / factor)))
        for top, left in itertools.product(range(0, height, BLOCK), range(0, width, BLOCK)):
            extent = (min(BLOCK, width - left), min(BLOCK, height - top))
            origin = (round(left * downsample), round(top * downsample))
            region = read_region(slide, path, origin, level, extent)
            small.paste(region.reduce(factor), (left // factor, top // factor))
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        return np.asarray(small), slide.dimensions


def read_region(slide, path, origin, level, extent):
    """Part of a level as an RGB image, white where nothing was scanned, as glass is.

    origin: upper left in full-resolution px; extent: in px of the level. Raises `InputError` for
    what can't be read.
    """
    import openslide

    try:
        region = slide.read_region(tuple(map(int, origin)), level, extent)
    except openslide.OpenSlideError as error:
        raise InputError(
            f"{path}: can't be read at ({origin[0]}, {origin[1]}) px, perhaps truncated "
            f"({in_a_line(error)}); get it again."
        ) from None
    if region.getchannel("A").getextrema()[0] < 255:
        region = Image.alpha_composite(Image.new("RGBA", region.size, "white"), region)
    return region.convert("RGB")
