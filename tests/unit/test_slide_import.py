"""Pictures that OpenSlide can't read, written once for it."""

import hashlib
import io
import json
import subprocess
import sys

import numpy as np
import openslide
import pytest
import pyvips
import tifffile
from conftest import ROOT
from PIL import Image

from spotrank.base.store import InputError
from spotrank.cohorts import slide_files, slide_import

TILED = {"tile": (256, 256), "photometric": "rgb", "compression": "zlib"}


@pytest.fixture(scope="module")
def rgb(cohort):
    """A part of a slide that looks otherwise if turned or mirrored, `(500, 700, 3)`."""
    with openslide.OpenSlide(cohort / "wsis/SIM1.tif") as slide:
        picture = np.asarray(slide.read_region((300, 300), 0, (700, 500)).convert("RGB")).copy()
    picture[:64, :96] = (200, 30, 90)
    return picture


def pillow(kind, edit=lambda image: image, **options):
    def write(path, rgb):
        edit(Image.fromarray(rgb)).save(path, kind, **options)

    return write


def tiff(edit=lambda rgb: rgb, **options):
    def write(path, rgb):
        tifffile.imwrite(path, edit(rgb), photometric="rgb", **options)

    return write


def subifds(path, rgb):
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(rgb, subifds=1, resolution=(2e4, 2e4), resolutionunit="centimeter", **TILED)
        file.write(rgb[::2, ::2].copy(), subfiletype=1, **TILED)


