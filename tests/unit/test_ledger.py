"""The ledger: appended once, by several at once, whole whatever is killed, with its marks."""

import subprocess
import sys

import pandas as pd
import pytest
from conftest import ROOT
from test_compare import scores

from spotrank.base.store import InputError
from spotrank.report import ledger
from spotrank.verdicts import best
from spotrank.verdicts.slides import of_slides
from spotrank.verdicts.summary import KEYS, summarise

SAMPLES = pd.DataFrame(
    {"cohort": "c", "sample": list("xyz"), "test_folds": [1, 1, 0], "spots": [10, 20, 40]}
)
KNOWN = {"study": "s1", "id": "0123", "git": {"commit": "f00", "changed": True}}


def lines(means, known=KNOWN, planned=None, **also):
    own = of_slides(scores(means, **also))
    persons = {"c": {patient: patient for patient in own["patient"]}}
    summary = best.beside(summarise(own, planned), own, persons).fillna({"leak": ""})
    settings = dict.fromkeys(summary[KEYS].itertuples(index=False, name=None), "set")
    return ledger.lines(summary, SAMPLES, known, settings)


def test_a_line_tells_the_number_and_where_it_comes_from(tmp_path):
    path = tmp_path / "results/ledger.tsv"
    assert ledger.append(path, lines({"mse": [0.3, 0.5]}, leak="x trains")) == 5
    table = ledger.read(path).set_index("metric")
    row = table.loc["spearman"]
    # differences ± .1 of one degree: the quantile is tan(.475 π) = 12.706
    assert row[["value", "low", "high", "level"]].tolist() == pytest.approx(
        [0.4, 0.4 - 1.2706, 0.4 + 1.2706, 0.95], abs=1e-4
    )
    assert row[["n_patients", "n_samples", "n_genes", "n_spots"]].tolist() == [2, 2, 1, 30]
    assert row[["study", "commit", "changed", "provenance", "setting"]].tolist() == [
        "s1", "f00", "True", "0123", "set",
    ]  # fmt: skip
    assert row["leak"] == "2 of 2 folds: x trains"
    # over patients no interval is known of what is pooled
    assert table.loc["pooled_pearson", ["low", "high", "level"]].isna().all()


def test_a_cell_is_appended_once(tmp_path):
    path, own = tmp_path / "ledger.tsv", lines({"mse": [0.3, 0.5], "poisson": [0.1, 0.2]})
    assert ledger.append(path, own[own["loss"] == "mse"]) == 5
    before = path.read_bytes()
    assert ledger.append(path, own) == 5
    assert path.read_bytes().startswith(before)
    assert ledger.append(path, own) == 0
    # made anew by other code or data, it has another provenance: a new line, the old one stays
    assert ledger.append(path, lines({"mse": [0.3, 0.6]}, KNOWN | {"id": "4567"})) == 5
    assert len(ledger.read(path)) == 15


def test_what_has_no_score_has_no_line_and_a_hole_is_told():
    planned = {("c", "s", "e", "p", "linear", loss, "none"): 3 for loss in ("mse", "poisson")}
    own = lines({"mse": [0.3, 0.5]}, planned=planned)
    assert set(own["loss"]) == {"mse"}
    assert set(own["holes"]) == {"2 of 3 folds"}


def test_the_line_of_a_killed_run_is_cut_off(tmp_path):
    path, own = tmp_path / "ledger.tsv", lines({"mse": [0.3, 0.5]})
    ledger.append(path, own)
    whole = path.read_bytes()
    for cut in (len(whole) - 1, len(whole) - 30, 20):
        path.write_bytes(whole[:cut])
        assert len(ledger.read(path)) == max(whole[:cut].count(b"\n") - 1, 0)
        ledger.append(path, own)
        assert sorted(path.read_bytes().splitlines()) == sorted(whole.splitlines())


WRITER = """
import sys
sys.path[:0] = sys.argv[2:]
from test_ledger import KNOWN, lines
from spotrank.report import ledger
studies = [lines({"mse": [0.3, 0.5]}, KNOWN | {"study": f"s{i}"}) for i in range(20)]
print(flush=True)
sys.stdin.readline()
for own in studies:
    ledger.append(sys.argv[1], own)
"""


def test_two_writers_at_once_leave_each_cell_once(tmp_path):
    path = tmp_path / "ledger.tsv"
    folders = [str(ROOT / name) for name in ("workflow", "tests", "tests/unit")]
    command = [sys.executable, "-c", WRITER, str(path), *folders]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    runs = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for run in runs:
        run.stdout.readline()  # both are ready
    for run in runs:
        run.communicate(b"\n")
    assert [run.returncode for run in runs] == [0, 0]
    assert not ledger.read(path).duplicated(ledger.ONCE).any()
    assert len(ledger.read(path)) == 20 * 5
    assert path.read_text().count("date\t") == 1


def test_what_is_no_ledger_is_left_as_it_is(tmp_path):
    path, own = tmp_path / "ledger.tsv", lines({"mse": [0.3, 0.5]})
    path.write_text("a\tb\n1\t2\n")
    for act in (lambda: ledger.append(path, own), lambda: ledger.read(path)):
        with pytest.raises(InputError, match=r"no ledger .*give another path in the key ledger"):
            act()
    assert path.read_text() == "a\tb\n1\t2\n"
    with pytest.raises(InputError, match="no such file; run a study first"):
        ledger.read(tmp_path / "none.tsv")
    with pytest.raises(InputError, match="Is a directory; make room, or allow to write there"):
        ledger.append(tmp_path, own)
