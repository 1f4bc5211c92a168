"""What the page says of a study, and the one file that it is."""

import hashlib
import json
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ROOT
from test_compare import compared, scores

from spotrank.genes.selections import SELECTIONS
from spotrank.report.page import answer, cells, methods, page, picture, tables, training
from spotrank.spots import split
from spotrank.verdicts import best
from spotrank.verdicts.slides import of_slides
from spotrank.verdicts.summary import summarise

BASE = np.linspace(0.2, 0.4, 12)  # of twelve patients
WIGGLE = 0.002 * np.cos(np.arange(12))


def said(table, planned=None):
    """Sentences of each place, by its name."""
    persons = {cohort: {p: (cohort, p) for p in range(12)} for cohort in table["cohort"].unique()}
    pairs = compared(table, planned, persons)
    summary = best.beside(summarise(own := of_slides(table), planned), own, persons)
    return {one["place"]: one["said"] for one in answer.answers(summary, pairs)}


def test_two_are_best_and_both_beat_mse():
    table = scores({"mse": BASE, "pearson": BASE + 0.08 + WIGGLE, "poisson": BASE + 0.08})
    (lead, *_) = said(table)[""]
    assert re.fullmatch(
        r"(pearson|poisson) and (pearson|poisson) are best and can't be told apart; both beat "
        r"mse, the first by \.080 \[\.0\d\d, \.08\d\], 12 patients\.",
        lead,
    )


def test_one_is_best():
    table = scores({"mse": BASE, "pearson": BASE + 0.1 + WIGGLE, "poisson": BASE - 0.1})
    lead = said(table)[""][0]
    assert lead.startswith("pearson is best with .400 [")
    assert "it beats 2 others (mse by .100 [.09" in lead


def test_nothing_can_be_told():
    rng = np.random.default_rng(0)
    table = scores({loss: rng.normal(0.3, 0.1, 4) for loss in ("mse", "pearson", "poisson")})
    lead = said(table)[""][0]
    assert lead.startswith("Nothing can be told apart with 4 patients: ")
    assert re.search(r"but differs from \w+ and \w+ by no more than chance explains\.$", lead)


def test_nothing_is_said_only_where_no_pair_has_a_verdict():
    noisy = BASE + 0.03 + 0.4 * np.cos(2 * np.arange(12))
    table = scores({"mse": BASE, "poisson": BASE - 0.1 - WIGGLE, "pearson": noisy})
    assert re.fullmatch(
        r"pearson has the highest mean, \.3\d\d \[.*\], but can't be told from mse and poisson, "
        r"12 patients\.",
        said(table)[""][0],
    )


def test_one_patient_can_tell_nothing():
    lead = said(scores({"mse": BASE[:1], "poisson": BASE[:1] - 0.1}))[""][0]
    assert lead == "One patient can't tell methods apart: mse has the highest mean, .200."


def test_where_two_things_vary_the_best_only_leads():
    tables = [
        scores({"mse": BASE + more, "poisson": BASE + more + 0.1 + WIGGLE}, encoder=encoder)
        for encoder, more in (("e", 0), ("f", 0.05))
    ]
    lead = said(pd.concat(tables))[""][0]
    assert lead.startswith("f, poisson leads with .450 [")
    assert "; of those that differ from it in one thing it beats all 2 (mse by .100 [" in lead


def test_predictions_of_other_tools_stand_beside_the_best():
    """They are neither the best nor a loss, and their genes make no mean of ours."""
    table = pd.concat(
        scores({"mse": BASE + more, "poisson": BASE + more - 0.1 - WIGGLE}, gene=gene)
        for gene, more in (("g", 0), ("h", 0.2))
    )
    tools = scores({"stpath": BASE + 0.3 + WIGGLE, "other": BASE - 0.2 - WIGGLE})
    tools = tools.assign(head="given", encoder="none")
    lacking = tools.assign(gene="h", mse=np.nan, spearman=np.nan)
    floor = scores({"depth": BASE - 0.15}).assign(head="floor", encoder="none")
    sentences = said(pd.concat([table, tools, lacking, floor]))[""]
    assert sentences[0].startswith("mse is best with .400 [")
    assert "it beats poisson by .100 [" in sentences[0]
    assert sentences[1:3] == [
        "Of the floors, mse beats depth.",
        "Beside other tools' predictions, mse beats other and is worse than stpath.",
    ]


