"""Space Ranger's outputs: real ones by their numbers, made-up ones by what was put in."""

import json
import shutil

import anndata
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from runs_of_machines import visium
from scipy import io

from spotrank.base.store import InputError
from spotrank.cohorts import simulate
from spotrank.cohorts.sources import frame, spaceranger, tenx, tissue_positions

# folder: spots, genes, sum; a barcode with its x, y and counts; µm/px
READ = {
    "visium_v1_seurat": (
        (2695, 100, 132231),
        ("AAACAAGTATCTCCCA-1", 8501, 7475, 34),
        0.72648,
    ),
    # 50 barcodes, of which AAACAACGAATAGTTC-1 at 2312, 1252 is not in tissue
    "visium_v1_raw_visiumio/section1": (
        (22, 49, 384),
        ("AAACAAGTATCTCCCA-1", 8230, 7237, 19),
        0.72673,
    ),
    "visium_v2_spatialfeatureexperiment/sample01": (
        (12, 5, 2951),
        ("GTGGCGTGCACCAGAG-1", 19828, 3932, 165),
        0.3447,
    ),
    "visium_v2_spatialfeatureexperiment/sample02/outs": (
        (13, 5, 2762),
        ("CGTTGAGTAATTGCGT-1", 19829, 6456, 404),
        0.3448,
    ),
}
REFUSED = {
    "visium_cytassist_alone": "CytAssist's own, 4.7 µm/px, too coarse",
    "visium_cytassist_6_5mm_image": "no matrix of counts",
    "visium_hd_seurat/binned_outputs/square_016um": "visium_hd",
    "xenium_breast_he_rebuilt": "no folder 'spatial'",
}


@pytest.mark.parametrize("name", READ)
def test_real_sections_have_their_numbers(name, layouts):
    (n_spots, n_genes, total), (barcode, x, y, counts), um_per_px = READ[name]
    sample = spaceranger.read({"folder": str(layouts / name)}, 112)
    assert sample.counts.shape == (n_spots, n_genes)
    assert sample.counts.sum() == total
    row = sample.barcodes.get_loc(barcode)
    assert sample.places[row].tolist() == [x, y]
    assert sample.counts[row].sum() == counts
    assert sample.um_per_px == pytest.approx(um_per_px, rel=4e-4)


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_t_be_a_section_is_refused(name, layouts):
    with pytest.raises(InputError, match=REFUSED[name]):
        spaceranger.read({"folder": str(layouts / name)}, 112)


def test_pitch_and_picture_of_a_mirrored_grid(layouts):
    """A section without counts: µm/px by its pitch, the size of its slide by the small copy."""
    spatial = layouts / "visium_cytassist_6_5mm_image/spatial"
    positions, scales = tissue_positions.read(tissue_positions.find(spatial)), {}
    assert spaceranger._um_per_px(positions, scales, spatial) == pytest.approx(0.27368, abs=1e-5)
    of = spaceranger.frame_of(spatial, spaceranger.read_scales(spatial))
    with Image.open(of.picture) as small:
        assert np.allclose(np.array(small.size) / of.scale, [32311, 34520], atol=1)


@pytest.fixture
def run(tmp_path):
    """Outputs of a run, with the paths of counts, slide and metadata that it came from."""
    paths = [tmp_path / name for name in ("a.h5ad", "a.tif", "a.json")]
    simulate.write_sample(*paths, "SIM2", patients=2, spots=40, genes=30, seed=0)
    visium(tmp_path / "outs", *paths)
    return tmp_path / "outs", *paths


def imported(outs, slide, **row):
    return frame.fitted(spaceranger.read({"folder": str(outs)} | row, 112), slide)


def test_what_was_put_in_comes_out(run):
    outs, st, wsi, metadata = run
    sample, truth = imported(outs, wsi), anndata.read_h5ad(st)
    truth = truth[sample.barcodes.str.removesuffix("-1")]
    assert (sample.counts != truth.X).nnz == 0
    assert np.allclose(sample.places, truth.obsm["spatial"])
    assert sample.um_per_px == pytest.approx(
        json.loads(metadata.read_text())["pixel_size_um_estimated"]
    )
    assert sample.found["slide"] == "of the picture's size"


def test_another_level_is_scaled_to(run, tmp_path):
    outs, _, wsi, _ = run
    whole = imported(outs, wsi)
    small = Image.open(wsi).convert("RGB").reduce(2)
    simulate.write_pyramid(tmp_path / "half.tif", np.asarray(small), 1)
    half = imported(outs, tmp_path / "half.tif")
    assert np.allclose(half.places, whole.places / 2)
    assert half.um_per_px == pytest.approx(2 * whole.um_per_px)
    assert half.found["slide"] == "0.5 of the picture's size"


def test_a_scan_of_nearly_the_same_size_is_scaled_to_as_it_is(run, tmp_path):
    outs, _, wsi, _ = run
    whole, picture = imported(outs, wsi), Image.open(wsi).convert("RGB")
    scan = picture.resize([round(1.015 * side) for side in picture.size])
    simulate.write_pyramid(tmp_path / "scan.tif", np.asarray(scan), 1)
    assert np.allclose(
        imported(outs, tmp_path / "scan.tif").places, 1.015 * whole.places, rtol=1e-3
    )


