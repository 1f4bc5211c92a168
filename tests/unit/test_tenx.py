"""Matrices and positions of 10x: what real ones hold, every form of a small one, and bad ones."""

import gzip

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tenx_files import BARCODES, COUNTS, IDS, NAMES, TYPES, cut, positions, write_h5, write_mex

from spotrank.base.store import InputError
from spotrank.cohorts.sources import tenx, tissue_positions

V1, V2, HD = (
    "visium_v1_raw_visiumio/section1/outs",
    "visium_v2_spatialfeatureexperiment",
    "visium_hd",
)
# as the layouts' README tells: kind, shape, sum, first barcode and its counts
MATRICES = {
    "visium_v1_seurat": ("filtered", (100, 2695), 132_231, "AAACAAGTATCTCCCA-1", 34),
    V1: ("raw", (49, 50), 607, "AAACAACGAATAGTTC-1", 1),
    f"{V2}/sample01/outs": ("filtered", (5, 12), 2951, "GTGGCGTGCACCAGAG-1", 165),
    f"{V2}/sample02/outs": ("filtered", (5, 13), 2762, "CGTTGAGTAATTGCGT-1", 404),
    "visium_cytassist_alone": ("filtered", (19_465, 2898), 3_085_005, "AACAGGAAGAGCATAG-1", 307),
    f"{HD}_visiumio/binned_outputs/square_002um": (
        *("filtered", (10, 10), 0, "s_002um_02448_01644-1", 0),
    ),
    f"{HD}_seurat/binned_outputs/square_016um": (
        *("filtered", (100, 2695), 132_231, "AAACAAGTATCTCCCA-1", 34),
    ),
}
POSITIONS = {  # lines, in tissue, a barcode, its x and y
    "visium_v1_seurat": (4992, 2695, "AAACAAGTATCTCCCA-1", 8501, 7475),
    V1: (50, 22, "AAACAACGAATAGTTC-1", 2312, 1252),
    f"{V2}/sample01/outs": (12, 12, "GTGGCGTGCACCAGAG-1", 19_828, 3932),
    f"{V2}/sample02/outs": (13, 13, "CGTTGAGTAATTGCGT-1", 19_829, 6456),
    "visium_cytassist_alone": (4992, 2898, "AACAGGAAGAGCATAG-1", 329.3798, 2056.5365),
    "visium_cytassist_6_5mm_image": (4992, 2310, "CGGCACTCTAGCGGAA-1", 22_382, 8335),
    f"{HD}_visiumio/binned_outputs/square_002um": (
        *(10, 10, "s_002um_02448_01644-1", 9295.4149, 18_095.4076),
    ),
    f"{HD}_seurat/binned_outputs/square_016um": (
        *(1248, 655, "AAACACCAATAACTGC-1", 22_120.1207, 7947.2029),
    ),
}


@pytest.mark.parametrize("folder", MATRICES)
def test_real_matrices(layouts, folder):
    kind, shape, total, barcode, of_first = MATRICES[folder]
    path, found = tenx.find_matrix(layouts / folder)
    counts, features, barcodes = tenx.read_matrix(path)
    assert found == kind
    assert (len(features), len(barcodes)) == shape == counts.shape[::-1]
    assert counts.sum(dtype=float) == total
    assert barcodes[0] == barcode
    assert counts[0].sum() == of_first
    assert set(features["type"]) == {"Gene Expression"}
    assert features["id"].str.startswith("ENS").all()


def test_real_matrices_in_two_forms(layouts):
    outs = layouts / V1
    counts, _, _ = tenx.read_matrix(outs / "raw_feature_bc_matrix")
    assert counts.shape == (50, 50)
    assert counts.sum() == 682
    tissue = tissue_positions.read(tissue_positions.find(outs / "spatial"))["in_tissue"]
    both = (outs / "raw_feature_bc_matrix", outs / "raw_feature_bc_matrix.h5")
    for path, expected in zip(both, (622, 384), strict=True):
        counts, _, barcodes = tenx.read_matrix(path)
        assert counts[tissue[barcodes].to_numpy()].sum() == expected
    folder = layouts / "visium_hd_visiumio/binned_outputs/square_002um"
    plain = tenx.read_matrix(folder / "filtered_feature_bc_matrix")  # text that is called .gz
    assert plain[0].shape == (10, 10)
    assert plain[1].equals(tenx.read_matrix(folder / "filtered_feature_bc_matrix.h5")[1])


