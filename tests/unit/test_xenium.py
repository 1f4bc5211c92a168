"""Xenium: real runs by the numbers of their README, made-up ones in every form, and bad ones."""

import gzip
import json
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tenx_files import cut, write_h5

from spotrank.base.store import InputError
from spotrank.cohorts.sources import tenx, xenium
from spotrank.cohorts.sources.alignment import read_alignment

UM_PER_PX = 0.2125
CONTROLS = ["NegControlProbe_1", "BLANK_0007", "antisense_X", "UnassignedCodeword_3"]
GENES = ["CXCR4", "LUM", "NegGene"]


@pytest.fixture
def crop(layouts):
    """The row of the one real run with an H&E."""
    folder = layouts / "xenium_breast_he_rebuilt"
    return {"folder": str(folder), "image": str(next(folder.glob("*_he_image.ome.tif")))}


def to_px(row):
    matrix, _ = read_alignment(row, UM_PER_PX)
    return np.linalg.inv(matrix) @ np.diag([1 / UM_PER_PX, 1 / UM_PER_PX, 1])


def test_cells_of_a_real_run(crop):
    sample = xenium.read(crop | {"spots": "cells"}, 112)
    assert sample.counts.shape == (122, 298)
    assert sample.counts.sum() == 17_803
    assert sample.um_per_px == pytest.approx(0.36391080, abs=5e-9)
    assert sample.barcodes[0] == "4613"
    assert sample.places[0].tolist() == pytest.approx([362.3522, 85.6731], abs=5e-5)
    assert sample.counts[0].sum() == 210
    assert sample.pitch_um is None
    assert sample.found["whose counts are not what cells tell"] == 0
    assert sample.found["left out as 'Negative Control Probe'"] == "15 features, 27 counts"


def test_nuclei_of_a_real_run_are_dark(crop):
    grey = tifffile.imread(crop["image"]).mean(axis=-1)
    assert grey.shape == (448, 527)
    nuclei = pd.read_parquet(f"{crop['folder']}/nucleus_boundaries.parquet").groupby("cell_id")
    centres = nuclei[["vertex_x", "vertex_y"]].mean()
    places = xenium._affine(to_px(crop), centres["vertex_x"], centres["vertex_y"])
    x, y = np.clip(places.round().astype(int), 0, [526, 447]).T
    assert grey.mean() == pytest.approx(196.7, abs=0.1)
    assert grey[y, x].mean() < 140


def test_transcripts_of_a_real_run_in_squares(crop, monkeypatch):
    path = f"{crop['folder']}/transcripts.parquet"
    table = pd.read_parquet(path)
    places = xenium._affine(to_px(crop), table["x_location"], table["y_location"])
    corner = places.min(axis=0)
    np.testing.assert_allclose(corner, [0.383941, 0.192510], atol=1e-6)
    assert (places < [527, 448]).all()
    monkeypatch.setattr(xenium, "BATCH", 5000)
    pooled = xenium.pool(path, to_px(crop), 100 / 0.36391080, corner)
    assert pooled.squares.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert pooled.counts.sum(axis=1).A1.tolist() == [4872, 6509, 2876, 4517]
    assert pooled.seen == {
        "transcripts": 23_691,
        "of quality 20 or more": 18_811,
        "of genes": 18_774,
    }
    # without a cut and with controls, as HEST-1k pools
    monkeypatch.setattr(xenium, "QV", 0)
    monkeypatch.setattr(xenium, "CONTROLS", ("no name begins so",))
    pooled = xenium.pool(path, to_px(crop), 100 / 0.36391080, corner)
    assert pooled.counts.sum(axis=1).A1.tolist() == [6123, 8206, 3605, 5757]


def test_squares_of_a_real_run(crop):
    sample = xenium.read(crop, 60)
    side = 60 / sample.um_per_px
    assert sample.barcodes[:2].tolist() == ["s_060um_00000_00000", "s_060um_00000_00001"]
    np.testing.assert_allclose(sample.places[:2], [[side / 2] * 2, [side * 1.5, side / 2]])
    assert sample.pitch_um == 60
    assert sample.counts.dtype == np.float32
    assert len(sample.genes) == sample.counts.shape[1] == 288  # of 298, ten were never so good
    assert not sample.genes.index.str.startswith(xenium.CONTROLS).any()
    assert sample.genes.loc["CXCR4", "id"] == "CXCR4"  # as its matrix says
    json.dumps(sample.found)


