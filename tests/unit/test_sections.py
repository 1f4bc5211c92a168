"""Samples that are one section under several ids: found in their files, and what is said of it."""

import json
import shutil

import anndata
import numpy as np
import pandas as pd
import pytest
from bad_files import PATCHES, QC
from scipy import sparse

from spotrank.spots import pair, sections
from spotrank.study import units
from spotrank.study.study import Study

SAID = (
    "cohorts.c: SIM1 and SIM3 have equal {}: they count as one sample, of one patient, whatever "
    "the table says; leave out all but one, or mend the files."
)
STORED = {
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_matrix,
    "dense": lambda counts: np.asarray(counts.todense()),
}


def counts_again(cohort, store=sparse.csr_matrix):
    """SIM1's counts as SIM3's, spots and genes in another order and of other names."""
    adata = anndata.read_h5ad(cohort / "st/SIM1.h5ad")
    adata.X = store(sparse.csr_matrix(adata.X))
    adata.write_h5ad(cohort / "st/SIM1.h5ad")
    rng = np.random.default_rng(0)
    adata = adata[rng.permutation(adata.n_obs), rng.permutation(adata.n_vars)].copy()
    adata.obs_names = "other" + adata.obs_names
    adata.write_h5ad(cohort / "st/SIM3.h5ad", compression="gzip")


def slide_again(cohort):
    shutil.copy(cohort / "wsis/SIM1.tif", cohort / "wsis/SIM3.tif")


def leaks_of(found):
    keys = ("cohort", "fold", "panel", "encoder", "head")
    cells = ({"strategy": cell["split"]} | {key: cell[key] for key in keys} for cell in found.cells)
    return {found.leak(**cell) for cell in cells}


def test_samples_of_a_cohort_are_apart(study):
    found = Study(study)
    assert found.remarks == []
    assert leaks_of(found) == {""}


@pytest.mark.parametrize("store", STORED.values(), ids=STORED)
def test_equal_counts_are_one_section(own_cohort, study, store):
    counts_again(own_cohort, store)
    found = Study(study)
    assert found.remarks == [SAID.format("counts")]
    # SIM2 is of SIM3's patient, who is now SIM1's
    assert found.plans["c", "leave_one_patient_out"][0]["test"] == ["SIM1", "SIM2", "SIM3"]
    assert {found.patients["c"][f"SIM{i}"] for i in (1, 2, 3)} == {"Patient 1 = Patient 2"}
    assert leaks_of(found) == {""}


def test_equal_pixels_are_one_section(own_cohort, study):
    slide_again(own_cohort)
    found = Study(study | {"split": {"strategy": "leave_one_sample_out"}})
    assert found.remarks == [SAID.format("pixels")]
    folds = found.plans["c", "leave_one_sample_out"]
    assert [fold["test"] for fold in folds][:2] == [["SIM1", "SIM3"], ["SIM2"]]
    assert "are one section" not in " ".join(leaks_of(found))


def test_a_split_that_parts_a_section_leaks(own_cohort, study):
    counts_again(own_cohort)
    study["split"] = {"strategy": "fixed", "ids": {"c": {"test": ["SIM3", "SIM4"]}}}
    assert leaks_of(Study(study)) == {
        "Patient 1 = Patient 2 in training and test; SIM1 and SIM3 are one section"
    }


def test_sections_apart_on_one_slide_share_nothing(own_cohort):
    path = own_cohort / "wsis/SIM1.tif"
    places = anndata.read_h5ad(own_cohort / "st/SIM1.h5ad").obsm["spatial"]
    marks = {
        "all": sections.of_pixels(path, places),
        "most": sections.of_pixels(path, places[3:]),
        "left": sections.of_pixels(path, np.quantile(places, [0, 0.1], axis=0)),
    }
    assert sections.sharing(marks) == [["all", "most"]]


def test_a_damaged_file_is_no_section(own_cohort, study):
    counts_again(own_cohort)
    slide_again(own_cohort)
    for path in own_cohort.glob("*/SIM3.[ht]*"):
        path.write_bytes(path.read_bytes()[:1000])
    assert Study(study).remarks == []


def test_pair_keeps_what_scores_compare(own_cohort):
    def paired(sample, **qc):
        st, metadata = own_cohort / f"st/{sample}.h5ad", own_cohort / f"metadata/{sample}.json"
        return pair.pair(st, metadata, QC | qc, PATCHES)

    one, apart = paired("SIM1"), paired("SIM3")
    assert not {*one.uns["section"]} & {*apart.uns["section"]}
    counts_again(own_cohort, STORED["dense"])
    again = paired("SIM3", min_genes=45)
    assert again.n_obs < one.n_obs  # marks are of the spots as measured
    known = {
        "c/SIM1": {"section": one.uns["section"]},
        "c/SIM3": {"section": again.uns["section"]},
    }
    assert sections.leaks(known, ["SIM3", "SIM4"]) == ["SIM1 and SIM3 are one section"]
    assert sections.leaks(known, ["SIM1", "SIM3"]) == []
    assert sections.leaks(known, ["SIM4"]) == []


