"""The standing of encoders over tasks, by hand: who leads, how sure that is, who is not ranked."""

import numpy as np
import pandas as pd
import pytest
from test_compare import NAN, scores
from test_ledger import KNOWN

from spotrank.base.store import InputError
from spotrank.report import leaderboard, ledger, published
from spotrank.report.page import board, page
from spotrank.verdicts import best
from spotrank.verdicts.slides import of_slides
from spotrank.verdicts.summary import KEYS, summarise
from spotrank.verdicts.units import patients

# three encoders, two tasks, four patients: a beats b on each patient by .1, and both c by far
TASKS = {
    "one": {"a": [0.5, 0.7, 0.3, 0.9], "b": [0.4, 0.6, 0.2, 0.8], "c": [0.1, 0.3, -0.1, 0.5]},
    "two": {"a": [0.6, 0.4, 0.7, 0.5], "b": [0.5, 0.3, 0.6, 0.4], "c": [0.2, 0.0, 0.3, 0.1]},
}


def measured(tasks, study="s1", **also):
    """Lines of the ledger of a study, and its table of patients."""
    frame = pd.concat(
        [
            scores({"mse": numbers}, cohort=cohort, encoder=encoder, **also)
            for cohort, of in tasks.items()
            for encoder, numbers in of.items()
        ]
    )
    own, known = of_slides(frame), KNOWN | {"study": study}
    persons = {cohort: {i: i for i in range(9)} for cohort in tasks}
    summary = best.beside(summarise(own), own, persons)
    settings = dict.fromkeys(summary[KEYS].itertuples(index=False, name=None), "set")
    samples = {"cohort": list(tasks), "test_folds": 1, "spots": 10}
    table = ledger.lines(summary, pd.DataFrame(samples), known, settings)
    numbers = patients(own, persons).assign(provenance=known["id"], study=study)
    return table.fillna({"leak": "", "holes": ""}), numbers


def first_board(lines, numbers):
    cells, left_out = leaderboard.cells(lines)
    found = list(leaderboard.boards(cells, numbers))
    return found[0][1], found[0][2], board.data(cells, found, pd.DataFrame(), left_out)


def test_standing_by_hand():
    table, how, shown = first_board(*measured(TASKS))
    own = table["standing"]
    assert list(own.index) == ["a", "b", "c"]
    assert own["mean"].tolist() == pytest.approx([(0.6 + 0.55) / 2, (0.5 + 0.45) / 2, 0.175])
    assert own["rank"].tolist() == [1, 2, 3]
    assert own["firsts"].tolist() == [2, 0, 0]
    assert table["value"].loc["b"].tolist() == pytest.approx([0.5, 0.45])
    # on each patient the differences are the same: paired, they leave nothing to chance
    assert own[["rank_low", "rank_high"]].to_numpy().tolist() == [[1, 1], [2, 2], [3, 3]]
    assert how == {"paired": ["one", "two"], "alone": [], "none": []}
    assert shown["boards"][0]["said"] == [
        "a leads 3 encoders with a mean Spearman of .575 over 2 tasks and is highest in 2 of 2; "
        "its rank is 1 (95 %)."
    ]


def test_without_patients_ranks_are_less_sure():
    lines, numbers = measured(TASKS)
    table, how, _ = first_board(lines, numbers[:0])
    assert how["alone"] == ["one", "two"]
    own = table["standing"]
    assert own.loc["a", ["rank_low", "rank_high"]].tolist() == [1, 2]
    # made anew since the ledger was written: other numbers
    assert first_board(lines, numbers.assign(provenance="other"))[1]["alone"] == ["one", "two"]


def test_tasks_are_drawn_apart():
    """Two tasks of the same numbers are surer than one: their draws are of other patients."""
    numbers = {"a": [0.5, 0.3, 0.6, 0.4], "b": [0.3, 0.4, 0.3, 0.4]}
    one, two = (
        first_board(*measured(dict.fromkeys(tasks, numbers)))[0]["standing"]["p_best"]
        for tasks in (["one"], ["one", "two"])
    )
    assert 0.6 < one["a"] < two["a"] - 0.03 < 0.97
    assert two.sum() == pytest.approx(1)


