"""Which file is the slide, what of it is read, and where its patches are."""

import shutil
import subprocess
import sys
import zlib

import h5py
import numpy as np
import openslide
import pytest
import tifffile
from bad_files import PATCHES
from conftest import ROOT
from PIL import Image

from spotrank.base.store import InputError
from spotrank.cohorts import patch_files, slide_files
from spotrank.cohorts.sources.registry import Local
from spotrank.encoders import embed
from spotrank.spots import slides

NONE = ("._SIM1.tif", ".part-0a1b2c3d-SIM1.tif", "SIM1.tif.crdownload", "SIM1.part", "SIM1.tmp")
OTHERS = ("SIM1.tif~", "SIM1.xml", "SIM1.tif.ndpa", "SIM1.2.tiff", "SIM10.tif", "SIM1.png")


@pytest.fixture
def folder(cohort, tmp_path):
    """A folder of slides whose every name is that of a sound one, but which is no slide of SIM1."""
    for name in NONE + OTHERS:
        shutil.copy(cohort / "wsis/SIM1.tif", tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("name", ["SIM1.tif", "SIM1.TIFF", "SIM1.svs", "SIM1.ome.tif", "SIM1.NDPI"])
def test_the_slide_is_the_id_and_a_suffix(name, folder):
    shutil.copy(folder / "SIM10.tif", folder / name)
    assert slide_files.slide_of(folder, "SIM1") == folder / name


def test_nothing_else_is_the_slide(folder):
    with pytest.raises(InputError, match=r"SIM1\.\* is missing: .* \(SIM1\.2\.tiff is not it\)"):
        slide_files.slide_of(folder, "SIM1")


def test_of_files_called_slides_the_one_that_openslide_knows(folder):
    Image.new("RGB", (50, 50)).save(folder / "SIM1.tif")
    shutil.copy(folder / "SIM10.tif", folder / "SIM1.svs")
    assert slide_files.slide_of(folder, "SIM1") == folder / "SIM1.svs"


def test_hidden_names_are_no_samples(own_cohort):
    (own_cohort / "st/._SIM1.h5ad").write_bytes(b"\0\5\x16\7")
    local = {"source": "local", "folder": str(own_cohort)}
    chosen = Local("c", local).samples()
    assert "._SIM1" not in chosen.index
    assert "SIM1" in chosen.index


@pytest.mark.parametrize("edit", ["planar", "16 bits", "alpha", "OME", "pages of one size"])
def test_sound_kinds_are_read_alike(edit, cohort, tmp_path):
    with openslide.OpenSlide(cohort / "wsis/SIM1.tif") as slide:
        rgb = np.asarray(slide.read_region((300, 300), 0, (600, 500)).convert("RGB"))
    how = {"tile": (256, 256), "compression": "zlib", "photometric": "rgb"}
    pages = [rgb]
    if edit == "planar":
        pages, how["planarconfig"] = [np.ascontiguousarray(rgb.transpose(2, 0, 1))], "separate"
    if edit == "16 bits":
        pages = [rgb.astype("u2") * 257]
    if edit == "alpha":
        pages, how["extrasamples"] = [np.dstack([rgb, rgb[..., 0] * 0 + 255])], ["unassalpha"]
    if edit == "pages of one size":
        pages = [rgb, rgb[:400]]
    with tifffile.TiffWriter(tmp_path / "a.tif", ome=edit == "OME") as tiff:
        for page in pages:
            tiff.write(page, **how)
    with slide_files.open_slide(tmp_path / "a.tif") as slide:
        read = np.asarray(slide.read_region((0, 0), 0, (600, 500)).convert("RGB"))
    np.testing.assert_array_equal(read, rgb)


def test_a_tiff_cut_short_is_not_called_of_another_kind(cohort, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((900, 900, 3), "u1"))  # strips
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="perhaps truncated"):
        slide_files.open_slide(tmp_path / "a.tif")


def test_overview_is_the_thumbnail(cohort):
    path = cohort / "wsis/SIM1.tif"
    with openslide.OpenSlide(path) as slide:
        for side in (64, 500, 3000):
            thumbnail, extent = slide_files.overview(path, side)
            np.testing.assert_array_equal(thumbnail, slide.get_thumbnail((side, side)))
            assert extent == slide.dimensions


