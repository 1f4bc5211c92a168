"""What is read of an h5ad, in every form that counts have, beside parts that nobody can read."""

import anndata
import h5py
import numpy as np
import pytest
from bad_files import PATCHES, QC
from scipy import sparse

from spotrank.base.store import InputError
from spotrank.cohorts import h5ad, hest
from spotrank.spots import pair

COUNTS = np.array([[0, 3, 0, 1], [2, 0, 0, 0], [0, 0, 5, 70_000]])


@pytest.fixture
def write(tmp_path):
    """Write an h5ad of `COUNTS` in another form, and return its path."""

    def write(x, **more):
        adata = anndata.AnnData(x, obsm={"spatial": np.ones((3, 2))}, **more)
        adata.write_h5ad(tmp_path / "a.h5ad")
        return tmp_path / "a.h5ad"

    return write


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "i8", "u4"])
@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, np.asarray])
def test_all_forms_are_read_alike(write, form, dtype):
    st = write(form(COUNTS.astype(dtype)))
    counts = h5ad.read_counts(st)
    assert counts.format == "csr"
    assert counts.dtype == np.float32
    assert counts.nnz == 5
    np.testing.assert_array_equal(counts.toarray(), COUNTS)
    assert h5ad.bytes_of_counts(st) >= 5 * np.dtype(dtype).itemsize


def test_a_dense_matrix_is_read_by_rows(write, monkeypatch):
    monkeypatch.setattr(h5ad, "BLOCK", 40)
    np.testing.assert_array_equal(h5ad.read_counts(write(COUNTS.astype("f8"))).toarray(), COUNTS)


@pytest.mark.parametrize("layer", ["counts", "raw"])
def test_counts_of_a_layer(write, layer):
    st = write(np.log1p(COUNTS), layers={layer: COUNTS})
    np.testing.assert_array_equal(h5ad.read_counts(st, layer).toarray(), COUNTS)


def test_counts_of_raw_have_genes_of_their_own(write):
    raw = {"X": COUNTS, "var": {"id": list("abcd")}}
    st = write(np.log1p(COUNTS[:, :2]), raw=raw)
    np.testing.assert_array_equal(h5ad.read_counts(st, "raw").toarray(), COUNTS)
    assert h5ad.read_genes(st, "raw")["id"].tolist() == list("abcd")


def test_a_file_of_before_anndata_07(tmp_path):
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        x = file.create_group("X")
        x.attrs["h5sparse_format"], x.attrs["h5sparse_shape"] = "csr", COUNTS.shape
        for part in ("data", "indices", "indptr"):
            x[part] = getattr(sparse.csr_matrix(COUNTS), part)
        file["obs"] = np.array([(b"s1",), (b"s2",), (b"s3",)], [("index", "S2")])
        genes = [(b"A", b"1"), (b"B", b"2"), (b"C", b"3"), (b"D", b"4")]
        file["var"] = np.array(genes, [("index", "S2"), ("gene_ids", "S2")])
        file["obsm/spatial"] = np.ones((3, 2))
    with pytest.warns(anndata.OldFormatWarning):
        known = anndata.read_h5ad(tmp_path / "a.h5ad")
    genes = h5ad.read_genes(tmp_path / "a.h5ad")
    np.testing.assert_array_equal(
        h5ad.read_counts(tmp_path / "a.h5ad").toarray(), known.X.toarray()
    )
    assert hest.read_spots(tmp_path / "a.h5ad").obs_names.tolist() == known.obs_names.tolist()
    assert genes.index.tolist() == known.var_names.tolist()
    assert genes["id"].tolist() == known.var["gene_ids"].tolist()


def test_parts_that_are_not_needed_may_be_unreadable(own_cohort):
    st, metadata = own_cohort / "st/SIM1.h5ad", own_cohort / "metadata/SIM1.json"
    before = pair.pair(st, metadata, QC, PATCHES)
    with h5py.File(st, "a") as file:
        for name in ("uns/later", "obsm/later", "layers/later", "obs/later", "var/later"):
            file.create_group(name).attrs["encoding-type"] = "some-later-kind"
        file["uns/far"] = h5py.ExternalLink("secret.h5", "x")
        file["obs"].attrs["column-order"] = ["later"]
    after = pair.pair(st, metadata, QC, PATCHES)
    assert (before.X != after.X).nnz == 0
    assert before.obs.equals(after.obs)


def test_memory_of_what_cannot_be_read_is_left_to_the_job(tmp_path):
    (tmp_path / "a.h5ad").write_text("hello")
    assert h5ad.bytes_of_counts(tmp_path / "a.h5ad") == 0
    with pytest.raises(InputError):
        h5ad.read_counts(tmp_path / "a.h5ad")


@pytest.mark.parametrize(
    ("x", "layer", "said"),
    [
        (
            COUNTS,
            "cuonts",
            r"did you mean 'counts'\?; leave counts_layer out, for X holds counts\.",
        ),
        (np.log1p(COUNTS), "cuonts", r"did you mean 'counts'\?; layers\['counts'\] holds counts: "),
        (COUNTS, "raw", r"no layers\['raw'\]"),
    ],
)
def test_a_layer_that_is_not_there(write, x, layer, said):
    st = write(x, layers={"counts": COUNTS} if layer != "raw" else {})
    with pytest.raises(InputError, match=said):
        h5ad.read_counts(st, layer)