def test_names_are_not_unique_but_ids_are(layouts):
    folder = layouts / "visium_cytassist_alone/filtered_feature_bc_matrix"
    features, _ = tenx.read_names(folder)
    assert features["id"].nunique() == 19_465
    assert features.index.nunique() == 19_454


@pytest.mark.parametrize("folder", POSITIONS)
def test_real_positions(layouts, folder):
    lines, tissue, barcode, x, y = POSITIONS[folder]
    places = tissue_positions.read(tissue_positions.find(layouts / folder / "spatial"))
    assert len(places) == lines
    assert places["in_tissue"].sum() == tissue
    assert places.loc[barcode, ["x", "y"]].tolist() == pytest.approx([x, y], abs=1e-4)


def check(path, types=TYPES):
    counts, features, barcodes = tenx.read_matrix(path)
    assert counts.format == "csr"
    assert counts.dtype == np.float32
    np.testing.assert_array_equal(counts.toarray(), COUNTS)
    assert barcodes.tolist() == BARCODES
    assert features.index.tolist() == NAMES
    assert features["id"].tolist() == IDS
    assert features["type"].tolist() == types


@pytest.mark.parametrize("indices", ["i4", "u4", "i8", "f8"])
@pytest.mark.parametrize("data", ["i4", "u2", "f8"])
@pytest.mark.parametrize("text", [h5py.string_dtype(), "S20"])
def test_every_h5_is_read_alike(tmp_path, indices, data, text):
    counts = np.minimum(COUNTS, 65_535) if data == "u2" else COUNTS
    types = {"data": data, "indices": indices, "indptr": indices, "text": text}
    path = write_h5(tmp_path / "a.h5", counts, **types)
    np.testing.assert_array_equal(tenx.read_matrix(path)[0].toarray(), counts)
    if data != "u2":
        check(path)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"packed": False, "suffix": ""},
        {"packed": False},
        {"suffix": ""},
        {"quote": '"'},
        {"features": "genes.tsv", "columns": 2, "suffix": "", "packed": False},
    ],
)
def test_every_mex_is_read_alike(tmp_path, form):
    check(write_mex(tmp_path / "a", **form), TYPES if form.get("columns", 3) == 3 else [""] * 4)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    counts=st.integers(1, 6).flatmap(
        lambda n: st.lists(st.lists(st.integers(0, 2), min_size=n, max_size=n), min_size=1)
    ),
    block=st.integers(1, 9),
)
def test_blocks_of_barcodes_join_to_the_whole(tmp_path, counts, block):
    counts = np.array(counts)
    own = [f"{number}" for number in range(max(counts.shape))]
    names = own[: counts.shape[1]]
    path = write_h5(tmp_path / "a.h5", counts, own[: len(counts)], names, names, None)
    features, barcodes = tenx.read_names(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tenx, "BLOCK", block)
        parts = list(tenx.read_counts(path, features, barcodes))
    np.testing.assert_array_equal(np.vstack([part.toarray() for _, part in parts]), counts)
    assert [row for rows, _ in parts for row in range(rows.start, rows.stop)] == [
        *range(len(counts))
    ]


def test_only_genes_are_kept(layouts):
    counts, genes, barcodes, found = tenx.read_genes(
        layouts / "xenium_breast_he_rebuilt/cell_feature_matrix.h5"
    )
    assert counts.shape == (122, 298) == (len(barcodes), len(genes))
    assert counts.sum() == 17_803
    assert found == {
        "left out as 'Negative Control Probe'": "15 features, 27 counts",
        "left out as 'Negative Control Codeword'": "8 features, 0 counts",
        "left out as 'Unassigned Codeword'": "33 features, 4 counts",
    }


def test_features_without_a_type_are_genes(tmp_path):
    path = write_h5(tmp_path / "a.h5", types=None)
    assert tenx.read_genes(path)[0].shape == (3, 4)
    path = write_h5(tmp_path / "a.h5", types=["Antibody Capture"] * 4)
    with pytest.raises(InputError, match="no features of the type 'Gene Expression'"):
        tenx.read_genes(path)


def test_proteins_may_have_fractions(tmp_path):
    types = ["Gene Expression"] * 3 + ["Protein Expression"]
    path = write_h5(tmp_path / "a.h5", COUNTS * [1, 1, 1, 0.3], types=types, data="f8")
    counts, genes, _, found = tenx.read_genes(path)
    np.testing.assert_array_equal(counts.toarray(), COUNTS[:, :3])
    assert genes["id"].tolist() == IDS[:3]
    assert found == {"left out as 'Protein Expression'": "1 features, 21000 counts"}