def test_one_row_has_nothing_beside_it():
    assert said(scores({"mse": BASE}))[""][0] == (
        "mse scores .300 [.258, .342]; there is no other row to compare it with."
    )


def test_where_all_leaks_nothing_is_said_of_new_patients():
    first, second, *_ = said(scores({"mse": BASE, "poisson": BASE + 0.1}, leak="a leak"))[""]
    assert first == "Nothing can be said of new patients: every row leaks."
    assert second == "poisson has the highest mean, .400."


def test_rows_that_leak_have_no_part():
    sound = scores({"mse": BASE, "pearson": BASE + 0.1 + WIGGLE})
    leaking = scores({"mse": BASE + 0.5, "pearson": BASE + 0.5}, encoder="seen", leak="it has seen")
    lead, second, *_ = said(pd.concat([sound, leaking]))[""]
    assert lead.startswith("e, pearson is best with .400")
    assert second == "2 of 4 rows leak and have no part in this."


def test_rows_without_a_score_do_not_count_as_leaking():
    table = scores({"mse": BASE, "poisson": BASE}).assign(ceiling_spearman=0.5)
    table.loc[table["loss"] == "poisson", ["spearman", "ceiling_spearman"]] = np.nan
    lead, *rest = said(table)[""]
    assert lead == "mse scores .300 [.258, .342]; there is no other row to compare it with."
    assert rest == ["mse reaches 60% of what sampling noise leaves to be reached (.500)."]
    table["spearman"] = np.nan
    assert said(table)[""] == ["No row has a score."]


def test_floors_that_are_not_beaten_are_named():
    floors = {"depth": BASE - 0.2 - WIGGLE, "nearest": BASE + WIGGLE, "stain": BASE + 0.2 + WIGGLE}
    floors = scores(floors).assign(head="floor", encoder="none")
    sentences = said(pd.concat([scores({"mse": BASE}), floors]))[""]
    assert sentences[1] == (
        "Of the floors, mse beats depth, can't be told from nearest and is worse than stain."
    )


def test_all_cohorts_come_first():
    table = pd.concat([scores({"mse": BASE, "poisson": BASE - 0.1}, cohort=name) for name in "ab"])
    assert list(said(table)) == ["all cohorts", "a", "b"]
    assert "24 patients" in said(table)["all cohorts"][0]


@pytest.mark.parametrize(
    ("x", "text"),
    [(0.5, ".500"), (-0.0312, "−.031"), (1.25, "1.250"), (20.1, "20.100"), (float("nan"), "–")],
)
def test_numbers_have_three_decimals(x, text):
    assert answer.number(x) == text


def test_warnings_name_what_leaks_and_what_was_lost():
    summary = summarise(of_slides(scores({"mse": BASE}, leak="patient 1 trains and tests")))
    summary["holes"] = "2 of 3 folds; 12 of 50 genes are lacking"
    columns = {"lost_enough_genes": 30, "lost_on_slide": 0, "measured": 100, "spots": 70}
    known = {"holes": {"a": "is missing"}, "cells": dict.fromkeys("bcd")}
    samples = pd.DataFrame([{"cohort": "c", "sample": "S", "marks": "only 3 spots", **columns}])
    found = answer.warnings(summary.assign(n_undefined=7), samples, known)
    assert [warning["text"] for warning in found] == [
        "c, s, all rows: leaks in 12 of 12 folds: patient 1 trains and tests.",
        "c, s, all rows: only 2 of 3 folds are there; 12 of 50 genes are lacking.",
        "Left out as missing or stale: 1 of 4 cells.",
        "c, S: only 3 spots.",
        "30 of 100 spots lost: 30 with too few genes.",
        "7 genes × slides × seeds that are constant have no correlation and no part in a mean.",
    ]


def test_what_lies_behind_a_row(tmp_path, monkeypatch):
    """Genes, then slides are averaged; the same in one piece and in many."""
    rng = np.random.default_rng(1)
    table = pd.concat(
        [
            scores({"mse": rng.random(3), "poisson": rng.random(3)}, gene=gene, seed=seed)
            for gene in "abcdefghijklm"
            for seed in (0, 1)
        ]
    )
    table.loc[table["gene"] == "b", "spearman"] = np.nan
    path, summary = tmp_path / "scores.parquet", summarise(of_slides(table))
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), path)
    whole = cells.cells(path, summary)
    mine = table[table["loss"] == "mse"]
    assert whole[0]["fold"] == pytest.approx(
        {str(i): x for i, x in mine.groupby("fold")["spearman"].mean().items()}, abs=1e-4
    )
    ranked = mine.groupby("gene")["spearman"].mean().dropna().sort_values(ascending=False)
    assert [gene for gene, _ in whole[0]["best"]] == list(ranked.index[:5])
    assert [gene for gene, _ in whole[0]["worst"]] == list(ranked.index[-5:])
    monkeypatch.setattr(cells, "AT_A_TIME", 7)
    assert cells.cells(path, summary) == whole


