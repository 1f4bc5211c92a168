"""Pictures of slides that OpenSlide can't read, written once as tiled TIFFs that it reads."""

import hashlib
import io
import json
import logging
import struct
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from spotrank.base.store import InputError, in_a_line, whole
from spotrank.cohorts.slide_files import (
    CONVERT,
    GET,
    GREY,
    PALETTE,
    UPRIGHT,
    UnreadableSlide,
    open_slide,
)

QUALITY = 89  # of JPEG; from 90 on libvips halves the colours' resolution no more: thrice the bytes
TILE = 256  # px
CLASSIC = 4_000_000_000  # bytes of pixels; what has more may need a BigTIFF
SCANNED = (50, 50_000)  # px/mm that a slide can have; what else a picture states is of a screen
YCBCR = 33003  # Aperio's JPEG 2000 with colours as YCbCr, whatever the other tags say
JPEG_2000 = (YCBCR, 33004, 33005, 34712)  # TIFF's compressions
STREAM = b"\xff\x4f\xff\x51"  # begins JPEG 2000 without its container

logging.getLogger("pyvips").setLevel(logging.WARNING)  # else it tells of each of its threads


def needs_import(path):
    """What keeps OpenSlide from reading a whole picture, in words; '' where nothing does, or
    writing it anew would not help.

    Looks at first bytes and tags only. Raises `InputError` for a file that isn't there.
    """
    import openslide
    import tifffile

    try:
        with open_slide(path) as slide:
            vendor = slide.properties[openslide.PROPERTY_NAME_VENDOR]
            if vendor != "generic-tiff" or slide.level_count > 1:
                return ""
    except UnreadableSlide as error:
        return error.what if error.advice in (CONVERT, UPRIGHT) else ""
    with tifffile.TiffFile(path) as tiff:
        below = tiff.pages.first.subifds
    return "has its smaller levels in SubIFDs, of which OpenSlide reads none" if below else ""


def write(path, out):
    """Write the picture `path` as a pyramidal TIFF of tiles in JPEG, which OpenSlide reads.

    Level 0 has the picture's pixels, each further one half as many a side. Colours stay the numbers
    that they are (a profile is kept, not applied), but 16 bits become 8, and what is transparent
    white. What an orientation tag turns or mirrors is written upright, as viewers and OpenCV show
    it. Spots placed by a program that ignored the tag then lie wrong: at a turn by 90° the sizes of
    slide and hires picture tell, at others the picture of `snakemake import_check`.

    The TIFF's ImageDescription says in JSON which file was the `original`, its `sha256` and `what`
    kept OpenSlide from reading it. Memory doesn't grow with the picture, but for a PNG that is
    interlaced, a progressive JPEG, and JPEG 2000 outside a TIFF. Raises `InputError` for what has
    no colours, is damaged, or can be read as it is.
    """
    import pyvips

    what = needs_import(path)
    if not what:
        open_slide(path).close()  # raises where writing anew would not help
        raise InputError(f"{path}: can be read as it is; leave it so, nothing is written.")
    logging.info("%s %s", path, what)
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    origin = {"original": Path(path).name, "sha256": digest, "what": what}
    try:
        with _picture(path) as image:
            _save(image, out, origin)
    except pyvips.Error as error:
        raise InputError(
            f"{path}: can't be decoded, perhaps truncated ({in_a_line(error)}); get it again."
        ) from None


def write_strips(size, strips, out, origin, um_per_px=None):
    """Write a picture that comes in strips as `write` does.

    size: (height, width) in px; strips: uint8 `(rows, width, 3)` each, from the top; origin: what
    the ImageDescription is to say, as JSON can hold it; um_per_px: of the picture, if known.
    """
    with _streamed(size, strips, 1000 / um_per_px if um_per_px else 1) as image:
        _save(image, out, origin)


def _save(image, out, origin):
    """Write an RGB image of libvips, whole or not at all."""
    import pyvips
    import tifffile

    done = [0]

    def tell(_, progress):
        if progress.percent >= done[0] + 10:
            done[0] = progress.percent // 10 * 10
            logging.info("%d %% of %d x %d px", done[0], image.width, image.height)

    image.set_progress(True)
    image.signal_connect("eval", tell)
    image.set_type(
        pyvips.GValue.gstr_type, "image-description", json.dumps(origin | {"quality": QUALITY})
    )
    with whole(out) as temporary:
        image.tiffsave(
            str(temporary),
            compression="jpeg",
            Q=QUALITY,
            tile=True,
            tile_width=TILE,
            tile_height=TILE,
            pyramid=True,
            bigtiff=3 * image.width * image.height > CLASSIC,
        )
        if not SCANNED[0] < image.xres < SCANNED[1]:
            with tifffile.TiffFile(temporary, mode="r+") as tiff:
                for page in tiff.pages:
                    page.tags["ResolutionUnit"].overwrite(tifffile.RESUNIT.NONE)


