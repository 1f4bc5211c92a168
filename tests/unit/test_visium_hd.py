"""Bins of Visium HD pooled to squares: a real grid, made-up runs of any turn, and bad ones."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tenx_files import cut, positions, write_h5

from spotrank.base.store import InputError
from spotrank.cohorts.sources import tissue_positions, visium_hd

UM_PER_PX = 0.25
STEP = 16 / UM_PER_PX  # px from bin to bin
ROWS, COLUMNS = 21, 24  # 3 × 3 whole squares of 7 × 7 bins, and three columns of others
GENES = 5


def turned(degrees=0.0, mirrored=False):
    """Map of column and row to px `(2, 3)`."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    axes = STEP * np.array([[cos, -sin], [sin, cos]]) @ np.diag([-1 if mirrored else 1, 1])
    return np.column_stack([axes, [3000, 2000]])


def write(folder, to_px=None, tissue=None, bins="016", keep=slice(None), **scales):
    """A run with bins of 16 µm; keep: which of them have a position. Returns its counts."""
    own = folder / f"binned_outputs/square_{bins}um"
    table = positions(ROWS, COLUMNS, turned() if to_px is None else to_px, tissue)
    order = np.random.default_rng(1).permutation(len(table))  # the matrix has another
    counts = np.random.default_rng(0).poisson(2, (len(table), GENES))
    names = [f"G{gene}" for gene in range(GENES)]
    types = ["Gene Expression"] * (GENES - 1) + ["Antibody Capture"]
    barcodes = table["barcode"].to_numpy()
    path = own / "raw_feature_bc_matrix.h5"
    write_h5(path, counts[order], barcodes[order], names, names, types)
    (own / "spatial").mkdir()
    table[keep].to_parquet(own / "spatial/tissue_positions.parquet")
    told = {"bin_size_um": 16.0, "microns_per_pixel": UM_PER_PX} | scales
    (own / "spatial/scalefactors_json.json").write_text(json.dumps(told))
    return counts[:, :-1].reshape(ROWS, COLUMNS, -1)


def read(folder, side_um=112, **row):
    return visium_hd.read({"folder": str(folder), **row}, side_um)


def refused(said, *args, **row):
    with pytest.raises(InputError, match=said) as error:
        read(*args, **row)
    assert str(error.value).endswith(".")


def test_barcodes_of_another_run_are_refused_by_number(layouts):
    said = (
        "642 of its 2,695 barcodes have a position, 336 of them in tissue with 16,029 of 132,231 "
        "counts; take matrix and positions of one run"
    )
    refused(said, layouts / "visium_hd_seurat")


def test_2_um_are_refused(layouts):
    for folder in ("", "binned_outputs", "binned_outputs/square_002um"):
        for row in ({}, {"bin": "2"}, {"bin": "002"}):
            refused(
                "holds bins of 2 µm; get those of 8 or 16",
                layouts / "visium_hd_visiumio" / folder,
                **row,
            )


@pytest.mark.parametrize(
    ("folder", "bin_um", "um_per_px", "degrees", "extent"),
    [
        ("visium_hd_seurat/binned_outputs/square_016um", 16, (0.2737613, 0.27383), 0.4, 418),
        ("visium_hd_visiumio/binned_outputs/square_002um", 2, (0.2738243, 0.2740), 0.9, None),
    ],
)
def test_real_grids(layouts, folder, bin_um, um_per_px, degrees, extent):
    spatial = layouts / folder / "spatial"
    places = tissue_positions.read(tissue_positions.find(spatial))
    grid, off = visium_hd.grid_of(places, spatial)
    scales = visium_hd.read_scales(spatial)
    told, spacing = um_per_px
    assert bin_um / np.sqrt(abs(np.linalg.det(grid[:2]))) == pytest.approx(spacing, abs=6e-5)
    assert visium_hd._um_per_px(scales, bin_um, grid, spatial) == pytest.approx(told, abs=1e-7)
    assert np.linalg.det(grid[:2]) < 0  # mirrored
    assert np.abs(off).max() < 1  # px: the grid is that straight over 6.5 mm
    assert visium_hd._turned(grid) == pytest.approx(degrees, abs=0.05)
    if extent:
        assert places[["array_row", "array_col"]].max().max() == extent
        assert round(places["x"].min()) == -831