def stream(pixels, mct=1):
    """A tile in lossless JPEG 2000; mct: whether its colours are transformed."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG2000", no_jp2=True, mct=mct, irreversible=False)
    return file.getvalue()


def ycbcr(pixels):
    return stream(np.asarray(Image.fromarray(pixels).convert("YCbCr")), mct=0)


def jpeg_2000(code, encode=stream, photometric=2):
    """A TIFF of tiles in JPEG 2000, which tifffile writes if it is told of another compression."""

    def write(path, rgb):
        height, width, _ = rgb.shape
        padded = np.pad(rgb, ((0, -height % 256), (0, -width % 256), (0, 0)), mode="edge")
        tiles = (
            encode(padded[top : top + 256, left : left + 256])
            for top in range(0, height, 256)
            for left in range(0, width, 256)
        )
        tifffile.imwrite(path, tiles, shape=rgb.shape, dtype="u1", **TILED)
        with tifffile.TiffFile(path, mode="r+") as file:
            tags = file.pages[0].tags
            tags["Compression"].overwrite(code)
            tags["PhotometricInterpretation"].overwrite(photometric)

    return write


def jpeg_2000_planes(path, rgb):
    """The same, a plane a colour, in strips."""
    streams = (
        stream(plane[top : top + 200])
        for plane in rgb.transpose(2, 0, 1)
        for top in range(0, 500, 200)
    )
    options = {"photometric": "rgb", "planarconfig": "separate", "compression": "zlib"}
    tifffile.imwrite(path, streams, shape=(3, 500, 700), dtype="u1", rowsperstrip=200, **options)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["Compression"].overwrite(34712)


TURNED = Image.Exif()
TURNED[274] = 6  # to be turned by 90° clockwise
KINDS = {
    "a.png": (pillow("PNG"), "is a PNG picture"),
    "alpha.png": (pillow("PNG", lambda image: image.convert("RGBA")), "is a PNG picture"),
    "a.jpg": (pillow("JPEG", quality=95, subsampling=0), "is a JPEG picture"),
    "a.jp2": (pillow("JPEG2000"), "is a JPEG 2000 picture"),
    "a.j2k": (pillow("JPEG2000", no_jp2=True), "is a JPEG 2000 picture"),
    "strips.tif": (tiff(rowsperstrip=7), "is a TIFF without tiles"),
    "one strip.tif": (tiff(rowsperstrip=500, compression="zlib"), "is a TIFF without tiles"),
    "LZW.tif": (pillow("TIFF", compression="tiff_lzw"), "is a TIFF without tiles"),
    "JPEG.tif": (pillow("TIFF", compression="jpeg", quality=95), "is a TIFF without tiles"),
    "big.tif": (tiff(bigtiff=True), "is a TIFF without tiles"),
    "16 bits.tif": (tiff(lambda rgb: rgb.astype("u2") * 257), "is a TIFF without tiles"),
    "planes.tif": (
        tiff(lambda rgb: rgb.transpose(2, 0, 1).copy(), planarconfig="separate"),
        "is a TIFF without tiles",
    ),
    "SubIFDs.ome.tif": (subifds, "has its smaller levels in SubIFDs"),
    "34712.tif": (jpeg_2000(34712), "is compressed as JPEG2000 (RGB)"),
    "33005.tif": (jpeg_2000(33005), "is compressed as APERIO_JP2000_RGB"),
    "33003.tif": (jpeg_2000(33003, ycbcr), "is compressed as APERIO_JP2000_YCBC"),
    "YCbCr.tif": (jpeg_2000(34712, ycbcr, 6), "is compressed as JPEG2000 (YCBCR)"),
    "JPEG 2000 in planes.tif": (jpeg_2000_planes, "is a TIFF without tiles"),
    "transformed.tif": (jpeg_2000(34712, stream, 6), "is compressed as JPEG2000 (YCBCR)"),
}


def read(path, level=0):
    """Level of a slide, as OpenSlide reads it."""
    with openslide.OpenSlide(path) as slide:
        picture = slide.read_region((0, 0), level, slide.level_dimensions[level])
        return np.asarray(picture.convert("RGB")).astype(int)


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_written_as_it_was(name, rgb, tmp_path):
    make, what = KINDS[name]
    make(tmp_path / name, rgb)
    assert slide_import.needs_import(tmp_path / name).startswith(what)
    slide_import.write(tmp_path / name, tmp_path / "out.tif")
    assert slide_import.needs_import(tmp_path / "out.tif") == ""
    written = read(tmp_path / "out.tif")
    off = np.abs(written - rgb)
    assert off.mean() < 3
    assert np.abs(np.roll(written, 1, axis=1) - rgb).mean() > 1.5 * off.mean()  # by a pixel
    with openslide.OpenSlide(tmp_path / "out.tif") as slide:
        assert slide.level_dimensions == ((700, 500), (350, 250), (175, 125))
        description = json.loads(slide.properties["tiff.ImageDescription"])
    assert description["original"] == name
    assert description["what"].startswith(what)
    assert description["sha256"] == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    half = np.asarray(Image.fromarray(rgb).reduce(2))
    assert np.abs(read(tmp_path / "out.tif", 1) - half).mean() < 6


@pytest.mark.parametrize(
    "make",
    [
        pillow("JPEG", quality=95, exif=TURNED),
        tiff(extratags=[("Orientation", "H", 1, 6, True)]),
        tiff(extratags=[("Orientation", "H", 1, 6, True)], tile=(256, 256)),
    ],
)
def test_orientation_is_followed(make, rgb, tmp_path):
    make(tmp_path / "a", rgb)
    slide_import.write(tmp_path / "a", tmp_path / "out.tif")
    assert np.abs(read(tmp_path / "out.tif") - np.rot90(rgb, -1)).mean() < 3


def test_transparent_is_white(rgb, tmp_path):
    clear = np.dstack([rgb, np.zeros((500, 700), "u1")])
    Image.fromarray(clear).save(tmp_path / "a.png")
    slide_import.write(tmp_path / "a.png", tmp_path / "out.tif")
    assert read(tmp_path / "out.tif").min() > 250


def test_a_tile_that_is_not_there_is_white(rgb, tmp_path):
    streams = iter([b"", *[stream(rgb[:256, :256])] * 5])
    jpeg_2000(34712, lambda _: next(streams))(tmp_path / "a.tif", rgb)
    slide_import.write(tmp_path / "a.tif", tmp_path / "out.tif")
    written = read(tmp_path / "out.tif")
    assert written[:250, :250].min() > 250
    assert np.abs(written[:244, 256:512] - rgb[:244, :256]).mean() < 3


def test_only_a_plausible_pixel_size_is_kept(rgb, tmp_path):
    for name, resolution, expected in (("a", 2e4, "0.5"), ("b", 38, None)):
        path = tmp_path / f"{name}.tif"
        tiff(resolution=(resolution,) * 2, resolutionunit="centimeter")(path, rgb)
        slide_import.write(path, tmp_path / "out.tif")
        with openslide.OpenSlide(tmp_path / "out.tif") as slide:
            assert slide.properties.get("openslide.mpp-x") == expected


def test_what_can_be_read_is_left_alone(cohort, rgb, tmp_path):
    tifffile.imwrite(tmp_path / "tiled.ome.tif", rgb, **TILED)
    for path in (cohort / "wsis/SIM1.tif", tmp_path / "tiled.ome.tif"):
        assert slide_import.needs_import(path) == ""
        with pytest.raises(InputError, match="can be read as it is"):
            slide_import.write(path, tmp_path / "out.tif")
    assert not (tmp_path / "out.tif").exists()


def test_the_real_xenium_picture(layouts, tmp_path):
    """Its H&E can be read; in JPEG 2000 or SubIFDs, as 10x writes them, it comes out alike."""
    (path,) = (layouts / "xenium_breast_he_rebuilt").glob("*_he_image.ome.tif")
    assert slide_import.needs_import(path) == ""
    rgb = read(path).astype("u1")
    assert rgb.shape == (448, 527, 3)
    for name, make in (("a", jpeg_2000(34712)), ("b", subifds)):
        make(tmp_path / f"{name}.ome.tif", rgb)
        slide_import.write(tmp_path / f"{name}.ome.tif", tmp_path / "out.tif")
        assert np.abs(read(tmp_path / "out.tif") - rgb).mean() < 3


REFUSED = {
    "grey.png": (pillow("PNG", lambda image: image.convert("L")), "is grey, but H&E needs colour"),
    "grey.jpg": (pillow("JPEG", lambda image: image.convert("L")), "is grey, but H&E needs"),
    "grey.jp2": (pillow("JPEG2000", lambda image: image.convert("L")), "is grey, but H&E needs"),
    "palette.png": (pillow("PNG", lambda image: image.convert("P")), "has a palette of few"),
    "CMYK.jpg": (pillow("JPEG", lambda image: image.convert("CMYK")), "colours as cmyk, not as"),
    "grey.tif": (pillow("TIFF", lambda image: image.convert("L")), "is grey, but H&E needs"),
    "palette.tif": (pillow("TIFF", lambda image: image.convert("P")), "has a palette of few"),
    "floats.tif": (tiff(lambda rgb: rgb / np.float32(255)), "has samples of float32"),
    "page.tif": (lambda path, _: path.write_text("<html>"), "is a page of the web"),
    "none.tif": (lambda path, _: path.unlink(missing_ok=True), "can't be read"),
    "bad tile.tif": (jpeg_2000(34712, lambda tile: stream(tile)[:2000]), "can't be decoded"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_picture_in_colours_is_refused(name, rgb, tmp_path):
    make, sentence = REFUSED[name]
    make(tmp_path / name, rgb)
    with pytest.raises(InputError, match=sentence):
        slide_import.write(tmp_path / name, tmp_path / "out.tif")
    assert {path.name for path in tmp_path.iterdir()} <= {name}


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.jp2", "strips.tif", "LZW.tif", "34712.tif"])
def test_a_picture_cut_short_leaves_nothing(name, rgb, tmp_path):
    KINDS[name][0](tmp_path / name, rgb)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(InputError, match="truncated"):
        slide_import.write(tmp_path / name, tmp_path / "out.tif")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_strips_are_written_and_their_failure_is_told(rgb, tmp_path):
    out = tmp_path / "out.tif"

    def strips():
        yield rgb[:123]
        yield rgb[123:321]
        yield rgb[321:]

    slide_import.write_strips((500, 700), strips(), out, {"image": "he_image"}, um_per_px=0.25)
    assert np.abs(read(out) - rgb).mean() < 3
    with openslide.OpenSlide(out) as slide:
        assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(0.25)
        assert json.loads(slide.properties["tiff.ImageDescription"])["image"] == "he_image"
    out.unlink()

    def failing():
        yield rgb[:123]
        raise InputError("store: chunk 2 is damaged.")

    with pytest.raises(InputError, match="chunk 2"):
        slide_import.write_strips((500, 700), failing(), out, {})
    with pytest.raises(pyvips.Error):
        slide_import.write_strips((500, 700), [rgb[:321]], out, {})
    assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_picture(tmp_path):
    code = (
        "import sys; from pathlib import Path; import numpy as np;"
        "from spotrank.cohorts import slide_import;"
        "strip = np.random.default_rng(0).integers(0, 255, (256, 12_000, 3), 'u1');"
        "slide_import.write_strips((256 * 40, 12_000), (strip for _ in range(40)),"
        "Path(sys.argv[1]), {});"
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    peak = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a.tif"],
        env={"PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        check=True,
    )
    assert int(peak.stdout) < 300_000  # kB; the picture has 369,000
    assert slide_files.overview(tmp_path / "a.tif", 300)[1] == (12_000, 10_240)