def test_which_matrix_is_taken(tmp_path):
    folder = tmp_path / "outs"
    assert tenx.outs_of(tmp_path) == tmp_path
    folder.mkdir()
    assert tenx.outs_of(tmp_path) == folder == tenx.outs_of(folder)
    with pytest.raises(InputError, match="holds no matrix of counts"):
        tenx.find_matrix(folder)
    for name, kind in [  # each better than those before
        ("raw_feature_bc_matrix", "raw"),
        ("raw_feature_bc_matrix.h5", "raw"),
        ("filtered_feature_bc_matrix", "filtered"),
        ("GSM1_filtered_feature_bc_matrix.h5", "filtered"),
        ("filtered_feature_bc_matrix.h5", "filtered"),
    ]:
        (folder / name).touch()
        (folder / f"._{name}").touch()
        assert tenx.find_matrix(folder) == (folder / name, kind)
    (folder / "filtered_feature_bc_matrix.h5").unlink()
    (folder / "GSM2_filtered_feature_bc_matrix.h5").touch()
    with pytest.raises(InputError, match=r"holds both GSM1_.*; keep the sample's own"):
        tenx.find_matrix(folder)


def edited(edit):
    """Edit the group of a matrix in HDF5."""

    def change(folder):
        with h5py.File(folder / "a.h5", "a") as file:
            edit(file["matrix"])

    return change


def put(name, value):
    def edit(matrix):
        matrix.pop(name, None)
        matrix[name] = value

    return edited(edit)


BAD_H5 = {
    "truncated": (lambda folder: cut(folder / "a.h5"), "is truncated, .* bytes"),
    "a web page": (lambda folder: (folder / "a.h5").write_text("<html>"), "but a web page"),
    "of another program": (edited(lambda matrix: matrix.pop("features")), "holds no matrix"),
    "of probes": (put("features/gene_name", IDS), "counts of probes, not of genes"),
    "of filtered probes": (put("filtered_probes", [1]), "counts of probes, not of genes"),
    "fractions": (put("data", [1, 2, 0.5, 1, 1]), "holds 0.5, which is no count"),
    "less than none": (put("data", [1, 2, -1, 1, 1]), "holds -1, which is no count"),
    "infinite": (put("data", [1, 2, np.inf, 1, 1]), "holds inf, which is no count"),
    "a barcode twice": (put("barcodes", ["A", "B", "A"]), "the barcode 'A' stands there twice"),
    "a barcode less": (put("barcodes", ["A", "B"]), "of 3 barcodes and 4 features, but 2 and 4"),
    "a feature outside": (put("indices", [1, 3, 0, 2, 4]), "not a readable matrix"),
    "indptr too short": (put("indptr", [0, 2, 3]), "its indptr is not of its data"),
    "indptr falls": (put("indptr", [0, 3, 2, 5]), "its indptr is not of its data"),
    "data too short": (put("data", [1, 2]), "its indptr is not of its data"),
    "indices too short": (put("indices", [1, 2]), "not a readable matrix"),
    "elsewhere": (put("data", h5py.ExternalLink("b.h5", "x")), "lies in another file"),
}


@pytest.mark.parametrize("case", BAD_H5)
def test_bad_h5(tmp_path, case):
    edit, said = BAD_H5[case]
    edit((write_h5(tmp_path / "a.h5")).parent)
    refused(lambda: tenx.read_matrix(tmp_path / "a.h5"), said)


def refused(read, said):
    with pytest.raises(InputError, match=said) as error:
        read()
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


def rewritten(name, edit):
    def change(folder):
        path = folder / f"{name}.gz"
        path.write_bytes(gzip.compress(edit(gzip.decompress(path.read_bytes()))))

    return change


def fractional(text):
    return text.replace(b"integer", b"real").replace(b"3 3 5", b"3 3 5.5")


