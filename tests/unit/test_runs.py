"""Runs that lie beneath a folder, and the files that belong to them."""

import logging
import shutil
from pathlib import Path

import pytest
import yaml

from spotrank.base.store import InputError
from spotrank.base.words import path_safe
from spotrank.cohorts.sources import runs

# what tells a run of each source, and what else lies in it
KINDS = {
    "spaceranger": ("outs/spatial/tissue_positions.csv", "outs/filtered_feature_bc_matrix.h5"),
    "visium_hd": ("outs/binned_outputs/square_008um/spatial/a.json", "outs/spatial/a.json"),
    "xenium": ("experiment.xenium", "morphology.ome.tif", "analysis_summary.html"),
    "spatialdata": ("zarr.json", "tables/table/zarr.json", "images/he/zarr.json"),
}


def make(folder, *names):
    for name in names:
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(folder):
    """`{id: (source, folder, image, alignment)}`, paths relative to `folder`."""
    table = runs.find(folder)
    assert list(table.columns) == ["id", "patient", "source", "folder", "image", "alignment"]
    assert (table["patient"] == "").all()
    path_safe(table["id"], "id")
    return {
        row.id: (
            row.source,
            *(
                path and str(Path(path).relative_to(folder))
                for path in (row.folder, row.image, row.alignment)
            ),
        )
        for row in table.itertuples()
    }


def test_runs_of_the_real_layouts(layouts):
    he = "xenium_breast_he_rebuilt/Xenium_FFPE_Human_Breast_Cancer_Rep1_he_image"
    assert found(layouts) == {
        "blobs": ("spatialdata", "spatialdata_blobs/blobs.zarr", "", ""),
        "blobs_v3": ("spatialdata", "spatialdata_blobs/blobs_v3.zarr", "", ""),
        "visium_v2": ("spatialdata", "spatialdata_visium_written/visium_v2.zarr", "", ""),
        "visium_v3": ("spatialdata", "spatialdata_visium_written/visium_v3.zarr", "", ""),
        "xenium_sp_subset": (
            *("spatialdata", "spatialdata_xenium_segtraq/xenium_sp_subset.zarr", "", ""),
        ),
        "visium_cytassist_alone": ("spaceranger", "visium_cytassist_alone", "", ""),
        "visium_hd_seurat": ("visium_hd", "visium_hd_seurat", "", ""),
        "visium_hd_visiumio": ("visium_hd", "visium_hd_visiumio", "", ""),
        "section1": ("spaceranger", "visium_v1_raw_visiumio/section1/outs", "", ""),
        "visium_v1_seurat": ("spaceranger", "visium_v1_seurat", "", ""),
        "sample01": ("spaceranger", "visium_v2_spatialfeatureexperiment/sample01/outs", "", ""),
        "sample02": ("spaceranger", "visium_v2_spatialfeatureexperiment/sample02/outs", "", ""),
        "xenium_breast_he_rebuilt": (
            *("xenium", "xenium_breast_he_rebuilt", f"{he}.ome.tif", f"{he}alignment.csv"),
        ),
        "xenium_prime_multiqc-sample1": ("xenium", "xenium_prime_multiqc/sample1", "", ""),
        "xenium_v1_moleculeexperiment-sample1": (
            *("xenium", "xenium_v1_moleculeexperiment/sample1", "", ""),
        ),
        "sample2": ("xenium", "xenium_v1_moleculeexperiment/sample2", "", ""),
        "xenium_v1_spatialexperimentio": ("xenium", "xenium_v1_spatialexperimentio", "", ""),
    }


@pytest.mark.parametrize("source", KINDS)
def test_a_run_is_found_from_above_and_from_its_own_folder(source, tmp_path):
    name = "S1.zarr" if source == "spatialdata" else "S1"
    make(tmp_path / "runs" / name, *KINDS[source])
    outs = name if source in ("spatialdata", "xenium") else "S1/outs"
    assert found(tmp_path) == {"S1": (source, f"runs/{outs}", "", "")}
    assert runs.find(tmp_path / "runs" / outs)["id"].tolist() == ["S1"]


def test_bins_alone_are_a_run(tmp_path):
    for name in ("binned_outputs/square_016um/spatial/a.json", "square_008um/spatial/a.json"):
        make(tmp_path / name.partition("/")[0], name)
    make(tmp_path / "S1/binned_outputs", "square_016um/spatial/tissue_positions.parquet")
    assert runs.find(tmp_path / "S1/binned_outputs")["id"].tolist() == ["S1"]