def test_a_real_grid_read_bin_by_bin(layouts, tmp_path):
    folder = tmp_path / "square_016um"
    shutil.copytree(layouts / "visium_hd_seurat/binned_outputs/square_016um", folder)
    places = tissue_positions.read(folder / "spatial/tissue_positions.parquet")
    counts = np.random.default_rng(0).poisson(1, (len(places), 2))
    write_h5(
        folder / "filtered_feature_bc_matrix.h5", counts, places.index, ["A", "B"], ["A", "B"], None
    )
    sample = visium_hd.read({"folder": folder}, 16)
    tissue = places["in_tissue"].to_numpy()
    order = np.lexsort((places["array_col"], places["array_row"]))
    order = order[tissue[order]]
    assert len(order) == 655
    np.testing.assert_array_equal(sample.counts.toarray(), counts[order])
    np.testing.assert_allclose(sample.places, places[["x", "y"]].to_numpy()[order])
    assert sample.um_per_px == pytest.approx(0.2737613, abs=1e-7)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(degrees=st.floats(-180, 180), mirrored=st.booleans(), per_side=st.integers(1, 8))
def test_counts_and_centres_are_those_of_whole_squares(tmp_path, degrees, mirrored, per_side):
    shutil.rmtree(tmp_path / "run", ignore_errors=True)
    to_px = turned(degrees, mirrored)
    counts = write(tmp_path / "run", to_px)
    sample = read(tmp_path / "run", 16 * per_side)
    kept = [tuple(map(int, name.split("_")[2:])) for name in sample.barcodes]
    for (row, column), found, place in zip(
        kept, sample.counts.toarray(), sample.places, strict=True
    ):
        part = (
            slice(row * per_side, (row + 1) * per_side),
            slice(column * per_side, (column + 1) * per_side),
        )
        np.testing.assert_array_equal(found, counts[part].sum(axis=(0, 1)))
        middle = (per_side - 1) / 2 + per_side * np.array([column, row])
        np.testing.assert_allclose(place, to_px @ [*middle, 1], atol=1e-6)
    shares = [
        (
            (row, column),
            min(per_side, ROWS - row * per_side) * min(per_side, COLUMNS - column * per_side),
        )
        for row in range(-(-ROWS // per_side))
        for column in range(-(-COLUMNS // per_side))
    ]
    assert kept == [square for square, n in shares if 2 * n >= per_side**2]
    assert sample.pitch_um == 16 * per_side
    assert sample.um_per_px == UM_PER_PX


def test_what_is_read_of_a_run(tmp_path):
    counts = write(tmp_path)
    sample = read(tmp_path)
    assert sample.barcodes[0] == "s_112um_00000_00000"
    assert sample.genes.index.tolist() == ["G0", "G1", "G2", "G3"]
    assert sample.counts.dtype == np.float32
    assert sample.found["squares"].startswith("9 of 12")  # three of 3 × 7 bins are left out
    assert sample.found["matrix"] == "raw_feature_bc_matrix.h5, raw"
    assert sample.found["without a place"] == 0
    assert (
        sample.found["counts in squares"]
        == f"{counts[:, :21].sum():,} of {counts.sum():,} in tissue"
    )
    assert "left out as 'Antibody Capture'" in sample.found
    assert sample.frame is None
    json.dumps(sample.found)


def test_only_bins_in_tissue_count_and_half_of_a_square_must_be(tmp_path):
    tissue = np.zeros((ROWS, COLUMNS), bool)
    tissue[:7, :4] = True  # 28 of 49
    tissue[:7, 7:10] = True  # 21
    tissue[8, 0] = True
    counts = write(tmp_path, tissue=tissue.ravel())
    sample = read(tmp_path)
    assert sample.barcodes.tolist() == ["s_112um_00000_00000"]
    np.testing.assert_array_equal(sample.counts.toarray()[0], counts[:7, :4].sum(axis=(0, 1)))
    np.testing.assert_allclose(sample.places, [[3000 + 3 * STEP, 2000 + 3 * STEP]])
    refused("no square of 336 µm has half of its bins in tissue", tmp_path, 336)


def test_places_of_whole_squares_though_bins_have_none(tmp_path):
    keep = np.random.default_rng(2).random(ROWS * COLUMNS) > 0.04
    write(tmp_path, turned(0.4, mirrored=True), keep=keep)
    sample = read(tmp_path)
    assert sample.found["without a place"] == (~keep).sum()
    expected = [turned(0.4, True) @ [3 + 7 * c, 3 + 7 * r, 1] for r in range(3) for c in range(3)]
    np.testing.assert_allclose(sample.places, expected, atol=1e-6)


def test_bins_that_lie_a_little_off_the_grid_move_the_centre(tmp_path):
    write(tmp_path)
    path = tmp_path / "binned_outputs/square_016um/spatial/tissue_positions.parquet"
    table = pd.read_parquet(path)
    table["pxl_row_in_fullres"] += np.random.default_rng(0).normal(0, 2, len(table))
    table.to_parquet(path)
    means = table.groupby([table["array_row"] // 7, table["array_col"] // 7]).mean(
        numeric_only=True
    )
    sample = read(tmp_path)
    columns = ["pxl_col_in_fullres", "pxl_row_in_fullres"]
    expected = means.query("array_col < 21")[columns].to_numpy()
    expected = np.array([means.loc[(r, c), columns] for r in range(3) for c in range(3)])
    np.testing.assert_allclose(sample.places, expected)


def test_folders_and_bins(tmp_path):
    write(tmp_path / "outs")
    expected = read(tmp_path / "outs").places
    for folder in ("", "outs", "outs/binned_outputs", "outs/binned_outputs/square_016um"):
        for row in ({}, {"bin": "16"}, {"bin": "016"}, {"bin": "16.0"}):
            np.testing.assert_array_equal(read(tmp_path / folder, **row).places, expected)
    refused(
        "patches of 100 µm are no whole number of bins of 16 µm.* to make 96 or 112", tmp_path, 100
    )
    refused("holds bins of 16 µm; get", tmp_path, bin="8")
    shutil.copytree(
        tmp_path / "outs/binned_outputs/square_016um", tmp_path / "outs/binned_outputs/square_002um"
    )
    write(tmp_path / "outs", bins="008", bin_size_um=8.0, microns_per_pixel=UM_PER_PX / 2)
    assert "16 µm" in read(tmp_path, 112).found["bins"]
    assert "8 µm" in read(tmp_path, 56).found["bins"]
    assert "8 µm" in read(tmp_path, 112, bin=8).found["bins"]
    refused("no whole number of bins of 8 µm.* to make 96 or 104", tmp_path, 100)
    refused("holds bins of 2, 8, 16 µm; get", tmp_path, bin="2")
    refused("holds no bins", tmp_path / "outs/binned_outputs/square_016um/spatial")


@pytest.mark.parametrize(
    ("scales", "said"),
    [
        (
            {"microns_per_pixel": 0.2515},
            r"says 0.2500 µm/px, but its scalefactors_json.json 0.2515",
        ),
        ({"bin_size_um": 8.0}, "tells bins of 8 µm at 0.25 µm/px, but its folder holds .* 16 µm"),
        ({"microns_per_pixel": 0.0}, "tells bins of 16 µm at 0 µm/px"),
        ({"microns_per_pixel": "far"}, "no scale factors"),
    ],
)
def test_scales_of_another_run(tmp_path, scales, said):
    write(tmp_path, **scales)
    refused(said, tmp_path)


def test_bad_places(tmp_path):
    write(tmp_path)
    path = tmp_path / "binned_outputs/square_016um/spatial/tissue_positions.parquet"
    table = pd.read_parquet(path)
    swapped = table.rename(columns={"array_row": "array_col", "array_col": "array_row"})
    swapped.assign(
        pxl_row_in_fullres=table["pxl_row_in_fullres"].sample(frac=1).to_numpy()
    ).to_parquet(path)
    refused("bins don't lie on a grid", tmp_path)
    table.query("array_row == 3").to_parquet(path)
    refused("bins don't lie on a grid", tmp_path)
    cut(path)
    refused("not a readable file of positions", tmp_path)
    path.unlink()
    refused("holds no file of positions", tmp_path)


def test_a_small_copy_of_the_picture_is_named(tmp_path):
    write(tmp_path, tissue_lowres_scalef=0.1)
    picture = tmp_path / "binned_outputs/square_016um/spatial/tissue_lowres_image.png"
    picture.touch()
    assert read(tmp_path).frame.picture == picture