def test_the_picture_has_the_best_rows_and_all_floors(tmp_path):
    losses = {f"loss{i:02}": BASE + 0.01 * i for i in range(20)}
    floors = scores({"depth": BASE}).assign(head="floor", encoder="none")
    table = pd.concat([scores(losses), floors])
    persons = {"c": {p: p for p in range(12)}}
    summary = best.beside(summarise(own := of_slides(table)), own, persons)
    (place,) = picture.picture(summary, [{"fold": {"0": 0.1}}] * len(summary))
    names = [row["name"] for row in place["rows"]]
    assert names == [f"loss{i:02}" for i in range(19, 3, -1)] + ["depth"]
    assert place["left_out"] == 4


def test_cells_of_the_wide_table_open_their_rows():
    table = pd.concat([scores({"mse": BASE, "poisson": BASE + 0.1}, cohort=name) for name in "ab"])
    summary = summarise(of_slides(table))
    wide = tables.wide(summary)
    assert [column["head"] for column in wide["columns"]] == ["loss", "kind", "a", "b"]
    for row in wide["rows"]:
        for cohort, (mean, number, sign) in zip("ab", row[2:], strict=True):
            of = summary.iloc[number]
            assert (of["cohort"], of["loss"]) == (cohort, row[0])
            assert mean == pytest.approx(of["spearman_mean"], abs=1e-4)
            assert sign == ""
    assert tables.wide(summary[summary["cohort"] == "a"]) is None


def test_too_many_pairs_become_those_with_the_best(monkeypatch):
    pairs = compared(scores({"mse": BASE, "poisson": BASE + 0.1, "pearson": BASE - 0.1}))
    assert len(tables.differences(pairs)["rows"]) == 3
    monkeypatch.setattr(tables, "MOST_PAIRS", 2)
    few = tables.differences(pairs)
    assert [row[1] for row in few["rows"]] == ["mse", "pearson"]
    assert "All 3 pairs are in tables/comparisons.tsv" in few["note"]


def test_curves_keep_the_best_epoch(tmp_path):
    monitored = np.concatenate([np.linspace(3, 1, 61), np.linspace(1, 2, 100)])
    history = {"loss": "mse", "seed": 0, "epoch": range(161), "monitored": monitored}
    pq.write_table(pa.Table.from_pandas(pd.DataFrame(history)), tmp_path / "history.parquet")
    own = training.curves([tmp_path / "history.parquet"] * 30)["mse"]
    assert (own["runs"], len(own["curves"])) == (30, 10)
    curve = own["curves"][0]
    assert curve["best"] == 60
    assert curve["values"][curve["epochs"].index(60)] == 0
    assert curve["values"][0] == 1
    assert len(curve["epochs"]) <= training.POINTS + 1


def test_epochs_that_diverged_are_left_out(tmp_path):
    history = {"loss": "mse", "seed": 0, "epoch": range(4), "monitored": [2, np.inf, 1, np.nan]}
    whole = {"loss": "poisson", "seed": 0, "epoch": range(4), "monitored": np.nan}
    path = tmp_path / "history.parquet"
    pd.concat([pd.DataFrame(history), pd.DataFrame(whole)]).to_parquet(path)
    curve = {"epochs": [0, 2], "values": [1, 0], "best": 2}
    assert training.curves([path]) == {"mse": {"runs": 1, "curves": [curve]}}


def test_names_that_look_like_numbers_or_nothing_stay_names(tmp_path):
    names = {"cohort": "2024", "encoder": "NA", "unit": "1", "section": "null", "set": "nan"}
    pd.DataFrame([names | {"leak": "", "n": 1.5}]).to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    (row,) = page.read(tmp_path / "t.tsv").to_dict("records")
    assert row == names | {"leak": "", "n": 1.5}


