"""A study of somebody's own runs, from a folder of them to the report."""

import csv

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from runs import SMALL, snakemake
from runs_of_machines import visium

from spotrank.encoders import stored

SAMPLES = ["SIM1", "SIM2", "SIM3"]


@pytest.fixture(scope="module")
def own(finished, tmp_path_factory):
    """A finished study of Space Ranger's outputs, as if they had seen the slides of `finished`; the
    last slide is a PNG."""
    folder = tmp_path_factory.mktemp("own")
    given = finished / "resources/cohorts/sim"
    for sample in SAMPLES:
        slide = given / f"wsis/{sample}.tif"
        visium(
            folder / sample / "outs",
            *(given / f"{kind}/{sample}.{suffix}" for kind, suffix in (("st", "h5ad"),)),
            slide,
            given / f"metadata/{sample}.json",
        )
    (folder / "images").mkdir()
    for sample in SAMPLES[:2]:
        (folder / f"images/{sample}.tif").symlink_to(given / f"wsis/{sample}.tif")
    Image.open(given / "wsis/SIM3.tif").convert("RGB").save(folder / "images/SIM3.png")
    printed, code = snakemake(folder, SMALL, "samples", "--config", f"folder={folder}")
    assert code == 0, printed
    table = pd.read_csv(folder / "samples.csv")
    assert table["id"].tolist() == SAMPLES
    assert [path.rpartition("/")[2] for path in table["image"]] == [
        "SIM1.tif",
        "SIM2.tif",
        "SIM3.png",
    ]
    patients = ["Patient 1", "Patient 2", "Patient 2"]
    table.assign(patient=patients).to_csv(folder / "samples.csv", index=False)
    config = SMALL | {"losses": ["mse"], "floors": []}
    config["cohorts"] = {"sim": {"source": "spaceranger", "samples": "samples.csv"}}
    printed, code = snakemake(folder, config, "all", "import_check")
    assert code == 0, printed
    return folder, config, printed


def test_what_was_found_is_shown(own):
    folder, _, printed = own
    assert "| in tissue       | 40" in printed
    with Image.open(folder / "results/small/import_check.png") as picture:
        assert picture.width > 1000
    assert (folder / "results/small/report.html").stat().st_size > 100_000


def test_slides_that_can_be_read_stay_where_they_are(own):
    folder, *_ = own
    assert [path.name for path in folder.glob("resources/own/sim/wsis/*")] == ["SIM3.tif"]


def test_numbers_are_those_of_the_study_that_the_runs_were_made_of(own, finished):
    folder, *_ = own
    for sample in SAMPLES:
        path = f"results/embeddings/sim/stain_statistics/{sample}.h5"
        (names, vectors), (truth_names, truth) = (
            stored.read(root / path) for root in (folder, finished)
        )
        assert [name.removesuffix("-1") for name in names] == list(truth_names)
        jpeg_twice = sample == "SIM3"
        assert np.allclose(vectors, truth, atol=0.05 if jpeg_twice else 1e-3)
    counts, truth = (
        pd.read_csv(root / "results/small/tables/samples.tsv", sep="\t").set_index("sample")
        for root in (folder, finished)
    )
    same = ["patient", "measured", "spots", "genes", "median_depth", "test_folds"]
    assert counts[same].equals(truth[same])


def test_a_run_that_changes_is_imported_anew(own):
    folder, config, _ = own
    path = folder / "SIM1/outs/spatial/tissue_positions.csv"
    rows = list(csv.reader(path.open()))
    path.write_text("\n".join(",".join(row) for row in rows[:-1]) + "\n")
    printed, code = snakemake(folder, config, "--dry-run", "resources/own/sim/st/SIM1.h5ad")
    assert code == 0, printed
    assert "rule import_sample" in printed
