"""Where tissue is found: on drawn slides with what people leave there, and on real sections."""

import drawn_slides as drawn
import numpy as np
import pytest
from scipy import ndimage

from spotrank.cohorts import hest, slide_files
from spotrank.prediction import tissue

SECTIONS = ("SPA139", "SPA140", "SPA141", "SPA145")
INK = {
    ink: (lambda rgb, c=colour: drawn.line(rgb, [(330, 60), (350, 440)], c, 14))
    for ink, colour in drawn.INKS.items()
}
LEFT = {
    "nothing": lambda rgb: rgb,
    "haze": lambda rgb: drawn.haze(rgb, 330, 250),
    "bubble": lambda rgb: drawn.bubble(rgb, 560, 330, 70),
    "dust": lambda rgb: drawn.dust(rgb, 600, 100),
    "edge of the cover slip": lambda rgb: drawn.line(
        rgb, [(0, 470), (700, 480)], (120, 120, 122), 3
    ),
    **{f"{ink} ink": draw for ink, draw in INK.items()},
}


def section(colour=(243, 240, 242), stain="H&E"):
    return drawn.piece(drawn.glass(colour=colour), 180, 250, 120, stain)


@pytest.mark.parametrize("what", LEFT)
def test_only_tissue_is_found(what):
    rgb, where = section()
    _is(tissue.find(LEFT[what](rgb), drawn.UM_PER_PX), where)


@pytest.mark.parametrize("colour", [(255, 255, 255), (205, 205, 207), (230, 214, 229)])
@pytest.mark.parametrize("stain", drawn.STAINS)
def test_glass_and_stain_of_any_colour(colour, stain):
    rgb, where = section(colour, stain)
    _is(tissue.find(rgb, drawn.UM_PER_PX), where)


def test_all_pieces_are_found():
    rgb, wheres = drawn.glass(), []
    for seed, (x, y, radius) in enumerate(
        [(120, 120, 80), (420, 130, 60), (300, 370, 90), (600, 400, 30)]
    ):
        rgb, where = drawn.piece(rgb, x, y, radius, seed=seed)
        wheres.append(where)
    found = tissue.find(rgb, drawn.UM_PER_PX)
    assert ndimage.label(found)[1] == 4
    _is(found, np.any(wheres, axis=0))


def test_a_fold_is_tissue():
    rgb, where = section()
    _is(tissue.find(drawn.fold(rgb, where), drawn.UM_PER_PX), where)


@pytest.mark.parametrize("ink", INK)
def test_ink_on_tissue_is_left_out(ink):
    rgb, where = section()
    marked = drawn.line(rgb, [(30, 240), (330, 260)], drawn.INKS[ink], 10)
    inked = (rgb != marked).any(2) & where & (np.abs(marked.astype(int) - rgb).max(2) > 60)
    found = tissue.find(marked, drawn.UM_PER_PX)
    assert not (found & inked).any()
    assert (found & where).sum() > 0.8 * where.sum()


@pytest.mark.parametrize("colour", [(255, 255, 255), (200, 200, 200), (245, 225, 240)])
def test_there_is_none_on_empty_glass(colour):
    assert not tissue.find(drawn.glass(colour=colour), drawn.UM_PER_PX).any()


@pytest.mark.parametrize("sample", SECTIONS)
def test_real_sections(sample, her2st):
    """Measured spots lie on what is found, and what is found lies near them."""
    um_per_px = hest.read_pixel_size(her2st / f"metadata/{sample}.json")
    slide = her2st / f"wsis/{sample}.tif"
    rgb, extent = slide_files.overview(slide, round(9900 * um_per_px / tissue.UM_PER_PX))
    scale = rgb.shape[1] / extent[0]
    places = hest.read_spots(her2st / f"st/{sample}.h5ad").obsm["spatial"] * scale
    found = tissue.find(rgb, um_per_px / scale)
    x, y = places.astype(int).T
    assert found[y, x].mean() >= 0.99
    spots = np.ones(found.shape, bool)
    spots[y, x] = False
    far = ndimage.distance_transform_edt(spots) * um_per_px / scale > 200  # µm between spots
    assert (found & far).sum() < 0.02 * found.sum()


def _is(found, where):
    """`found` is `where`, but for its border."""
    inside, outside = (
        ndimage.binary_erosion(where, iterations=5),
        ndimage.binary_dilation(where, iterations=4),
    )
    assert (found & inside).sum() > 0.97 * inside.sum()
    assert not (found & ~outside).any()
