"""The reader of SpatialData against its library, in an environment of the library's own.

`make test-spatialdata`; with GOLDEN=write it also records what tests/unit/test_spatialdata.py
compares with.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pytest
from conftest import ROOT
from test_prediction import written  # noqa: F401 (a fixture)

from spotrank.cohorts.sources import spatialdata
from spotrank.prediction import zarr_store

PACKAGES = ("spatialdata==0.7.3", "dask<2026.1.2")  # a later one breaks it on Python 3.11
GOLDEN = ROOT / "tests/golden/spatialdata.json"


@pytest.fixture(scope="module")
def predicted(written):  # noqa: F811
    """A folder with predictions of a drawn slide, and with their store."""
    zarr_store.write(written.folder / "p.zarr", written.folder / "p.h5ad", written.laid)
    return written.folder


@pytest.fixture(scope="module")
def answers(layouts, predicted, tmp_path_factory):
    """A folder with what `answers.py` writes."""
    folder, store = tmp_path_factory.mktemp("answers"), predicted / "p.zarr"
    uv, python = Path(sys.executable).with_name("uv"), folder / "environment/bin/python"
    for command in (
        [uv, "venv", "--python", sys.executable, folder / "environment"],
        [uv, "pip", "install", "--python", python, *PACKAGES],
        [python, "-W", "ignore", Path(__file__).with_name("answers.py"), layouts, folder, store],
    ):
        subprocess.run(command, check=True)
    return folder


def test_places_and_counts_of_stores_that_the_library_wrote(answers):
    stores = json.loads((answers / "places.json").read_text())
    assert {name.rpartition("_")[0] for name in stores} == {
        "zarr3_wkb", "zarr3_geoarrow", "zarr2_wkb", "zarr2_arrays",
    }  # fmt: skip
    for name, regions in stores.items():
        for region, (instances, places, counts) in regions.items():
            row = {"folder": str(answers / name), "table": f"of_{region}", "um_per_px": "1"}
            sample = spatialdata.read(row | {"slide_size": (31, 23)}, 112)
            assert sample.barcodes.tolist() == list(map(str, instances))
            np.testing.assert_allclose(sample.places, places, rtol=1e-9, atol=1e-6)
            np.testing.assert_array_equal(sample.counts.toarray(), counts)


def test_what_is_recorded_is_what_the_library_says(answers):
    found = (answers / "golden.json").read_text()
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(found)
    assert json.loads(found) == json.loads(GOLDEN.read_text())


def test_a_store_of_predictions_is_what_the_library_reads(answers, predicted):
    said = json.loads((answers / "predicted.json").read_text())
    ours = anndata.read_h5ad(predicted / "p.h5ad")
    assert (said["barcodes"], said["genes"]) == (list(ours.obs_names), list(ours.var_names))
    np.testing.assert_array_equal(np.float32(said["x"]), ours.X)
    np.testing.assert_allclose(said["centres"], ours.obsm["spatial"])
    assert said["picture"][0] == 3