@pytest.mark.parametrize(
    ("folder", "numbers"),
    [
        ("xenium_v1_moleculeexperiment/sample1", (962, 777, 776)),
        ("xenium_v1_moleculeexperiment/sample2", (777, 592, 592)),
        ("xenium_prime_multiqc/sample1", (2649, 1163, 1089)),
        ("xenium_v1_spatialexperimentio", (3, 1, 1)),
    ],
)
def test_real_transcripts(layouts, folder, numbers):
    path = xenium._file(layouts / folder, xenium.TRANSCRIPTS)
    pooled = xenium.pool(path, np.diag([1 / UM_PER_PX] * 2 + [1]), 527)
    assert tuple(pooled.seen.values()) == numbers
    assert pooled.counts.sum() == numbers[2]
    row = {"folder": layouts / folder, "image": "x.tif", "alignment": "aligned"}
    refused("no square of 112 µm has transcripts in half of its area", row)


def test_ways_to_tell_genes_agree_on_a_real_run(layouts):
    path = layouts / "xenium_prime_multiqc/sample1/transcripts.parquet"
    table = pd.read_parquet(path).astype({"feature_name": "category"})
    expected = xenium._are_genes(table)
    for column in ("is_gene", "codeword_category"):
        table = table.drop(columns=column)
        np.testing.assert_array_equal(xenium._are_genes(table), expected)


def test_the_matrix_of_another_run_is_refused(layouts):
    folder = layouts / "xenium_prime_multiqc/sample1"
    row = {"folder": folder, "image": "x.tif", "alignment": "aligned", "spots": "cells"}
    refused("0 of its 30 cells stand in cells.parquet", row)
    cells = xenium._read_cells(folder / "cells.parquet")
    assert len(cells) == 10_000
    first = cells.loc["lnbjnnhh-1", ["x_centroid", "y_centroid", "transcript_counts"]]
    assert first.tolist() == pytest.approx([2566.2659, 5213.5986, 331], abs=5e-5)
    assert cells["transcript_counts"].sum() == 2_586_971


def test_placeholders_in_a_real_run_are_said(layouts, tmp_path):
    folder = shutil.copytree(layouts / "xenium_v1_spatialexperimentio", tmp_path / "run")
    row = {"folder": folder, "image": "x.tif", "alignment": "aligned", "spots": "cells"}
    sample = xenium.read(row, 112)
    assert sample.counts.sum() == 21
    assert (sample.places[0] * UM_PER_PX).tolist() == pytest.approx([847.2599, 326.1914], abs=5e-5)
    assert sample.found["whose counts are not what cells tell"] == 6
    (folder / "cells.parquet").unlink()
    assert (xenium.read(row, 112).places[0] * UM_PER_PX).tolist() == pytest.approx(
        [1898.8149, 2540.9631], abs=5e-5
    )


def refused(said, row, side_um=112):
    with pytest.raises(InputError, match=said) as error:
        xenium.read(row, side_um)
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


def transcripts(n=4000, um=300, seed=0):
    """A table of transcripts on a region of `um` × `um` µm; 4 % of them are of controls."""
    random = np.random.default_rng(seed)
    control = random.random(n) < 0.04
    names = np.where(control, random.choice(CONTROLS, n), random.choice(GENES, n))
    return pd.DataFrame(
        {
            "transcript_id": np.arange(n),
            "cell_id": "aaaabbbb-1",
            "feature_name": names,
            "x_location": random.uniform(0, um, n).astype("f4"),
            "y_location": random.uniform(0, um, n).astype("f4"),
            "qv": random.choice([5.0, 19.99, 20.0, 40.0], n).astype("f4"),
            "codeword_category": np.where(control, "negative_control_probe", "predesigned_gene"),
            "is_gene": ~control,
        }
    )


