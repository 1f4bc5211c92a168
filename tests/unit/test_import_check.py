"""What an eye sees of imported samples, and what is told of them."""

import json

import anndata
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.collections import EllipseCollection, PolyCollection
from matplotlib.colors import to_hex

from spotrank.report import import_check, style


def look(folder, sample="SIM1"):
    paths = (f"st/{sample}.h5ad", f"metadata/{sample}.json", f"wsis/{sample}.tif")
    return import_check.look(sample, *(folder / path for path in paths), side_um=112)


def note(folder, **more):
    path = folder / "metadata/SIM1.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | more))


def move(folder, edit):
    adata = anndata.read_h5ad(folder / "st/SIM1.h5ad")
    adata.obsm["spatial"] = edit(adata.obsm["spatial"])
    adata.write_h5ad(folder / "st/SIM1.h5ad")


@pytest.fixture
def panels():
    """Panels of the picture of some looks."""

    def draw(*looks):
        figure = import_check.picture(looks, side_um=112)
        figure.canvas.draw()
        return figure.axes

    yield draw
    plt.close("all")


def outlines(axis):
    """`{colour: collection}` of the spots that a panel shows."""
    kinds = (EllipseCollection, PolyCollection)
    return {
        to_hex(own.get_edgecolor()[0]).upper(): own
        for own in axis.collections
        if isinstance(own, kinds) and len(own.get_paths()) * len(own.get_offsets())
    }


def test_spots_are_circles_as_large_as_they_are(cohort, panels):
    own = look(cohort)
    (axis,) = panels(own)
    shown = outlines(axis)
    assert list(shown) == [import_check.BLUE]
    spots = shown[import_check.BLUE]
    np.testing.assert_allclose(spots.get_offsets(), own.places * own.known["um_per_px"] / 1000)
    np.testing.assert_allclose(spots.get_widths(), 0.055)
    assert axis.get_title() == f"SIM1\n40 spots, {own.known['um_per_px']:.4g} µm/px"
    left, right, top, bottom = axis.images[0].get_extent()
    assert axis.get_xlim() == (left, right)
    assert axis.get_ylim() == (top, bottom)
    assert bottom == 0  # rows run downwards


def test_width_of_a_spot_is_that_of_the_metadata(own_cohort, panels):
    note(own_cohort, spot_diameter=100)
    (axis,) = panels(look(own_cohort))
    np.testing.assert_allclose(outlines(axis)[import_check.BLUE].get_widths(), 0.1)


def test_pooled_squares_are_squares(own_cohort, panels):
    note(own_cohort, inter_spot_dist=112.0)
    own = look(own_cohort)
    (axis,) = panels(own)
    corners = outlines(axis)[import_check.BLUE].get_paths()[3].vertices[:4]
    np.testing.assert_allclose(np.ptp(corners, axis=0), 0.112)
    np.testing.assert_allclose(corners.mean(0), own.places[3] * own.known["um_per_px"] / 1000)


def test_what_is_off_the_slide_is_seen_and_said(own_cohort, panels):
    move(own_cohort, lambda places: places * 2)
    own = look(own_cohort)
    off = own.known["off_slide"]
    assert 0 < off == (~own.on_slide).sum() < 40
    fine, wrong = panels(look(own_cohort, "SIM2"), own)
    assert set(outlines(wrong)) == {import_check.BLUE, import_check.WRONG}
    assert wrong.get_xlim()[1] > fine.get_xlim()[1]  # it reaches to where they are
    said = wrong.xaxis.label
    assert f"{off} of 40 spots lie off the slide" in said.get_text().replace("\n", " ")
    assert said.get_color() == import_check.WRONG
    assert fine.get_xlabel() == ""


def test_spots_far_off_leave_the_slide_in_sight(own_cohort, panels):
    move(own_cohort, lambda places: places + 1e6)
    (axis,) = panels(look(own_cohort))
    _, width, height, _ = axis.images[0].get_extent()
    reach = import_check.BEYOND * max(width, height)
    assert axis.get_xlim() == pytest.approx((0, width + reach))
    assert axis.get_ylim() == pytest.approx((height + reach, 0))


def test_the_bar_is_of_a_round_length_and_in_the_panel(cohort, panels):
    (axis,) = panels(look(cohort))
    (bar,) = axis.lines
    (text,) = axis.texts
    assert np.ptp(bar.get_xdata()) == pytest.approx(float(text.get_text().removesuffix(" mm")))
    assert 1 / 10 < np.ptp(bar.get_xdata()) / np.ptp(axis.get_xlim()) < 1 / 3


def test_the_table_tells_what_was_found(own_cohort):
    note(own_cohort, found={"matrix": "filtered_feature_bc_matrix.h5, filtered", "barcodes": 43})
    first, second = look(own_cohort), look(own_cohort, "SIM2")
    second.known["um_per_px"] *= 1.2
    text = import_check.table([first, second])
    summary, found = text.strip().split("\n\n")
    one, two = summary.splitlines()[2:]
    cells = [cell.strip() for cell in one.split("|")][1:-1]
    assert cells[:4] == ["SIM1", "40", "0", "60"]
    assert cells[-1] == ""
    assert "by its metadata, but" in two
    assert "| matrix   | filtered_feature_bc_matrix.h5, filtered |" in found.splitlines()
    assert "SIM2" not in found


def test_a_picture_of_the_real_sections(her2st, tmp_path):
    sections = ("SPA139", "SPA140", "SPA141", "SPA145")
    looks = [look(her2st, section) for section in sections]
    assert [own.known["measured"] for own in looks] == [184, 180, 187, 283]
    assert [own.known["off_slide"] for own in looks] == [0, 0, 0, 0]
    assert [own.diameter_um for own in looks] == [100.0] * 4
    style.save(import_check.picture(looks, 112), tmp_path / "check.png")
    assert plt.imread(tmp_path / "check.png").shape[1] == 4 * 4.4 * 150
