"""Which cells of a table can be trusted, by made-up records."""

import json
import os

import h5py
import pytest
from spotrank import provenance
from spotrank.store import InputError

NOW = {"fit losses": "a", "fit code": "b"}


def record(**changes):
    own = {"made_by": dict(NOW), "inputs": {}, "versions": {"fit torch": "2"}}
    return own | changes


def test_a_record_of_many_samples(tmp_path):
    own = record(inputs={f"st/{i}.h5ad": {"sha256": 64 * "0"} for i in range(1000)})
    with h5py.File(tmp_path / "predictions.h5", "w") as file:
        file["record"] = json.dumps(own)
    assert provenance.read(tmp_path / "predictions.h5") == own


def test_sound_cells():
    assert provenance.check({"x": NOW, "y": NOW}, {"x": record(), "y": record()}) == {}


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
    found = provenance.check(dict.fromkeys(["missing", *records], NOW), records)
    assert found == {
        "missing": "is missing",
        "unknown": "does not say what made it",
        "stale": "is stale: fit code changed",
        "older": "is stale: fit code changed",
        "data": f"is stale: {data} changed",
        "mixed": "is of other versions than most: fit torch 1",
    }
    with pytest.raises(InputError, match=r"6 of the tables' cells can't be trusted: missing is mi"):
        provenance.refuse(found)


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
        return provenance.gather("p.json", {"study": "s", "seeds": [0]}, {"x": own}, {})

    first, second = gathered("a", "2026-01-01"), gathered("b", "2026-01-02")
    assert first["id"] == second["id"]
    assert first["jobs"] == {"fit": 1}
    assert gathered("a", "2026-01-01", losses="b")["id"] != first["id"]
