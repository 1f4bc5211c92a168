"""Which cells of a table can be trusted, by made-up records."""

import json
import os
import re

import h5py
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spotrank.base import provenance
from spotrank.base.store import InputError
from spotrank.report import trust

NOW = {"fit losses": "a", "fit code": "b"}


def record(**changes):
    own = {"made_by": dict(NOW), "versions": {"fit torch": "2"}}
    return provenance.RECORD | own | changes


def test_a_record_of_many_samples(tmp_path):
    own = record(inputs={f"st/{i}.h5ad": {"sha256": 64 * "0"} for i in range(1000)})
    with h5py.File(tmp_path / "predictions.h5", "w") as file:
        file["record"] = json.dumps(own)
    assert provenance.read(tmp_path / "predictions.h5") == own


def test_sound_cells():
    assert trust.check({"x": NOW, "y": NOW}, {"x": record(), "y": record()}) == {}


def test_every_fault_is_named(tmp_path):
    data = tmp_path / "st.h5ad"
    data.write_text("old")
    stamped = {str(data): provenance.stamp(data), "gone.h5ad": provenance.stamp(data)}
    data.write_text("new")
    os.utime(data, (0, 0))
    records = {
        "unknown": None,
        "stale": record(made_by={"fit losses": "a", "fit code": "c"}),
        "older": record(made_by={"fit losses": "a"}),
        "data": record(inputs=stamped),
        "mixed": record(versions={"fit torch": "1"}),
        # a stage that others lack makes no cell odd
        "patches": record(versions={"fit torch": "2", "embed timm": "1"}),
        "sound": record(),
    }
    found = trust.check(dict.fromkeys(["missing", *records], NOW), records)
    assert found == {
        "missing": "is missing",
        "unknown": "does not say what made it",
        "stale": "is stale: fit code changed",
        "older": "is stale: fit code changed",
        "data": f"is stale: {data} changed",
        "mixed": "is of other versions than most: fit torch 1",
    }


def test_cells_that_saw_other_data_than_each_other(tmp_path):
    data = tmp_path / "st.h5ad"
    data.write_text("old")
    old = record(inputs={str(data): provenance.stamp(data)})
    data.write_text("new")
    new = record(inputs={str(data): provenance.stamp(data)})
    for order in ({"new": new, "old": old}, {"old": old, "new": new}):
        found = trust.check(dict.fromkeys(order, NOW), order)
        assert found == {"old": f"is stale: {data} changed"}


def test_versions_that_differ_within_a_cell():
    parents = [record(versions={"pair anndata": number}) for number in ("0.13", "0.10")]
    own = provenance.record("fit", "x", [], provenance.now(), parents, {"losses": 1, "code": 2})
    now = {key: own["made_by"][key] for key in ("fit losses", "fit code")}
    assert trust.check({"x": now}, {"x": own}) == {
        "x": "is of other versions than most: pair anndata 0.10 and 0.13"
    }


def write_scores(path, kept):
    table = pa.table({"spearman": [0.5]})
    pq.write_table(table.replace_schema_metadata({provenance.KEY: kept}), path)


@pytest.mark.parametrize("kept", ["", "no JSON", "[]", "null", "1"])
def test_a_record_that_is_none(tmp_path, kept):
    write_scores(tmp_path / "scores.parquet", kept)
    assert provenance.of_scores(tmp_path / "scores.parquet") is None


def test_damaged_scores_are_refused_beside_the_others(tmp_path):
    paths = [str(tmp_path / f"{i}.parquet") for i in range(3)]
    cells = dict.fromkeys(paths, NOW)
    for path in paths[:2]:
        write_scores(path, json.dumps(record()))
    with open(paths[0], "r+b") as file:
        file.seek(8)
        file.write(b"\xff" * 8)
    said = f"2 of the tables' cells can't be trusted: {paths[2]} is missing; {paths[0]} is damaged"
    with pytest.raises(InputError, match=re.escape(said)):
        trust.trusted(cells, paths[:2], marks_holes=False)
    records, holes = trust.trusted(cells, paths[:2], marks_holes=True)
    assert (list(records), set(holes)) == ([paths[1]], {paths[0], paths[2]})
    with pytest.raises(InputError, match=r"none of 3 cells can be used: .*0.parquet is missing"):
        trust.trusted(cells, [], marks_holes=True)


def test_a_file_touched_or_gone_is_the_same(tmp_path):
    data = tmp_path / "st.h5ad"
    data.write_text("same")
    stamped = provenance.stamp(data)
    os.utime(data, (0, 0))
    assert not provenance.changed(data, stamped)
    data.write_text("longer")
    assert provenance.changed(data, stamped)
    data.unlink()
    assert not provenance.changed(data, stamped)


def test_nothing_private_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "ann"))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    told = provenance.public(f"{tmp_path}/ann/slides hf_secret {tmp_path}/anna/slides")
    assert told == f"~/slides … {tmp_path}/anna/slides"
    assert provenance.public(f'"{tmp_path}/ann" /data{tmp_path}/ann/x') == (
        f'"~" /data{tmp_path}/ann/x'
    )
    (tmp_path / "link").symlink_to(tmp_path / "ann")
    monkeypatch.setenv("HOME", str(tmp_path / "link"))
    monkeypatch.setenv("HF_TOKEN", " ")
    assert provenance.public(f"{tmp_path}/ann/a b {tmp_path}/link/x") == "~/a b ~/x"


def test_the_id_ignores_where_and_when(tmp_path):
    def gathered(folder, started, losses="a"):
        data = tmp_path / folder / "st.h5ad"
        data.parent.mkdir(exist_ok=True)
        data.write_text("counts")
        stage = {"started": started, "seconds": 1.0, "machine": {"cpu": started}}
        own = record(
            made_by={"fit losses": losses},
            inputs={str(data): provenance.stamp(data)},
            stages={"fit x": stage},
            encoders={},
        )
        return trust.gather("p.json", {"study": "s", "seeds": [0]}, {"x": own}, {})

    first, second = gathered("a", "2026-01-01"), gathered("b", "2026-01-02")
    assert first["id"] == second["id"]
    assert first["jobs"] == {"fit": 1}
    assert gathered("a", "2026-01-01", losses="b")["id"] != first["id"]
