"""The simulated cohort: HEST-1k's layout, the same bytes again, counts that follow the picture."""

import hashlib
import inspect
import json
import os
import subprocess
import sys

import anndata
import numpy as np
import openslide
import pandas as pd
import pytest
import yaml
from conftest import ROOT
from scipy.sparse import csr_matrix
from scipy.stats import spearmanr

from spotrank.cohorts import simulate, tissue

COHORT = {"patients": 2, "spots": 40, "genes": 60, "seed": 3}
HEADER = (
    "dataset_title,id,image_filename,organ,disease_state,oncotree_code,species,patient,"
    "st_technology,data_publication_date,license,study_link,download_page_link1,inter_spot_dist,"
    "spot_diameter,spots_under_tissue,preservation_method,nb_genes,treatment_comment,"
    "pixel_size_um_embedded,pixel_size_um_estimated,magnification,fullres_px_width,"
    "fullres_px_height,tissue,disease_comment,subseries,hest_version_added"
)


def paths(folder, sample_id):
    return [
        folder / "st" / f"{sample_id}.h5ad",
        folder / "wsis" / f"{sample_id}.tif",
        folder / "metadata" / f"{sample_id}.json",
    ]


def hashes(folder, sample_id):
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths(folder, sample_id)]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    for sample_id in ("SIM2", "SIM3"):
        simulate.write_sample(*paths(folder, sample_id), sample_id, **COHORT)
    return folder


@pytest.fixture(scope="module")
def adata(cohort):
    return anndata.read_h5ad(cohort / "st" / "SIM2.h5ad")


@pytest.fixture(scope="module")
def slide(cohort):
    with openslide.OpenSlide(cohort / "wsis" / "SIM2.tif") as slide:
        yield slide


def composition(adata):
    """What the counts were made from, solved for from the noise-free means."""
    genes = simulate.cohort_genes(COHORT["genes"], COHORT["seed"])
    log_ratio = np.log(adata.layers["noise_free"]) - genes["abundance"].to_numpy()
    solved = np.linalg.lstsq(genes[simulate.COMPOSITION], log_ratio.T, rcond=None)[0].T
    return pd.DataFrame(solved + simulate.TYPICAL, columns=simulate.COMPOSITION)


def test_design_has_the_columns_of_hest_and_pairs_of_sections():
    table = simulate.design(patients=4)
    assert ",".join(table.columns) == HEADER
    assert list(table["id"]) == ["SIM1", "SIM2", "SIM3", "SIM4", "SIM5", "SIM6"]
    assert list(table["patient"].str[-1]) == ["1", "2", "2", "3", "4", "4"]
    sizes = table.groupby("patient")["pixel_size_um_estimated"]
    assert (sizes.nunique() == 1).all()
    assert sizes.first().is_unique
    assert sizes.first().between(0.45, 0.6).all()


def test_design_of_a_slide_does_not_depend_on_the_number_of_patients():
    small, large = simulate.design(patients=2), simulate.design(patients=5)
    pd.testing.assert_frame_equal(small, large.iloc[: len(small)])


def test_st_is_laid_out_as_in_hest(adata):
    assert adata.shape == (40, 60)
    assert list(adata.obs) == [
        "in_tissue",
        "array_col",
        "array_row",
        "pxl_col_in_fullres",
        "pxl_row_in_fullres",
    ]
    assert [str(dtype) for dtype in adata.obs.dtypes] == ["int64"] * 3 + ["float64"] * 2
    assert adata.var.empty
    pixels = adata.obs[["pxl_col_in_fullres", "pxl_row_in_fullres"]]
    np.testing.assert_array_equal(adata.obsm["spatial"], pixels)
    content = adata.uns["spatial"]["ST"]
    assert content["images"]["downscaled_fullres"].dtype == np.uint8
    assert max(content["images"]["downscaled_fullres"].shape) == 1000
    assert set(content["scalefactors"]) == {
        "spot_diameter_fullres",
        "tissue_downscaled_fullres_scalef",
    }


def test_spots_lie_on_a_hexagonal_grid_of_100_um(adata, slide):
    centres = adata.obsm["spatial"] * float(slide.properties["openslide.mpp-x"])
    distances = np.linalg.norm(centres[:, None] - centres, axis=2) + 1e9 * np.eye(len(centres))
    np.testing.assert_allclose(distances.min(axis=1), 100, rtol=1e-3)


def test_counts_are_raw(adata):
    assert isinstance(adata.X, csr_matrix)
    assert adata.X.dtype == np.float32
    assert (adata.X.data >= 0).all()
    np.testing.assert_array_equal(adata.X.data, np.round(adata.X.data))
    assert adata.var_names.str.startswith("MT-").sum() == 3
    assert np.median((adata.X.toarray() > 0).mean(axis=1)) > 0.4