def test_what_leaks_or_lacks_a_task_is_shown_and_not_ranked():
    lines, numbers = measured(TASKS)
    leaky, more = measured({"one": {"d": [0.9] * 4}, "two": {"d": [0.9] * 4}}, leak="d has seen it")
    few, _ = measured({"one": {"e": [0.8, 0.7, 0.6, 0.9]}})
    table, _, shown = first_board(pd.concat([lines, leaky, few]), pd.concat([numbers, more]))
    own = table["standing"]
    assert list(own.index) == ["d", "a", "b", "c", "e"]
    assert own["rank"].fillna(0).tolist() == [0, 1, 2, 3, 0]
    assert own["mean"].isna().tolist() == [False] * 4 + [True]
    assert shown["boards"][0]["said"][0].startswith("a leads 3 encoders")
    assert shown["boards"][0]["warnings"] == [
        "d is not ranked: leaks in 4 of 4 folds: d has seen it.",
        "e is not ranked: no score in two.",
    ]
    row = next(row for row in shown["boards"][0]["table"]["rows"] if row[0] == "d")
    assert [cell[2] for cell in row if isinstance(cell, list)] == ["†", "†"]
    alone = first_board(leaky, numbers[:0])[2]["boards"][0]["said"]
    assert alone == ["d is the only encoder of this board.", "d has the highest mean, .900."]


def test_one_patient_leaves_ranks_without_interval():
    tasks = TASKS | {"thin": {"a": [0.1], "b": [0.2], "c": [0.3]}}
    table, _, shown = first_board(*measured(tasks))
    assert table["standing"]["rank"].tolist() == [1, 2, 3]
    assert table["standing"]["rank_low"].isna().all()
    assert shown["boards"][0]["said"][1] == "No rank has an interval: too few patients in thin."


def test_the_last_line_counts_and_other_settings_are_left_out():
    lines, _ = measured(TASKS)
    again = lines[lines["encoder"] == "c"].assign(value=0.99, study="s2")
    other = lines[lines["encoder"] == "a"].assign(value=0.01, setting="other", encoder="z")
    cells, left_out = leaderboard.cells(pd.concat([lines, again, other]))
    assert left_out == len(other)
    assert "z" not in set(cells["encoder"])
    assert (cells.loc[cells["encoder"] == "c", "value"] == 0.99).all()


def test_floors_stand_below_and_printed_numbers_beside(tmp_path):
    lines, numbers = measured(TASKS)
    floor, _ = measured({"one": {"none": [0.9] * 4}, "two": {"none": [0.9] * 4}}, head="floor")
    table, _, shown = first_board(pd.concat([lines, floor.assign(loss="depth")]), numbers)
    assert list(table.index) == ["a", "b", "c", "depth (floor)"]
    assert np.isnan(table["standing"].loc["depth (floor)", "rank"])
    assert [row["name"] for row in shown["boards"][0]["rows"]] == ["a", "b", "c"]
    path = tmp_path / "printed.tsv"
    path.write_text("cohort\tencoder\tpooled_pearson\none\ta\t.5\none\tx\t.9\n")
    beside = leaderboard.printed(leaderboard.cells(lines)[0], {"t": published.read(path)})
    assert beside[["encoder", "printed", "table"]].to_numpy().tolist() == [["a", 0.5, "t"]]
    assert beside["difference"].tolist() == pytest.approx([0.1])


def test_page_and_table_hold_what_was_found():
    lines, numbers = measured(TASKS)
    cells, left_out = leaderboard.cells(lines)
    found = list(leaderboard.boards(cells, numbers))
    shown = board.data(cells, found, pd.DataFrame(), left_out)
    html = page.html(shown, "leaderboard.html", board.SCRIPTS)
    assert shown["boards"][0]["said"][0] in html
    text = leaderboard.text(found).splitlines()
    assert len(text) == 1 + 3 * len(found)
    assert text[0].endswith("value_one\tvalue_two")
    facts = dict(shown["cells"][0])
    assert facts["provenance"] == "0123"
    assert facts["commit"] == "f00 and changes"
    with pytest.raises(InputError, match="the ledger has no encoder's score"):
        board.data(cells[:0], [], pd.DataFrame(), 0)


def test_undefined_numbers_are_drawn_from_intervals():
    """An encoder that lacks a patient's number can't be paired on it."""
    lines, numbers = measured(TASKS)
    numbers.loc[numbers.index[0], "spearman"] = NAN
    assert first_board(lines, numbers)[1]["alone"] == ["one"]
