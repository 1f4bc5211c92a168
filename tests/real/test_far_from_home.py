"""A held-out real section is at home, the same section in another stain is not."""

import numpy as np
import pytest

from spotrank.bundles import home
from spotrank.cohorts import slide_files, slide_import
from spotrank.encoders import embed, loading, stains
from spotrank.prediction import places, predict, slide

GEOMETRY = {"size": 224, "um_per_px": 0.5}
TRAINING = ("SPA140", "SPA141", "SPA145")
CORNER, SIDE, UM_PER_PX = (2500, 2500), 3500, 0.69  # px of SPA139, in its tissue


def as_it_is(rgb):
    return rgb


def brown_and_blue(rgb):
    """Haematoxylin as brown as DAB, eosin as pale blue as a counterstain."""
    haematoxylin, _, residual = stains.STAINS / np.linalg.norm(stains.STAINS, axis=1)[:, None]
    share = np.maximum(-np.log((rgb + np.float32(1)) / 256) @ stains.UNMIX, 0)
    density = share[..., :1] * residual + share[..., 1:2] * 0.5 * haematoxylin
    return (255 * np.exp(-density)).astype("u1")


def other_hues(rgb):
    return rgb[..., [2, 0, 1]]


@pytest.fixture(scope="module")
def encoder():
    return loading.load("stain_statistics", GEOMETRY["size"], 2)


@pytest.fixture(scope="module")
def at_home(her2st, encoder):
    """Home of three sections, each held out in turn."""
    found = [
        vectors(encoder, embed.patches_of(encoder.size, encoder.interpolation, GEOMETRY, *paths)[0])
        for paths in (
            (her2st / f"st/{s}.h5ad", her2st / f"metadata/{s}.json", her2st / f"wsis/{s}.tif")
            for s in TRAINING
        )
    ]
    return home.measure(np.concatenate(found), np.repeat(range(3), list(map(len, found))))


def vectors(encoder, patches):
    return np.concatenate(list(map(encoder.embed, embed.read_ahead(patches, 64, 2))))


@pytest.mark.parametrize(
    ("stain", "is_far"), [(as_it_is, False), (brown_and_blue, True), (other_hues, True)]
)
def test_another_stain_is_far_from_home(stain, is_far, at_home, encoder, her2st, tmp_path):
    with slide_files.open_slide(her2st / "wsis/SPA139.tif") as opened:
        region = slide_files.read_region(opened, "SPA139", CORNER, 0, (SIDE, SIDE))
    path = tmp_path / "s.tif"
    rows = (stain(rows) for rows in np.array_split(np.asarray(region), 8))
    slide_import.write_strips((SIDE, SIDE), rows, path, {}, UM_PER_PX)
    laid = places.grid(slide.look(path), GEOMETRY, None, 0.5)
    patches = predict.patches_of(laid, GEOMETRY, path, None, encoder.size)
    distance = home.distance(vectors(encoder, patches), at_home["mean"], at_home["whiten"])
    far = (distance > at_home["threshold"]).mean()
    assert far > 0.9 if is_far else far < 0.05