def test_what_a_run_found_is_held_out_as_one_by_the_next(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = Study(study)
    assert units.remember(first) == []  # nothing was run
    known = {f"c/{sample}": {"section": [mark]} for sample, mark in zip(
        ("SIM1", "SIM2", "SIM3", "SIM4"), "abac", strict=True)}  # fmt: skip
    provenance = tmp_path / "results/small/provenance.json"
    provenance.parent.mkdir(parents=True)
    provenance.write_text(json.dumps({"samples": known}))
    (remark,) = units.remember(first)
    assert remark.startswith("cohorts.c: SIM1 and SIM3 have equal counts or pixels, which was")
    second = Study(study)
    assert second.sections["c"]["SIM1"] == second.sections["c"]["SIM3"] == "SIM1 = SIM3"
    assert second.patients["c"]["SIM1"] == second.patients["c"]["SIM3"]
    assert len(second.remarks) == 1
    assert units.remember(second) == []
    assert Study(study).sections == second.sections


def test_known_pairs(own_cohort, study):
    """SPA93 and SPA119 by `resources/donors.tsv`, and the patients that they belong to."""
    path = own_cohort / "HEST_v1_1_0.csv"
    ids = {"SIM1": "SPA93", "SIM3": "SPA119", "SIM4": "SPA94"}
    table = pd.read_csv(path).replace({"id": ids})
    table.to_csv(path, index=False)
    study["cohorts"]["c"]["samples"] = ["SPA93", "SIM2", "SPA119", "SPA94"]
    found = Study(study)
    assert found.remarks == [
        "cohorts.c: SPA93 = SPA119: likely one section each under two ids (resources/donors.tsv); "
        "each counts as one sample, of one patient."
    ]
    assert found.patients["c"] == {
        sample: "BC24044/HER2ST H" if sample in ids.values() else "Patient 2"
        for sample in study["cohorts"]["c"]["samples"]
    }


def test_an_encoder_that_saw_such_slides_leaks(own_cohort, study):
    study["cohorts"]["c"]["embeddings"] = {"seal": str(own_cohort)}
    what = {"trained_on": "spatial transcriptomics"}
    for entry, leaking in (
        ({"encoder": "seal"} | what, "seal"),
        ({"model": "resnet18", "weights": "random"} | what, "resnet18-random"),
        ({"encoder": "uni_v2", "name": "mine"} | what, "mine"),
    ):
        found = Study(study | {"encoders": [entry, "stain_statistics"]})
        assert leaks_of(found) == {
            "",
            f"the encoder {leaking} was trained on spatial transcriptomics and may have seen the "
            "test slides",
        }
    assert "trained_on" not in found.encoders["mine"]


def test_who_is_one_person_in_several_cohorts():
    """A donor is, and so is a label of one data set of one table; a label alone is nobody."""

    def metadata(*rows):
        columns = ["sample", "patient", "written", "dataset_title"]
        return pd.DataFrame(rows, columns=columns).set_index("sample")

    samples = {
        "a": metadata(
            ("TENX95", "TENX95/99", "", "X"), ("q", "P1", "P1", "X"), ("r", "r", "", "X")
        ),
        "b": metadata(
            ("TENX99", "TENX95/99", "", "Y"), ("q", "P1 (X)", "P1", "X"),
            ("s", "P1 (Y)", "P1", "Y"), ("r", "r", "", "X"),
        ),
        "own": metadata(("q", "P1", "P1", "X"), ("r", "r", "", "X")),
    }  # fmt: skip
    found = units.persons(samples, {"a": "hest.csv", "b": "hest.csv", "own": "own.csv"})
    assert found["a"]["TENX95/99"] == found["b"]["TENX95/99"]
    assert found["a"]["P1"] == found["b"]["P1 (X)"]
    assert found["a"]["r"] == found["b"]["r"]
    others = [found["a"]["P1"], found["b"]["P1 (Y)"], found["own"]["P1"], found["own"]["r"]]
    assert len({*others, found["a"]["r"], found["a"]["TENX95/99"]}) == 6


def test_joined_in_one_cohort_is_one_in_the_other():
    """P1 and P2 of a share a section: whoever is P1 or P2 of b is that person."""
    columns = {"dataset_title": "X", "written": ["P1", "P2"]}
    a = pd.DataFrame(columns | {"patient": "P1"}, index=["k", "l"])
    b = pd.DataFrame(columns | {"patient": ["P1", "P2"]}, index=["m", "n"])
    found = units.persons({"a": a, "b": b}, {"a": "hest.csv", "b": "hest.csv"})
    assert found["a"]["P1"] == found["b"]["P1"] == found["b"]["P2"]