def test_metadata_agrees_with_the_table_and_the_slide(cohort, slide):
    metadata = json.loads((cohort / "metadata" / "SIM2.json").read_text())
    assert ",".join(metadata) == HEADER + ",section"
    row = simulate.design(**COHORT).to_dict("records")[1]
    assert {key: metadata[key] for key in row} == row
    assert slide.dimensions == (metadata["fullres_px_width"], metadata["fullres_px_height"])
    for axis in "xy":
        mpp = float(slide.properties[f"openslide.mpp-{axis}"])
        assert mpp == pytest.approx(metadata["pixel_size_um_estimated"], rel=1e-6)


def test_openslide_reads_the_pyramid(slide):
    assert slide.properties["openslide.vendor"] == "generic-tiff"
    assert slide.properties["openslide.level[0].tile-width"] == "256"
    assert slide.level_downsamples == pytest.approx([1, 2, 4, 8], rel=0.01)
    # every level shows the same slide, to the corner
    whole, small = (
        np.asarray(slide.read_region((0, 0), level, slide.level_dimensions[level]))[..., :3]
        for level in (0, 3)
    )
    assert whole.mean() == pytest.approx(small.mean(), abs=1)
    assert whole[-20:, -20:].min() > 200


def test_same_arguments_give_the_same_bytes_in_another_process(cohort, tmp_path):
    # in a cohort with more patients, too: a slide does not depend on the others
    code = (
        "import sys; from spotrank.cohorts import simulate;"
        "simulate.write_sample(*sys.argv[1:5], patients=3, spots=40, genes=60, seed=3)"
    )
    library = ROOT / "workflow"
    subprocess.run(
        [sys.executable, "-c", code, *paths(tmp_path, "SIM3"), "SIM3"],
        env=os.environ | {"PYTHONPATH": str(library)},
        check=True,
    )
    assert hashes(tmp_path, "SIM3") == hashes(cohort, "SIM3")


def test_another_seed_or_section_is_another_slide(cohort, tmp_path):
    simulate.write_sample(*paths(tmp_path, "SIM2"), "SIM2", **COHORT | {"seed": 4})
    assert (
        len({hashes(tmp_path, "SIM2")[1], *(hashes(cohort, s)[1] for s in ("SIM2", "SIM3"))}) == 3
    )


def test_patches_show_what_drove_the_counts(adata, slide):
    side = int(tissue.PATCH / float(slide.properties["openslide.mpp-x"]))
    density = []
    for x, y in adata.obsm["spatial"]:
        corner = int(x - side / 2), int(y - side / 2)
        patch = np.asarray(slide.read_region(corner, 0, (side, side)))
        on_slide = patch[patch[..., 3] > 0, :3]
        density.append(-np.log10(np.maximum(on_slide, 1) / 255).mean(axis=0))
    red, green, _ = np.transpose(density)
    # haematoxylin takes away red light, and eosin hardly does
    under = composition(adata)
    assert spearmanr(red, under["nuclear_area"])[0] > 0.8
    assert spearmanr(green / red, under["stroma"])[0] > 0.5


def test_noise_free_is_the_truth_behind_the_counts(adata):
    counts = adata.X.toarray()
    expression = np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True))
    truth = adata.layers["noise_free"]
    assert truth.dtype == np.float32
    assert truth.shape == counts.shape
    depends = np.flatnonzero(np.ptp(truth, axis=0) > 0)
    assert 0.5 < len(depends) / len(truth.T) < 0.8
    seen = [gene for gene in depends if counts[:, gene].any()]
    rho = [spearmanr(truth[:, gene], expression[:, gene])[0] for gene in seen]
    assert 0.3 < np.median(rho) < 0.9


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("**/*.yaml")), ids=lambda p: p.stem)
def test_configs_keep_simulated_spots(path):
    """A spot can't have more genes than are simulated."""
    config = yaml.safe_load(path.read_text())
    for cohort in config.get("cohorts", {}).values():
        if cohort["source"] == "simulated":
            default = inspect.signature(simulate.design).parameters["genes"].default
            least = config.get("spots", {}).get("min_genes", 200)
            assert least < cohort.get("genes", default)


def test_some_spots_are_poor(tmp_path):
    simulate.write_sample(*paths(tmp_path, "SIM1"), "SIM1", patients=1, spots=150, genes=100)
    adata = anndata.read_h5ad(tmp_path / "st" / "SIM1.h5ad")
    mitochondrial = adata[:, adata.var_names.str.startswith("MT-")].X.sum(axis=1)
    share = np.asarray(mitochondrial / adata.X.sum(axis=1)).ravel()
    assert 0 < (share > 0.2).mean() < 0.15
    assert np.median(share) < 0.12
