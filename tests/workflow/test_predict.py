"""Prediction on a slide without counts, as users start it."""

import json

import anndata
import bad_bundles
import drawn_slides as drawn
import numpy as np
import pytest
from bad_new_slides import write
from runs import snakemake


@pytest.fixture(scope="module")
def predicted(tmp_path_factory):
    """A folder where one slide was predicted on, without cohorts, and its config."""
    folder = tmp_path_factory.mktemp("predicted")
    write(folder, drawn.piece(drawn.glass(), 350, 250, 200)[0])
    bad_bundles.write(folder / "bundle", dimension=39)
    config = {
        "study": "new",
        "predict": {"bundle": "bundle", "slides": "slides", "genes": ["G1"], "spatialdata": True},
    }
    printed, code = snakemake(folder, config)
    assert code == 0, printed
    return folder, config, printed


def test_a_folder_a_slide(predicted):
    folder, _, printed = predicted
    out = folder / "results/new/predictions/s"
    assert {path.name for path in out.iterdir()} == {
        "embeddings.h5", "maps.png", "overview.png", "patches.geojson", "patches.parquet",
        "predictions.h5ad", "slide.json", "spatialdata.zarr", "tissue.geojson",
    }  # fmt: skip
    found = anndata.read_h5ad(out / "predictions.h5ad")
    told = json.loads((out / "slide.json").read_text())
    assert found.n_obs == told["n_patches"] > 5
    assert found.obs["far"].mean() == told["share_far"]
    assert told["unlike_training"]  # the bundle's home is no tissue's
    assert "s: unlike the training: scores there are not to be expected" in printed


def test_nothing_is_left_to_do(predicted):
    folder, config, _ = predicted
    printed, code = snakemake(folder, config, "predict")
    assert code == 0
    assert "Nothing to be done" in printed


def test_another_model_takes_the_same_embeddings(predicted):
    folder, config, _ = predicted
    out = folder / "results/new/predictions/s"
    before = (out / "embeddings.h5").stat().st_mtime_ns
    old = anndata.read_h5ad(out / "predictions.h5ad").X
    bad_bundles.write(folder / "bundle", dimension=39, seeds=3)
    printed, code = snakemake(folder, config)
    assert code == 0, printed
    assert (out / "embeddings.h5").stat().st_mtime_ns == before
    assert not np.allclose(anndata.read_h5ad(out / "predictions.h5ad").X, old)