PAGE = {
    "study": "</script><b>", "question": "a < b?", "made": "", "warnings": [], "tables": [],
    "answers": [{"place": "", "said": ["<i>x</i>", "y"], "elsewhere": False}],
    "picture": [], "cells": [],
    "training": {}, "methods": "", "references": [], "citation": "", "config": "", "provenance": [],
    "genes": None, "slides": None,
}  # fmt: skip


def test_tests_on_other_cohorts_are_not_folded_away():
    more = [{"place": name, "said": ["z"], "elsewhere": name == "far"} for name in ("near", "far")]
    text = page.html(PAGE | {"answers": PAGE["answers"] + more})
    assert text.index('<p class="place">far</p>') < text.index("<summary>By cohort, split")
    assert "<dt>near</dt>" in text
    assert "<dt>far</dt>" not in text


def test_no_name_breaks_out_of_the_page():
    text = page.html(PAGE)
    payload = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert json.loads(payload.group(1)) == PAGE
    assert '<h1 id="said">&lt;i&gt;x&lt;/i&gt;</h1>' in text
    assert text.count("</script>") == text.count("<script")


def test_the_page_names_no_other_place():
    """But name spaces, and what comments of the libraries tell of themselves."""
    places = set(re.findall(r"https?://[\w./-]+", page.html(PAGE)))
    assert {place for place in places if "www.w3.org" not in place} <= {"https://d3js.org"}
    assert not re.search(r"@import|url\((?!data:)", "".join(page._texts(page.STYLES)))


def test_vendored_files_are_those_of_the_list():
    vendor = ROOT / "workflow/spotrank/report/page/vendor"
    listed = dict(
        re.findall(r"^\| ([\w.]+) \|.*\| (\w{64}) \|$", (vendor / "README.md").read_text(), re.M)
    )
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in vendor.glob("*.js")
    }
    assert listed == found


def test_scripts_share_no_name():
    """They stand in one script: a second definition would replace the first, unseen."""
    names = re.findall(
        r"^(?:async )?(?:function|const|let|class) (\w+)",
        "\n".join(page._texts(page.SCRIPTS)),
        re.M,
    )
    assert len(names) == len(set(names))


def test_all_strategies_and_selections_have_words():
    assert set(methods.HELD_OUT) == {*split.STRATEGIES, *split.WITHIN_SLIDE}
    assert set(methods.CHOSEN) == {*SELECTIONS, "file"}


def test_methods_cite_what_was_used():
    known = {
        "study": "s", "id": "0123", "git": None, "encoders": {}, "started": "2026-01-02T03:04",
        "config": {
            "cohorts": {"c": {"source": "hest"}}, "seeds": [0, 1],
            "spots": {"min_genes": 5, "max_mito": 0.2},
            "patches": {"size": 224, "um_per_px": 0.5},
            "genes": {"number": [50], "selection": ["variance"], "samples": ["train"],
                      "scaling": "library"},
            "split": {"strategy": ["patient_k_fold"], "folds": 3},
            "training": {"learning_rate": 0.001, "weight_decay": 0, "batch_size": 8,
                         "max_epochs": 9, "patience": 2, "monitor": "loss"},
        },
    }  # fmt: skip
    samples = {"cohort": "c", "sample": "A", "unit": "P", "spots": 1200, "measured": 1300}
    own = scores({"strank_list": BASE}, split="patient_k_fold")
    tested = own.assign(cohort="t", split="from_c")
    tool = tested.assign(head="given", loss="stpath", encoder="none")
    summary, samples = summarise(of_slides(pd.concat([own, tested, tool]))), pd.DataFrame([samples])
    text, references = methods.paragraph(known, summary, samples, [], True)
    assert "in c (1 slide of 1 patient) [1]: 1,200 spots with at least 5 genes" in text
    how = "in c patients held out in 3 folds, and t tested on the model of all of c"
    assert f"How it was tested: {how}." in text
    assert methods.question(known, summary, samples).endswith(f"(1 slide of 1 patient), {how}?")
    assert "Heads (linear) were fitted with strank_list [" in text
    assert "predictions that were given (stpath)." in text
    assert "AdamW" in text
    assert "AdamW" not in methods.paragraph(known, summary, samples, [], False)[0]
    cited = [int(n) for n in re.findall(r"\[(\d+)\]", text)]
    assert cited == list(range(1, len(references) + 1))
    assert "HEST-1k" in references[0]
    assert "STRank" in references[1]