@contextmanager
def _picture(path):
    """A picture file as an upright RGB image of libvips, to be read once from top to bottom."""
    import pyvips
    import tifffile

    with open(path, "rb") as file:
        start = file.read(12)
    if start.startswith(STREAM) or start[4:6] == b"jP":
        with _streamed(*_of_jpeg_2000(path)) as image:
            yield image
        return
    if start[:2] in (b"II", b"MM"):
        with tifffile.TiffFile(path) as tiff:
            page = tiff.pages.first
            if page.compression in JPEG_2000:
                per_mm = page.get_resolution("MILLIMETER")[0]
                with _streamed(page.shape[:2], _rows_of_tiles(path, page), per_mm) as image:
                    turned = page.tags.valueof("Orientation", 1)
                    image.set_type(pyvips.GValue.gint_type, "orientation", turned)
                    yield _upright(image)
                return
    image = pyvips.Image.new_from_file(str(path), access="sequential", fail_on="error")
    if image.get_typeof("palette"):
        raise UnreadableSlide(path, *PALETTE)
    if image.interpretation in ("b-w", "grey16"):
        raise UnreadableSlide(path, *GREY)
    if image.interpretation not in ("srgb", "rgb", "rgb16"):
        what = f"has its colours as {image.interpretation}, not as RGB"
        raise UnreadableSlide(path, what, f"{GET} in RGB")
    if image.interpretation == "rgb16":
        image = image.colourspace("srgb")
    yield _upright(image.flatten(background=255) if image.hasalpha() else image)


def _upright(image):
    """An image turned and mirrored as its orientation tag says, by a temporary file."""
    import pyvips

    if not image.get_typeof("orientation") or image.get("orientation") == 1:
        return image
    spool = pyvips.Image.new_temp_file("%s.v")
    image.write(spool)
    return spool.autorot()


@contextmanager
def _streamed(size, strips, px_per_mm=1):
    """The image of libvips that `strips` make up, see `write_strips`; raises what they raise.

    It goes through a PNG that is not compressed, the one format that libvips reads from a stream
    and that can be written row by row.
    """
    import pyvips

    pieces, rest, failures = _png(size, strips), b"", []

    def read(n):
        nonlocal rest
        try:
            rest = rest or memoryview(next(pieces, b""))
        except Exception as failure:  # would be lost on its way through C
            failures.append(failure)
            return None
        given, rest = rest[:n], rest[n:]
        return given

    source = pyvips.SourceCustom()
    source.on_read(read)
    try:
        image = pyvips.Image.new_from_source(source, "", access="sequential", fail_on="error")
        yield image.copy(xres=px_per_mm, yres=px_per_mm)
    except pyvips.Error:
        raise failures[0] if failures else None from None


def _png(size, strips):
    """Parts of a PNG of RGB pixels, not compressed."""

    def chunk(kind, data=b""):
        check = zlib.crc32(data, zlib.crc32(kind))
        return b"".join((struct.pack(">I", len(data)), kind, data, struct.pack(">I", check)))

    height, width = size
    packer = zlib.compressobj(0)
    yield b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0))
    for strip in strips:
        rows = np.zeros((len(strip), 1 + 3 * width), np.uint8)  # each begins with 0: as it is
        rows[:, 1:] = strip.reshape(len(strip), -1)
        yield chunk(b"IDAT", packer.compress(rows.tobytes()))
    yield chunk(b"IDAT", packer.flush()) + chunk(b"IEND")


def _of_jpeg_2000(path):
    """Size and the one strip of a picture in JPEG 2000, which Pillow decodes as a whole only."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # slides are large
    with Image.open(path) as image:
        if image.mode in ("L", "LA", "I;16"):
            raise UnreadableSlide(path, *GREY)
        if image.mode == "P":
            raise UnreadableSlide(path, *PALETTE)
        return image.size[::-1], (_decoded(path, file) for file in [path])


def _rows_of_tiles(path, page):
    """Strips of a TIFF in JPEG 2000, a row of its tiles, or one of its strips, each."""
    height, width = page.shape[:2]
    tile = page.tile if page.is_tiled else (min(page.rowsperstrip, height), width)
    across = -(-width // tile[1])
    is_ycbcr = page.compression == YCBCR or page.photometric == 6
    places = iter(zip(page.dataoffsets, page.databytecounts, strict=True))
    with open(path, "rb") as file:
        for top in range(0, height, tile[0]):
            strip = np.full((tile[0], across * tile[1], 3), 255, np.uint8)
            for left in range(0, width, tile[1]):
                offset, count = next(places)
                if not count:  # where nothing was scanned there may be no tile
                    continue
                file.seek(offset)
                stream = file.read(count)
                pixels = _decoded(path, io.BytesIO(stream), is_ycbcr and _keeps_ycbcr(stream))
                strip[: len(pixels), left : left + pixels.shape[1]] = pixels
            yield strip[: height - top, :width]


def _keeps_ycbcr(stream):
    """Whether colours come out of a JPEG 2000 stream as they went in: OpenJPEG makes RGB of what
    was transformed by the stream's own means, Pillow of what is subsampled or in a container.

    Of the headers SIZ and COD, see ISO/IEC 15444-1, A.5.1 and A.6.1.
    """
    transform = stream.find(b"\xff\x52", 47) + 8
    return (
        stream.startswith(STREAM)
        and stream[46:48] == b"\1\1"  # a sample a pixel
        and stream[transform : transform + 1] == b"\0"
    )


def _decoded(path, file, is_ycbcr=False):
    """A picture or tile in JPEG 2000 as RGB, uint8 `(height, width, 3)`."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            image.load()
            if is_ycbcr:
                image = Image.merge("YCbCr", image.split()[:3])
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: JPEG 2000 that can't be decoded, perhaps truncated ({in_a_line(error)}); "
            "get it again."
        ) from None
