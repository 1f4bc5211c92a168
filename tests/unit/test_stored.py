"""Embeddings in the layouts that people have, matched by barcode and by place."""

import anndata
import h5py
import numpy as np
import pytest
from bad_given import given, part

from spotrank.base.store import InputError
from spotrank.encoders import stored
from spotrank.study.files import Files
from spotrank.study.study import Study

GOOD = {
    "HEST-Benchmark": given(),
    "barcodes (n,)": part("barcodes", lambda x: x.ravel()),
    "barcodes of any length": part("barcodes", lambda x: x.astype(str).astype(object)),
    "one slide a batch": part("embeddings", lambda x: x[None]),
    "half precision": part("embeddings", lambda x: x.astype("f2")),
    "whole numbers": part("embeddings", lambda x: np.round(x).astype(int)),
    "TRIDENT": given(side=64),
    "TRIDENT, one slide a batch": part("features", lambda x: x[None], side=64),
}


@pytest.mark.parametrize("case", GOOD)
def test_layouts(cohort, tmp_path, case):
    (tmp_path / "st").symlink_to(cohort / "st")
    st = tmp_path / "st/SIM1.h5ad"
    GOOD[case](tmp_path)
    assert stored.check_given(tmp_path / "x.h5", st) == 4
    assert stored.check_given(tmp_path / "x.h5") == 4
    barcodes, vectors = stored.read_given(tmp_path / "x.h5", st)
    assert barcodes == list(anndata.read_h5ad(st).obs_names)
    rows = np.random.default_rng(0).normal(size=(40, 4))
    rows = np.round(rows) if case == "whole numbers" else rows
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, rows, atol=1e-3)


def test_by_place(tmp_path):
    """Patches of 10 px with corners at 0, 10, 16: centres at 5, 15, 21."""
    spots = anndata.AnnData(np.zeros((6, 1), "f4"))
    spots.obs_names = list("abcdef")
    spots.obsm["spatial"] = np.array([[0, 5], [17, 5], [19, 5], [26, 5], [26.1, 5], [5, 10.1]])
    spots.write_h5ad(tmp_path / "st.h5ad")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["features"] = np.array([[0], [1], [2]], "f2")
        file["coords"] = np.array([[0, 0], [10, 0], [16, 0]])
        file["coords"].attrs["patch_size_level0"] = 10
    barcodes, vectors = stored.read_given(tmp_path / "x.h5", tmp_path / "st.h5ad")
    assert (barcodes, vectors.ravel().tolist()) == (list("abcd"), [0, 1, 2, 2])


def test_rows_of_another_order_and_number(cohort, tmp_path):
    """Rows stay with their barcodes; spots may lack one."""
    (tmp_path / "st").symlink_to(cohort / "st")
    order = np.random.default_rng(1).permutation(40)[:20]
    given(lambda parts: parts.update({k: x[order] for k, x in parts.items()}))(tmp_path)
    barcodes, vectors = stored.read_given(tmp_path / "x.h5", tmp_path / "st/SIM1.h5ad")
    names = anndata.read_h5ad(tmp_path / "st/SIM1.h5ad").obs_names
    assert barcodes == list(names[order])
    np.testing.assert_array_equal(
        vectors, np.random.default_rng(0).normal(size=(40, 4)).astype("f4")[order]
    )


def test_a_study_checks_all_before_its_first_job(study, own_cohort):
    study["cohorts"]["c"] |= {"embeddings": {"mine": str(own_cohort)}}
    for st in own_cohort.glob("st/*.h5ad"):
        names = anndata.read_h5ad(st).obs_names
        with h5py.File(own_cohort / f"{st.stem}.h5", "w") as file:
            file["embeddings"], file["barcode"] = np.zeros((len(names), 4)), list(names)
    files = Files(Study(study))
    files.check_given()
    last = own_cohort / "SIM6.h5"
    with h5py.File(last, "a") as file:
        del file["embeddings"]
        file["embeddings"] = np.zeros((len(names), 5))
    with pytest.raises(InputError, match=r"'mine' have 4 .* for 'SIM1', but 5 for 'SIM6'; make"):
        files.check_given()
    last.write_bytes(b"hello")
    with pytest.raises(InputError, match=r"SIM6.h5: not a whole file"):
        files.check_given()