def test_a_small_copy_is_no_slide(run, tmp_path):
    outs, _, wsi, _ = run
    small = Image.open(wsi).convert("RGB").reduce(8)
    simulate.write_pyramid(tmp_path / "small.tif", np.asarray(small), 1)
    with pytest.raises(InputError, match="too coarse for patches; give the picture"):
        imported(outs, tmp_path / "small.tif")


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (Image.Transpose.ROTATE_90, "turned by 270°|turned by 90°"),
        (Image.Transpose.ROTATE_180, "turned by 180°"),
        (Image.Transpose.FLIP_LEFT_RIGHT, "mirrored"),
        (Image.Transpose.FLIP_TOP_BOTTOM, "upside down"),
    ],
)
def test_a_turned_scan_is_found_out(turn, words, run, tmp_path):
    _, *paths = run
    visium(tmp_path / "turned", *paths, turn=turn)
    with pytest.raises(InputError, match=words):
        imported(tmp_path / "turned", paths[1])


def test_another_picture_is_found_out(run, tmp_path):
    outs, _, wsi, _ = run
    picture = Image.open(wsi).convert("RGB")
    for name, other, words in (
        ("cut", picture.crop((0, 0, picture.width // 2, picture.height)), "are of a picture of"),
        ("other", Image.effect_noise(picture.size, 90).convert("RGB"), "looks unlike"),
    ):
        simulate.write_pyramid(tmp_path / f"{name}.tif", np.asarray(other), 1)
        with pytest.raises(InputError, match=words):
            imported(outs, tmp_path / f"{name}.tif")


def test_a_blank_small_copy_tells_the_size_only(run):
    outs, _, wsi, _ = run
    path = outs / "spatial/tissue_hires_image.png"
    Image.new("RGB", Image.open(path).size).save(path)
    assert "small copy is blank" in imported(outs, wsi).found["slide"]
    path.unlink()
    assert "not compared" in imported(outs, wsi).found["slide"]


def test_forms_of_one_section_are_read_alike(run):
    outs, _, wsi, _ = run
    expected = imported(outs, wsi)
    counts, features, barcodes = tenx.read_matrix(outs / "filtered_feature_bc_matrix.h5")
    (outs / "filtered_feature_bc_matrix.h5").unlink()
    mex = outs / "filtered_feature_bc_matrix"
    mex.mkdir()
    io.mmwrite(mex / "matrix.mtx", counts.T.astype(int))
    pd.Series(barcodes).to_csv(mex / "barcodes.tsv", header=False, index=False)
    table = features.reset_index()[["id", "index", "type"]]
    table.to_csv(mex / "features.tsv", sep="\t", header=False, index=False)
    positions = pd.read_csv(outs / "spatial/tissue_positions.csv")
    (outs / "spatial/tissue_positions.csv").unlink()
    positions.to_csv(outs / "spatial/tissue_positions_list.csv", header=False, index=False)
    found = imported(outs, wsi)
    assert (found.counts != expected.counts).nnz == 0
    assert found.genes.equals(expected.genes)
    assert np.allclose(found.places, expected.places)


def test_sections_that_were_joined_are_split_by_their_suffix(run):
    outs, _, wsi, _ = run
    one = imported(outs, wsi)
    counts, features, barcodes = tenx.read_matrix(outs / "filtered_feature_bc_matrix.h5")
    from runs_of_machines import write_matrix
    from scipy import sparse

    joined = sparse.vstack([counts * 2, counts]).tocsr()
    names = [*barcodes, *barcodes.str.replace("-1", "-2")]
    write_matrix(outs / "filtered_feature_bc_matrix.h5", joined, features.index, names)
    with pytest.raises(InputError, match=r"holds 2 sections.*\(1, 2\)"):
        imported(outs, wsi)
    second = imported(outs, wsi, suffix="2", spatial=str(outs / "spatial"))
    assert (second.counts != one.counts).nnz == 0
    assert np.allclose(second.places, one.places)
    assert imported(outs, wsi, suffix="1").counts.sum() == 2 * one.counts.sum()


def test_matrix_and_places_of_two_runs_are_refused(run, tmp_path):
    outs, *_ = run
    path = outs / "spatial/tissue_positions.csv"
    positions = pd.read_csv(path)
    positions.assign(barcode=positions["barcode"].str.replace("x", "y")).to_csv(path, index=False)
    with pytest.raises(InputError, match="barcodes have a position"):
        spaceranger.read({"folder": str(outs)}, 112)
    shutil.rmtree(outs / "spatial")
    with pytest.raises(InputError, match="no folder 'spatial'"):
        spaceranger.read({"folder": str(outs)}, 112)


def test_fiducials_of_another_run_are_found_out(run):
    outs, *_ = run
    path = outs / "spatial/scalefactors_json.json"
    scales = json.loads(path.read_text())
    path.write_text(json.dumps(scales | {"fiducial_diameter_fullres": 100}))
    with pytest.raises(InputError, match="by the fiducials"):
        spaceranger.read({"folder": str(outs)}, 112)
