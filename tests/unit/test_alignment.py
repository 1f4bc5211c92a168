"""How an H&E lies on a Xenium's morphology: matrices, keypoints, where they are found, bad ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotrank.base.store import InputError
from spotrank.cohorts.sources.alignment import read_alignment

PIXEL_SIZE = 0.2125
MATRIX = np.array([[1.7, 0.01, 700.0], [0.02, -1.7, 900.0], [0, 0, 1]])
POINTS = np.array([[0.0, 0], [1000, 0], [0, 800], [900, 700]])


def matrix(path, values=MATRIX):
    path.write_text("\n".join(",".join(f"{value:.15g}" for value in row) for row in values))
    return path


def keypoints(path, fixed, moved=POINTS, header="fixedX,fixedY,alignmentX,alignmentY"):
    rows = (",".join(f"{value:.15g}" for value in row) for row in np.hstack([fixed, moved]))
    path.write_text("\n".join([header, *rows]))
    return path


def moved(points, by=MATRIX):
    return points @ by[:2, :2].T + by[:2, 2]


@pytest.fixture
def row(tmp_path):
    return {"folder": tmp_path, "image": str(tmp_path / "images/S1_he_image.ome.tif")}


def read(row, **more):
    return read_alignment(row | more, PIXEL_SIZE)


def refused(said, row, **more):
    with pytest.raises(InputError, match=said) as error:
        read(row, **more)
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


def test_the_alignment_of_a_real_run(layouts):
    folder = layouts / "xenium_breast_he_rebuilt"
    image = next(folder.glob("*_he_image.ome.tif"))
    found, where = read({"folder": folder, "image": image})
    assert np.linalg.det(found) == pytest.approx(-2.93, abs=5e-3)
    assert PIXEL_SIZE * np.sqrt(-np.linalg.det(found)) == pytest.approx(0.36391080, abs=5e-9)
    assert where == {"alignment": "Xenium_FFPE_Human_Breast_Cancer_Rep1_he_imagealignment.csv"}


def test_real_runs_without_an_alignment_are_refused(layouts):
    for name in ("xenium_prime_multiqc/sample1", "xenium_v1_spatialexperimentio"):
        refused("has no alignment of x.tif", {"folder": layouts / name, "image": "x.tif"})


def test_a_matrix_and_its_keypoints(row, tmp_path):
    found, _ = read(row, alignment=str(matrix(tmp_path / "matrix.csv")))
    np.testing.assert_allclose(found, MATRIX)
    found, where = read(row, alignment=str(keypoints(tmp_path / "k.csv", moved(POINTS))))
    np.testing.assert_allclose(found, MATRIX, atol=1e-9)
    assert where["µm that keypoints are off, at most"] == 0


@given(
    axes=st.lists(st.floats(-3, 3), min_size=4, max_size=4).filter(
        lambda axes: abs(axes[0] * axes[3] - axes[1] * axes[2]) > 0.1
    ),
    shift=st.tuples(*[st.floats(-1e5, 1e5)] * 2),
)
def test_keypoints_give_any_affine_map(tmp_path_factory, axes, shift):
    path = tmp_path_factory.getbasetemp() / "k.csv"
    by = np.vstack([np.column_stack([np.reshape(axes, (2, 2)), shift]), [0, 0, 1]])
    found, _ = read({}, alignment=str(keypoints(path, moved(POINTS, by))))
    np.testing.assert_allclose(found, by, atol=1e-6)


def test_keypoints_set_by_hand_are_off_and_that_is_said(row, tmp_path):
    off = moved(POINTS) + np.array([[20, 0], [-20, 0], [0, 0], [0, 0]])
    _, where = read(row, alignment=str(keypoints(tmp_path / "k.csv", off)))
    assert 0 < where["µm that keypoints are off, at most"] <= 20 * PIXEL_SIZE
    refused(
        r"its keypoints lie up to \d+ px off any affine map",
        *(row,),
        alignment=str(keypoints(tmp_path / "k.csv", moved(POINTS)[::-1])),
    )


def test_where_it_is_found(row, tmp_path):
    (tmp_path / "images").mkdir()
    refused("has no alignment of S1_he_image.ome.tif .*S1_he_imagealignment.csv", row)
    other = matrix(tmp_path / "S1_if_imagealignment.csv")  # of another picture
    matrix(tmp_path / "images/S10_he_imagealignment.csv")
    refused("has no alignment of S1_he_image.ome.tif", row)
    path = matrix(tmp_path / "S1_he_imagealignment.csv")
    assert read(row)[1] == {"alignment": path.name}  # of the run's folder
    matrix(tmp_path / "S1_he_image_alignment.csv")
    refused("may both be the alignment of S1_he_image.ome.tif; name one", row)
    best = matrix(tmp_path / "images/S1_he_imagealignment.csv")
    assert read(row)[1] == {"alignment": best.name}
    assert read(row, alignment=str(other))[1] == {"alignment": other.name}


def test_an_image_that_is_aligned(row):
    found, where = read(row, alignment="aligned")
    np.testing.assert_array_equal(found, np.eye(3))
    assert "aligned" in where["alignment"]
    found, _ = read(row, alignment="aligned", um_per_px="0.425")
    np.testing.assert_array_equal(found, np.diag([2, 2, 1]))
    for told in ("far", "0", "-1", "nan"):
        refused(f"its um_per_px is '{told}'", row, alignment="aligned", um_per_px=told)


BAD = {
    "two rows": ("1,0,0\n0,1,0", "it is of 2 × 3 numbers"),
    "not affine": ("1,0,0\n0,1,0\n0,0.1,1", "its last row is not 0, 0, 1"),
    "transposed": ("1,0,0\n0,1,0\n700,900,1", "its last row is not 0, 0, 1"),
    "no inverse": ("1,1,0\n1,1,0\n0,0,1", "it has no inverse"),
    "truncated": ("1,0,0\n0,1", "the number of columns changed"),
    "text": ("1,0,0\n0,one,0\n0,0,1", "could not convert"),
    "empty": ("", "it is of 0 × 0|it is of 0 × 1|it is of 1 × 0"),
    "another table": ("x,y\n1,2", "as keypoints it lacks the column 'fixedX'"),
    "missing": ("1,0,0\n0,nan,0\n0,0,1", "its last row"),
}


@pytest.mark.filterwarnings("ignore:loadtxt")
@pytest.mark.parametrize("case", BAD)
def test_bad_alignments(row, tmp_path, case):
    text, said = BAD[case]
    (tmp_path / "a.csv").write_text(text)
    refused(said, row, alignment=str(tmp_path / "a.csv"))


def test_too_few_keypoints(row, tmp_path):
    for points in (POINTS[:2], np.array([[0.0, 0], [1, 1], [2, 2]])):
        path = keypoints(tmp_path / "k.csv", moved(points), points)
        refused("three keypoints that are not on one line", row, alignment=str(path))
    path = keypoints(tmp_path / "k.csv", moved(POINTS) * [np.nan, 1])
    refused("three keypoints", row, alignment=str(path))