def test_what_is_no_run_is_not_found(tmp_path):
    make(tmp_path / "cellranger/outs", "filtered_feature_bc_matrix.h5")
    make(tmp_path / "probes/outs", "raw_probe_bc_matrix.h5", "spatial/a.json")
    make(tmp_path / "places/outs", "spatial/tissue_positions.csv")
    make(tmp_path / "analysis.zarr", "zarr.json", "0/c/0")
    make(tmp_path / ".trash/S1", *KINDS["xenium"])
    with pytest.raises(InputError, match="there is no run beneath"):
        runs.find(tmp_path)
    with pytest.raises(InputError, match="there is no such folder"):
        runs.find(tmp_path / "nowhere")


def test_files_in_a_runs_folder_are_its_own(tmp_path):
    make(tmp_path / "S1", *KINDS["spaceranger"], "outs/spatial/tissue_hires_image.png", "he.tif")
    make(tmp_path / "S2", *KINDS["spaceranger"], "image/scan 7.NDPI", "notes.txt", "._scan.tif")
    make(tmp_path / "S3", *KINDS["xenium"], "x_he_image.ome.tif", "x_he_imagealignment.csv")
    make(tmp_path / "S4", *KINDS["xenium"], "slide.jp2", "S4_keypoints.csv", "metrics_summary.csv")
    assert {name: row[2:] for name, row in found(tmp_path).items()} == {
        "S1": ("S1/he.tif", ""),
        "S2": ("S2/image/scan 7.NDPI", ""),
        "S3": ("S3/x_he_image.ome.tif", "S3/x_he_imagealignment.csv"),
        "S4": ("S4/slide.jp2", "S4/S4_keypoints.csv"),
    }


def test_files_elsewhere_are_those_of_the_longest_id_that_begins_their_names(tmp_path):
    for name in ("S1", "S1-b", "S10"):
        make(tmp_path / "runs" / name, *KINDS["xenium"])
    make(tmp_path / "runs/S2.zarr", *KINDS["spatialdata"])
    make(tmp_path / "slides", "S1.svs", "S1-b_he.tif", "S10.TIFF", "S2_he.ome.tif", "S100.tif")
    make(tmp_path, "alignments/S1_alignment.csv", "S1-b.matrix.csv", "S10-keypoints.CSV")
    assert {name: row[2:] for name, row in found(tmp_path).items()} == {
        "S1": ("slides/S1.svs", "alignments/S1_alignment.csv"),
        "S1-b": ("slides/S1-b_he.tif", ""),
        "S10": ("slides/S10.TIFF", "S10-keypoints.CSV"),
        "S2": ("slides/S2_he.ome.tif", ""),
    }


def test_of_several_pictures_the_one_called_so_or_none(tmp_path, caplog):
    make(tmp_path / "S1", *KINDS["xenium"], "if_image.tif", "he_image.tif")
    make(tmp_path / "S2", *KINDS["spaceranger"], "S2_cytassist_image.tif", "S2_tissue_image.btf")
    make(tmp_path / "S3", *KINDS["spaceranger"], "a.tif", "b.tif", "lowres.png")
    with caplog.at_level(logging.WARNING):
        images = {name: row[2] for name, row in found(tmp_path).items()}
    assert images == {"S1": "S1/he_image.tif", "S2": "S2/S2_tissue_image.btf", "S3": ""}
    assert caplog.messages == [
        "S3: several files may be its image (a.tif, b.tif); fill in the right one"
    ]


def test_ids_are_unique_and_fit_for_paths(tmp_path):
    for name in ("p1/A", "p2/A", "p1 (old)/A", "p1-old/A", "x y/ö", "_b"):
        make(tmp_path / name, *KINDS["xenium"])
    assert {row[1]: name for name, row in found(tmp_path).items()} == {
        "_b": "b",
        "p1/A": "p1-A",
        "p1 (old)/A": "p1-old-A",
        "p1-old/A": "p1-old-A-2",
        "p2/A": "p2-A",
        "x y/ö": "sample",
    }


def test_links_are_followed_once(tmp_path):
    make(tmp_path / "store/run", *KINDS["xenium"])
    make(tmp_path / "mine", "notes.txt")
    (tmp_path / "mine/S1").symlink_to(tmp_path / "store/run")
    (tmp_path / "mine/loop").symlink_to(tmp_path / "mine")
    assert runs.find(tmp_path / "mine")["id"].tolist() == ["S1"]


def test_a_config_reads_each_source(tmp_path):
    make(tmp_path / "a", *KINDS["xenium"])
    make(tmp_path / "b", *KINDS["spaceranger"])
    table = runs.find(tmp_path)
    assert yaml.safe_load(runs.in_config(table, "samples.csv")) == {
        "cohorts": {
            source: {"source": source, "samples": "samples.csv", "query": {"source": source}}
            for source in ("xenium", "spaceranger")
        }
    }
    shutil.rmtree(tmp_path / "a")
    assert set(yaml.safe_load(runs.in_config(runs.find(tmp_path), "s.csv"))["cohorts"]) == {
        "spaceranger"
    }