def write_parquet(table, path, kind=None):
    schema = pa.Table.from_pandas(table, preserve_index=False)
    if kind is not None:
        column = pa.array([name.encode() for name in table["feature_name"]], pa.binary())
        if kind == "dictionary":
            column = column.cast(pa.string()).dictionary_encode()
        schema = schema.set_column(
            schema.column_names.index("feature_name"), "feature_name", column
        )
    pq.write_table(schema, path, row_group_size=1500)


def without(*columns):
    return lambda table, path: write_parquet(table.drop(columns=list(columns)), path)


FORMS = {
    "XOA 3": (write_parquet, "transcripts.parquet"),
    "XOA 2": (without("is_gene"), "transcripts.parquet"),
    "XOA 1.3": (without("is_gene", "codeword_category"), "transcripts.parquet"),
    "bytes": (lambda table, path: write_parquet(table, path, "bytes"), "transcripts.parquet"),
    "dictionary": (
        lambda table, path: write_parquet(table, path, "dictionary"),
        "transcripts.parquet",
    ),
    "csv": (lambda table, path: table.to_csv(path), "transcripts.csv"),
    "csv.gz": (lambda table, path: table.to_csv(path, index=False), "transcripts.csv.gz"),
    "csv of XOA 1": (
        *(lambda table, path: table[[*xenium.NEEDED]].to_csv(path), "S1_transcripts.csv"),
    ),
    "text called gz": (
        *(lambda table, path: table.to_csv(path, compression=None), "transcripts.csv.gz"),
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_pooled_alike(tmp_path, form, monkeypatch):
    monkeypatch.setattr(xenium, "BATCH", 1000)
    write, name = FORMS[form]
    table = transcripts()
    write(table, tmp_path / name)
    pooled = xenium.pool(xenium._file(tmp_path, xenium.TRANSCRIPTS), np.eye(3), 60)
    counted = table[(table["qv"] >= 20) & table["is_gene"]]
    squares = (counted["y_location"] // 60, counted["x_location"] // 60, counted["feature_name"])
    expected = counted.groupby(list(squares)).size().unstack(fill_value=0)
    np.testing.assert_array_equal(pooled.squares, [*expected.index])
    np.testing.assert_array_equal(pooled.counts.toarray(), expected[pooled.names])
    assert sorted(pooled.names) == sorted(GENES)
    assert [*pooled.seen.values()] == [4000, (table["qv"] >= 20).sum(), len(counted)]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    degrees=st.floats(0, 360),
    scales=st.tuples(st.floats(0.5, 3), st.floats(0.5, 3), st.sampled_from([-1, 1])),
    corner=st.tuples(st.floats(-200, 200), st.floats(-200, 200)),
    side=st.floats(20, 300),
    batch=st.integers(300, 5000),
)
def test_squares_are_a_histogram(tmp_path, degrees, scales, corner, side, batch):
    path, table = tmp_path / "transcripts.parquet", transcripts()
    if not path.exists():
        write_parquet(table, path)
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    by = np.eye(3)
    by[:2, :2] = [[cos, -sin], [sin, cos]] @ np.diag(scales[:2]) @ np.diag([1, scales[2]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xenium, "BATCH", batch)
        pooled = xenium.pool(path, by, side, corner)
    counted = table[(table["qv"] >= 20) & table["is_gene"]]
    places = counted[["x_location", "y_location"]].to_numpy(float) @ by[:2, :2].T
    low = pooled.squares.min(axis=0)
    shape = np.ptp(pooled.squares, axis=0) + 1
    edges = [
        c + side * (n + np.arange(m + 1)) for c, n, m in zip(corner[::-1], low, shape, strict=True)
    ]
    for column, name in enumerate(pooled.names):
        own = places[(counted["feature_name"] == name).to_numpy()]
        expected, *_ = np.histogram2d(own[:, 1], own[:, 0], edges)
        found = np.zeros(shape)
        found[tuple((pooled.squares - low).T)] = pooled.counts[:, column].toarray().ravel()
        assert np.abs(found - expected).sum() <= 2  # one on an edge, by rounding
    assert pooled.counts.sum() == len(counted)


def run(folder, table=None, **manifest):
    """A made-up run of 300 × 300 µm, its H&E aligned; returns its row of the table of samples."""
    folder.mkdir(exist_ok=True)
    write_parquet(transcripts() if table is None else table, folder / "transcripts.parquet")
    told = {"pixel_size": UM_PER_PX} | manifest
    (folder / "experiment.xenium").write_text(json.dumps(told))
    return {"folder": str(folder), "image": str(folder / "x.tif"), "alignment": "aligned"}


def test_squares_that_the_region_only_grazes_are_dropped(tmp_path):
    table = transcripts(100_000, 260)
    outlier = table[:1].assign(x_location=9000, y_location=-5000, qv=40, is_gene=True)
    sample = xenium.read(run(tmp_path, pd.concat([table, outlier])), 100)
    # of the third row and column 60 % is in the region, of their corner 36 %; parts touched count
    expected = [(row, column) for row in range(3) for column in range(3) if (row, column) != (2, 2)]
    assert sample.barcodes.tolist() == [f"s_100um_{r:05d}_{c:05d}" for r, c in expected]
    assert sample.found["squares"].startswith("8 of 10")
    assert sample.found["transcripts"] == 100_001


def test_an_image_of_another_scale(tmp_path):
    row = run(tmp_path, transcripts(20_000))
    fine, coarse = xenium.read(row, 100), xenium.read(row | {"um_per_px": "0.85"}, 100)
    assert (fine.um_per_px, coarse.um_per_px) == pytest.approx((UM_PER_PX, 0.85))
    np.testing.assert_allclose(fine.places, 4 * coarse.places)
    assert (fine.counts != coarse.counts).nnz == 0


def test_where_ids_come_from(tmp_path):
    row = run(tmp_path, transcripts(20_000))
    assert set(xenium.read(row, 100).genes["id"]) == {""}
    targets = [{"type": {"descriptor": "gene", "data": {"name": "LUM", "id": "ENSG9"}}}]
    targets += [{"type": {"descriptor": "negative_control_probe", "data": {"name": "N"}}}]
    panel = {"payload": {"targets": targets}}
    (tmp_path / "gene_panel.json").write_text(json.dumps(panel))
    assert xenium.read(row, 100).genes["id"].to_dict() == {
        "CXCR4": "",
        "LUM": "ENSG9",
        "NegGene": "",
    }
    matrix = tmp_path / "cell_feature_matrix.h5"
    write_h5(matrix, np.ones((1, 2)), ["a"], ["ENSG1", "ENSG2"], ["LUM", "CXCR4"], None)
    assert xenium.read(row, 100).genes.loc["LUM"].tolist() == ["ENSG1", tenx.GENES]
    (tmp_path / "gene_panel.json").write_text("{")
    matrix.unlink()
    refused("not a readable panel of genes", row, 100)


def cells(folder, ids, order=slice(None), **columns):
    """Cells at 10, 20, … µm, whose genes count 1, 2, …, and their matrix in another order."""
    counts = np.arange(1, len(ids) + 1)[:, None] * [1, 0]
    table = pd.DataFrame({"cell_id": ids, "x_centroid": counts[:, 0] * 10.0, "y_centroid": 7.0})
    table.assign(transcript_counts=counts[:, 0], **columns).to_parquet(folder / "cells.parquet")
    names = np.array([str(name) for name in ids])
    path = folder / "cell_feature_matrix.h5"
    write_h5(path, counts[order], names[order], ["A", "B"], ["A", "B"], None)


@pytest.mark.parametrize("ids", [[7, 8, 9], ["aaaa-1", "bbbb-1", "cccc-1"], [b"a", b"b", b"c"]])
def test_cells_are_matched_by_id(tmp_path, ids):
    row = run(tmp_path) | {"spots": "cells"}
    names = [name.decode() if isinstance(name, bytes) else name for name in ids]
    cells(tmp_path, names, [2, 0, 1], cell_id=ids)
    sample = xenium.read(row, 112)
    assert sample.barcodes.tolist() == [str(names[n]) for n in (2, 0, 1)]
    np.testing.assert_allclose(sample.places * UM_PER_PX, [[30, 7], [10, 7], [20, 7]])
    assert sample.counts[:, 0].toarray().ravel().tolist() == [3, 1, 2]
    assert sample.found["whose counts are not what cells tell"] == 0


def test_bad_cells(tmp_path):
    row = run(tmp_path) | {"spots": "cells"}
    refused("lacks cells.parquet", row)
    cells(tmp_path, [1, 2], cell_id=[1, 9])
    refused("1 of its 2 cells stand in cells.parquet", row)
    cells(tmp_path, [1, 2], cell_id=[1, 1])
    refused("is not one line a cell", row)
    cells(tmp_path, [1, 2], y_centroid=[1, np.nan])
    refused("is not one line a cell", row)
    cells(tmp_path, [1, 2])
    cut(tmp_path / "cells.parquet")
    refused("not a readable table of cells", row)
    (tmp_path / "cells.parquet").unlink()
    (tmp_path / "cells.csv.gz").write_bytes(gzip.compress(b"cell_id,x_centroid\n1,2\n"))
    refused("not a readable table of cells .*y_centroid", row)


BAD = {
    "spots of another kind": ({"spots": "hexagons"}, "its spots are 'hexagons' in the table"),
    "no alignment": ({"alignment": None}, "has no alignment of x.tif"),
    "no run": ({"folder": "/nowhere"}, "/nowhere: lacks experiment.xenium"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_rows(tmp_path, case):
    edit, said = BAD[case]
    refused(said, {key: value for key, value in (run(tmp_path) | edit).items() if value})


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ({"pixel_size": None}, "its pixel_size is None"),
        ({"pixel_size": True}, "its pixel_size is True"),
        ({"pixel_size": 0}, "its pixel_size is 0"),
    ],
)
def test_bad_manifests(tmp_path, manifest, said):
    refused(said, run(tmp_path, **manifest))
    for text in ("{}", "[1]", "{", "\0"):
        (tmp_path / "experiment.xenium").write_text(text)
        refused(
            "experiment.xenium: (doesn't tell pixel_size|not readable as text)", run_row(tmp_path)
        )


def run_row(folder):
    return {"folder": str(folder), "image": "x.tif", "alignment": "aligned"}


BAD_TRANSCRIPTS = {
    **{
        f"without {name}": (lambda table, name=name: table.drop(columns=name), f"column '{name}'")
        for name in xenium.NEEDED
    },
    "no place": (lambda table: table.assign(x_location=np.nan), "without place or quality"),
    "no quality": (lambda table: table.assign(qv=np.inf), "without place or quality"),
    "nothing": (lambda table: table[:0], "no square of 112 µm has transcripts"),
    "controls only": (lambda table: table.assign(is_gene=False), "no square of 112 µm"),
    "poor ones only": (lambda table: table.assign(qv=19.0), "no square of 112 µm"),
}


@pytest.mark.parametrize("name", ["transcripts.parquet", "transcripts.csv.gz"])
@pytest.mark.parametrize("case", BAD_TRANSCRIPTS)
def test_bad_transcripts(tmp_path, case, name):
    edit, said = BAD_TRANSCRIPTS[case]
    row = run(tmp_path)
    (tmp_path / "transcripts.parquet").unlink()
    table = edit(transcripts())
    (write_parquet if name.endswith("parquet") else pd.DataFrame.to_csv)(table, tmp_path / name)
    refused(said, row)


@pytest.mark.parametrize("name", ["transcripts.parquet", "transcripts.csv.gz"])
def test_truncated_transcripts(tmp_path, name):
    row = run(tmp_path)
    transcripts().to_csv(tmp_path / "transcripts.csv.gz")
    if name != "transcripts.parquet":
        (tmp_path / "transcripts.parquet").unlink()
    cut(tmp_path / name)
    refused("not a readable file of transcripts .*, perhaps truncated", row)
    (tmp_path / name).write_text("<html>")
    refused("lacks the column 'feature_name'|not a readable file", row)


def test_a_name_that_is_missing_is_no_gene(tmp_path):
    table = transcripts()
    table.loc[:99, "feature_name"] = None
    table.loc[:99, "qv"] = 40
    write_parquet(table, tmp_path / "transcripts.parquet")
    pooled = xenium.pool(tmp_path / "transcripts.parquet", np.eye(3), 60)
    assert pooled.counts.sum() == ((table["qv"] >= 20) & table["is_gene"])[100:].sum()
    assert sorted(pooled.names) == sorted(GENES)
