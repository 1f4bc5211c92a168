"""The metadata table as people write it, and which of several is read."""

import pandas as pd
import pytest
from snakemake.cli import parse_config

from spotrank.cohorts.sources import table as tables
from spotrank.study.study import Study

PLAIN = "id,patient,dataset_title\nS1,P 1,a\nS2,P 1,a\nS3,,b\n"
WRITTEN = {
    "byte order mark": PLAIN.encode("utf-8-sig"),
    "UTF-16": PLAIN.encode("utf-16"),
    "CRLF": PLAIN.replace("\n", "\r\n").encode(),
    "semicolons": PLAIN.replace(",", ";").encode(),
    "tabs": PLAIN.replace(",", "\t").encode(),
    "commas within semicolons": PLAIN.replace(",", ";").replace(";a", ';"a"').encode(),
    "blank rows": ("\n" + PLAIN.replace("S2", ",,\n\n , ,\nS2")).encode(),
    "commas at the ends": PLAIN.replace("\n", ",,\n").encode(),
    "quotes": b'"id", "patient","dataset_title"\nS1," P 1 ",a\nS2,"P 1",a\nS3,"",b\n',
    "white space": PLAIN.replace("P 1", "\u2003P\u00a0\t1\u200b ")
    .replace("id,", "id\u00a0,")
    .encode(),
    "words for nothing": PLAIN.replace("S3,", "S3,unknown").encode(),
}


@pytest.mark.parametrize("content", WRITTEN.values(), ids=WRITTEN)
def test_a_table_is_read_as_it_is_meant(tmp_path, content):
    path = tmp_path / "HEST_v1_1_0.csv"
    path.write_bytes(content)
    found = tables.read_table(path)[["id", "patient", "dataset_title"]]
    assert found.fillna("").to_numpy().tolist() == [
        ["S1", "P 1", "a"],
        ["S2", "P 1", "a"],
        ["S3", "", "b"],
    ]


def test_the_newest_version_is_read_and_no_backup(own_cohort, study):
    table = own_cohort / "HEST_v1_1_0.csv"
    pd.read_csv(table).assign(patient="P").to_csv(table, index=False)
    others = ["._HEST_v1_10_0.csv", "HEST_v1_10_0 (1).csv", "HEST_v1_9_0_old.csv"]
    for name in ("HEST_v1_9_0.csv", *others):
        (own_cohort / name).write_text("spoilt")
    table.rename(own_cohort / "HEST_v1_10_0.csv")
    found = Study(study | {"split": {"strategy": "leave_one_sample_out"}})
    assert set(found.patients["c"].values()) == {"P"}
    assert found.remarks == [
        f"cohorts.c: {', '.join(others)}: not read, for only names such as HEST_v1_1_0.csv are of "
        "tables; read is HEST_v1_10_0.csv."
    ]


def test_numbers_of_the_command_line_are_numbers(study):
    """Snakemake hands on what stands within lists and dicts as texts."""
    given = {
        "seeds": [0, 1],
        "genes": {"number": [5, "all"]},
        "split": {"strategy": "patient_k_fold", "folds": 3, "gap_um": 0.5},
        "heads": [
            {"head": "mlp", "width": 64, "dropout": 0, "name": "1", "training": {"patience": 3}},
            {"head": "ridge", "alpha": 1.5, "intercept": False},
        ],
        "losses": [{"loss": "strank_list", "list_size": 8, "gene_weights": True}],
        "training": {"max_epochs": 4, "standardise": False},
    }
    texts = parse_config([f"{key}={value}" for key, value in given.items()])
    assert texts["seeds"] == ["0", "1"]
    typed, said = Study(study | given), Study(study | texts)
    for what in ("heads", "losses", "panels", "plans"):
        assert getattr(said, what) == getattr(typed, what)
    for key in ("seeds", "genes", "split", "training"):
        assert said.config[key] == typed.config[key]