def test_overview_takes_means_of_a_large_level(cohort, monkeypatch):
    path = cohort / "wsis/SIM1.tif"
    monkeypatch.setattr(slide_files, "OVERVIEW", 300_000)
    monkeypatch.setattr(slide_files, "BLOCK", 256)
    with openslide.OpenSlide(path) as slide:
        whole = slide.read_region((0, 0), 0, slide.dimensions).convert("RGB").reduce(4)
    whole.thumbnail((300, 300), Image.Resampling.LANCZOS)
    monkeypatch.setattr(openslide.OpenSlide, "get_best_level_for_downsample", lambda *_: 0)
    np.testing.assert_array_equal(slide_files.overview(path, 300)[0], whole)


def test_memory_of_an_overview_does_not_grow_with_the_slide(tmp_path):
    side, tile = 12_000, zlib.compress(np.full((512, 512, 3), 200, "u1").tobytes())
    tifffile.imwrite(
        tmp_path / "a.tif",
        (tile for _ in range((-(-side // 512)) ** 2)),
        shape=(side, side, 3),
        dtype="u1",
        tile=(512, 512),
        photometric="rgb",
        compression="zlib",
    )
    code = (
        "import sys; from pathlib import Path; from spotrank.cohorts import slide_files;"
        "assert slide_files.overview(sys.argv[1])[0].shape == (1200, 1200, 3);"
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    peak = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a.tif"],
        env={"PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        check=True,
    )
    assert int(peak.stdout) < 300_000  # kB; the slide is 576,000 as RGBA


def patch_file(path, attributes=None, **more):
    rng = np.random.default_rng(0)
    parts = {
        "img": rng.integers(0, 256, (2, 64, 64, 3), "u1"),
        "barcode": np.array(["a", "b"], "S"),
        "coords": np.array([[10, 20], [30, 40]]),
    } | more
    with h5py.File(path, "w") as file:
        for key, value in parts.items():
            file[key] = value
        for name, values in (attributes or {}).items():
            file[name].attrs.update(values)
    return path


@pytest.mark.parametrize(
    ("attributes", "side"),
    [
        (None, 448),  # 112 µm of 0.25 µm a px
        ({"img": {"patch_size": 224, "pixel_size": 0.5}}, 448),
        ({"img": {"patch_size_src": 450, "patch_size_target": 224, "pixel_size": 0.25}}, 450),
        ({"coords": {"patch_size": 256, "patch_size_level0": np.array([446])}}, 446),
    ],
)
def test_coords_of_patch_files_are_corners(attributes, side, tmp_path):
    path = patch_file(tmp_path / "a.h5", attributes)
    (tmp_path / "a.json").write_text('{"pixel_size_um_estimated": 0.25}')
    _, barcodes, centres = embed.patches_of(
        32, "lanczos", PATCHES, None, tmp_path / "a.json", patch_file=path
    )
    assert barcodes == ["a", "b"]
    np.testing.assert_allclose(
        centres, [[10 + side / 2, 20 + side / 2], [30 + side / 2, 40 + side / 2]]
    )


def test_barcodes_of_patch_files_are_text_of_any_kind(tmp_path):
    text = h5py.string_dtype()
    for barcode in (np.array([["ä"], ["b"]], object), np.array(["ä", "b"], object)):
        path = patch_file(tmp_path / "a.h5", barcode=barcode.astype(text))
        assert patch_files.read_patches(path, PATCHES, 0.5)[0] == ["ä", "b"]


def test_grey_patches_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    img = np.repeat(rng.integers(0, 256, (2, 64, 64, 1), "u1"), 3, 3)
    with pytest.raises(InputError, match="grey where the spots are"):
        slides.FilePatches(patch_file(tmp_path / "a.h5", img=img), PATCHES, 0.5, 64)


def test_glass_alone_is_not_called_grey(cohort, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.full((600, 600, 3), 240, "u1"), tile=(256, 256))
    inside = slides.on_slide(tmp_path / "a.tif", np.full((3, 2), 300.0), 100, "st", "metadata")
    assert inside.all()