BAD_MEX = {
    "truncated": (lambda folder: cut(folder / "matrix.mtx.gz"), "perhaps truncated"),
    "truncated text": (rewritten("matrix.mtx", lambda text: text[:-9]), "not a readable matrix"),
    "no matrix": (rewritten("matrix.mtx", lambda text: b"<html>"), "not a readable matrix"),
    "without barcodes": (
        lambda folder: (folder / "barcodes.tsv.gz").unlink(),
        "lacks barcodes.tsv",
    ),
    "a feature less": (
        rewritten("features.tsv", lambda text: text[text.index(b"\n") + 1 :]),
        "4 features, but 3 and 3 are named",
    ),
    "empty barcodes": (rewritten("barcodes.tsv", lambda text: b""), "not a readable table"),
    "fractions": (
        rewritten("matrix.mtx", fractional),
        "holds 5.5, which is no count",
    ),
}


@pytest.mark.parametrize("case", BAD_MEX)
def test_bad_mex(tmp_path, case):
    edit, said = BAD_MEX[case]
    edit(write_mex(tmp_path / "a"))
    refused(lambda: tenx.read_matrix(tmp_path / "a"), said)


PLACES = positions(2, 3, np.array([[10.0, 0, 5], [0, 10, 7]]))
FORMS = {
    "tissue_positions.csv": lambda path: PLACES.to_csv(path, index=False),
    "without a header, of the new name": lambda path: PLACES.to_csv(
        path, index=False, header=False
    ),
    "gzipped": lambda path: PLACES.to_csv(path, index=False, compression="gzip"),
    "columns in another order": lambda path: PLACES[PLACES.columns[::-1]].to_csv(path, index=False),
    "as R writes a table": lambda path: PLACES.to_csv(path),
    "parquet": lambda path: PLACES.to_parquet(path),
    "parquet by barcode": lambda path: PLACES.set_index("barcode").to_parquet(path),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_file_of_positions_is_read_alike(tmp_path, form):
    FORMS[form](tmp_path / "a")
    found = tissue_positions.read(tmp_path / "a")
    assert found.index.tolist() == PLACES["barcode"].tolist()
    assert found["in_tissue"].dtype == bool
    assert found["x"].tolist() == [5, 15, 25, 5, 15, 25]
    assert found["y"].tolist() == [7, 7, 7, 17, 17, 17]
    assert found["array_col"].tolist() == [0, 1, 2, 0, 1, 2]


BAD_POSITIONS = {
    "a column is missing": (lambda table: table.drop(columns="array_row"), "column 'array_row'"),
    "a barcode twice": (lambda table: pd.concat([table, table[:1]]), "one line a barcode"),
    "no place": (lambda table: table.assign(pxl_row_in_fullres=np.nan), "one line a barcode"),
    "text": (lambda table: table.assign(pxl_row_in_fullres="far"), "one line a barcode"),
    "in_tissue of another kind": (lambda table: table.assign(in_tissue=2), "one line a barcode"),
    "rows that are none": (lambda table: table.assign(array_row=0.5), "one line a barcode"),
    "nothing": (lambda table: table[:0], "one line a barcode"),
}


@pytest.mark.parametrize("write", ["to_csv", "to_parquet"])
@pytest.mark.parametrize("case", BAD_POSITIONS)
def test_bad_positions(tmp_path, case, write):
    edit, said = BAD_POSITIONS[case]
    getattr(edit(PLACES), write)(tmp_path / "a", index=False)
    refused(lambda: tissue_positions.read(tmp_path / "a"), said)


def test_files_that_are_no_positions(tmp_path):
    (tmp_path / "a").write_bytes(b"PAR1 and no more")
    refused(lambda: tissue_positions.read(tmp_path / "a"), "not a readable file of positions")
    (tmp_path / "a").write_bytes(b"\xff\xfe\x00\x80")
    refused(lambda: tissue_positions.read(tmp_path / "a"), "not a readable file of positions")
    refused(lambda: tissue_positions.read(tmp_path / "b"), "no such file")
    refused(lambda: tissue_positions.find(tmp_path), "holds no file of positions")


def test_barcodes_and_positions_of_two_runs(tmp_path):
    PLACES.to_csv(tmp_path / "a", index=False)
    places = tissue_positions.read(tmp_path / "a")
    own = places.index[::-1]
    assert tissue_positions.match(own, places, np.ones(6), "m").tolist() == [5, 4, 3, 2, 1, 0]
    many = pd.Index([*own] * 4 + ["other"])
    assert tissue_positions.match(many, places, np.ones(25), "m")[-1] == -1
    some = pd.Index([own[0], "b", "c"])
    refused(
        lambda: tissue_positions.match(some, places, np.array([5, 6, 7]), "m"),
        "m: 1 of its 3 barcodes have a position, 1 of them in tissue with 5 of 18 counts",
    )
