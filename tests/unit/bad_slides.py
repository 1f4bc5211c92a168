"""Slides and patch files that can't be read or would be read wrongly, each an edit and the sentence
that it must give."""

import anndata
import h5py
import numpy as np
import openslide
import tifffile
from bad_files import overwrite, rewrite, truncate
from PIL import Image


def patch_file(length=2, img=None, attributes=None, **more):
    """Write a patch file of two patches; `more` replaces or removes (None) what it holds."""

    def write(folder):
        (folder / "patches").mkdir()
        parts = {
            "img": np.zeros((2, 8, 8, 3), "u1") if img is None else img,
            "barcode": np.array([[f"x{i}"] for i in range(length)], "S"),
            "coords": np.zeros((2, 2)),
        } | more
        with h5py.File(folder / "patches/SIM1.h5", "w") as file:
            for key, value in parts.items():
                if value is not None:
                    file[key] = value
            file["img"].attrs.update(attributes or {})

    return write


def without_suffix(folder):
    """Barcodes end in -1 in st, and don't in the patch file."""
    rewrite(lambda adata: setattr(adata, "obs_names", adata.obs_names + "-1"))(folder)
    names = anndata.read_h5ad(folder / "st/SIM1.h5ad").obs_names[:2]
    patch_file(barcode=np.array([name.removesuffix("-1") for name in names], "S"))(folder)


def slide(*edits, tag=None, **how):
    """Write SIM1's slide as a TIFF of another kind, a page for each edit of its picture.

    how: as `tifffile.TiffWriter.write` takes it; tag: `{code: value}` to set in the first page.
    """

    def write(folder):
        path = folder / "wsis/SIM1.tif"
        with openslide.OpenSlide(path) as known:
            rgb = np.asarray(known.read_region((0, 0), 0, known.dimensions).convert("RGB"))
        options = {"tile": (256, 256), "photometric": "rgb", "compression": "zlib"} | how
        with tifffile.TiffWriter(path) as tiff:
            for edit in edits:
                tiff.write(edit(rgb), **options)
        for code, value in (tag or {}).items():
            with tifffile.TiffFile(path, mode="r+b") as tiff:
                tiff.pages[0].tags[code].overwrite(value)

    return write


def as_it_is(rgb):
    return rgb


def grey(rgb):
    return rgb.mean(2).astype("u1")


TURNED = {"extratags": [("Orientation", "H", 1, 6, True)]}

JPEG2000 = {"Compression": 34712}


SLIDES = {
    "truncated slide": (truncate("wsis/SIM1.tif"), "perhaps truncated"),
    "no slide": (lambda folder: (folder / "wsis/SIM1.tif").write_text("hello"), "not a slide"),
    "empty slide": (overwrite("wsis/SIM1.tif"), "not a slide"),
    "slide that is a picture": (
        lambda folder: Image.new("RGB", (50, 50)).save(folder / "wsis/SIM1.tif", "PNG"),
        "is a PNG picture, not a slide",
    ),
    "TIFF without tiles": (slide(as_it_is, tile=None), "is a TIFF without tiles"),
    "TIFF in grey": (slide(grey, photometric="minisblack"), "is grey, but H&E needs colour"),
    "TIFF in grey, white is zero": (slide(grey, photometric="miniswhite"), "is grey, but H&E"),
    "TIFF of grey of 16 bits": (
        slide(lambda rgb: grey(rgb).astype("u2") * 257, photometric="minisblack"),
        "is grey, but H&E needs colour",
    ),
    "TIFF of a page a channel": (
        slide(lambda rgb: rgb.transpose(2, 0, 1).copy(), photometric="minisblack"),
        "holds its channels as grey pictures",
    ),
    "TIFF of three grey samples": (
        slide(as_it_is, photometric="minisblack", planarconfig="contig"),
        "holds its channels as grey pictures",
    ),
    "TIFF with a palette": (
        slide(grey, photometric="palette", colormap=np.zeros((3, 256), "u2")),
        "has a palette of few colours",
    ),
    "TIFF of floats": (
        slide(lambda rgb: rgb.astype("f4") / 255),
        "has samples of float32, not of 8",
    ),
    "TIFF of JPEG 2000": (slide(as_it_is, tag=JPEG2000), "is compressed as JPEG2000 (RGB)"),
    "TIFF to be turned": (slide(as_it_is, **TURNED), "its orientation tag turns or mirrors"),
    "TIFF with the label first": (
        slide(lambda rgb: rgb[:300, :400], as_it_is),
        "begins with a page that is smaller than page 1",
    ),
    "slide in grey RGB": (
        slide(lambda rgb: np.repeat(grey(rgb)[..., None], 3, 2)),
        "is grey where the spots are",
    ),
    "slide of 12 bits": (
        slide(lambda rgb: rgb.astype("u2") * 16),
        "is all but black where the spots are",
    ),
    "slide that a hub answered for": (
        overwrite("wsis/SIM1.tif", b"<!DOCTYPE html>"),
        "is a page of the web",
    ),
    "slide in git LFS": (
        overwrite("wsis/SIM1.tif", b"version https://git-lfs.github.com/spec/v1\n"),
        "is a pointer of git LFS",
    ),
    "slide that is a link to nothing": (
        lambda folder: (
            (folder / "wsis/SIM1.tif").unlink() or (folder / "wsis/SIM1.tif").symlink_to("SIM9.tif")
        ),
        "can't be read (No such file or directory)",
    ),
}

PATCH_FILES = {
    "patches of another sample": (
        patch_file(),
        "no barcode in common .*; they are of different samples",
    ),
    "barcodes without their suffix": (without_suffix, "they differ by '-1', so write them alike"),
    "patches of another width": (
        patch_file(attributes={"patch_size": 256, "pixel_size": 0.5}),
        "are 128 µm wide, but 'patches' of the config asks for 224 px × 0.5 µm/px = 112 µm",
    ),
    "patches of another width on the slide": (
        patch_file(attributes={"patch_size_src": 448, "patch_size_target": 224}),
        "µm wide, but 'patches' of the config",
    ),
    "width that is no number": (
        patch_file(attributes={"patch_size": "wide", "pixel_size": 0.5}),
        "not HEST's patch file",
    ),
    "patches with channels first": (
        patch_file(img=np.zeros((2, 3, 8, 8), "u1")),
        "channels first; write it as (n, px, px, 3)",
    ),
    "patch file without patches": (
        patch_file(0, img=np.zeros((0, 8, 8, 3), "u1"), coords=np.zeros((0, 2))),
        "holds no patch",
    ),
    "patches of floats": (patch_file(img=np.zeros((2, 8, 8, 3), "f4")), "not uint8"),
    "patches with fewer barcodes": (patch_file(length=1), "differ in length"),
    "empty patch file": (
        lambda folder: patch_file()(folder) or overwrite("patches/SIM1.h5")(folder),
        "not HEST's patch file",
    ),
    "patch file without coords": (patch_file(coords=None), "not HEST's patch file"),
    "patches of no size": (
        patch_file(img=np.zeros((2, 0, 0, 3), "u1")),
        "not uint8 (n, px, px, 3)",
    ),
    "patches that are not square": (
        patch_file(img=np.zeros((2, 8, 9, 3), "u1")),
        "not uint8 (n, px, px, 3)",
    ),
    "patches in grey": (patch_file(img=np.zeros((2, 8, 8), "u1")), "not uint8 (n, px, px, 3)"),
    "barcodes that are numbers": (patch_file(barcode=np.arange(2)), "not HEST's patch file"),
    "barcode twice": (patch_file(barcode=np.array(["a", "a"], "S")), "stands there twice"),
    "coords that are not finite": (
        patch_file(coords=np.full((2, 2), np.nan)),
        "'coords' is not two finite numbers",
    ),
    "external link in a patch file": (
        patch_file(img=h5py.ExternalLink("secret.h5", "x")),
        "'img' lies in another file",
    ),
}
