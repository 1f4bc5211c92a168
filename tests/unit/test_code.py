"""What makes a cache stale: a statement that its stage uses, and nothing else."""

import shutil

import pytest
import yaml
from conftest import ROOT

from spotrank.base import code

STAGES = (
    "simulate",
    "pair",
    "embed",
    "panel",
    "fit",
    "ceiling",
    "score",
    "synthetic",
    "tables",
    "maps",
)


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the workflow that `code` looks at and a test may edit: `copy(path, old, new)`."""

    def edit(path, old, new):
        file = tmp_path / path
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1
        file.write_text(text.replace(old, new), encoding="utf-8")

    for name in ("scripts", "spotrank"):
        shutil.copytree(ROOT / "workflow" / name, tmp_path / name)
    monkeypatch.setattr(code, "WORKFLOW", tmp_path)
    yield edit
    forget()


def forget():
    for function in (code.numbers, code.code_hash, code._read, code._module):
        function.cache_clear()


@pytest.fixture(scope="module")
def before():
    """Hashes of the code as it stands."""
    return hashes()


def hashes():
    forget()
    return {stage: code.code_hash(stage) for stage in STAGES}


def changed(before):
    return {stage for stage, now in hashes().items() if now != before[stage]}


@pytest.mark.parametrize(
    ("path", "old", "new", "stages"),
    [
        ("scoring/metrics.py", "    return pearson(ranks(a), ranks(b))", "    return 1", set()),
        (
            "scoring/metrics.py",
            '"""Mean squared difference',
            '"""The mean of squared',
            set(),
        ),
        ("scoring/ranking.py", "  # a tie", "  # tied", set()),
        ("scoring/metrics.py", "b.double()).square()", "a.double()).square()", {"score"}),
        (
            "scoring/ranking.py",
            "(first + place) / 2",
            "(first + place) // 2",
            {"fit", "score", "synthetic"},
        ),
        ("encoders/stains.py", "QUANTILES = (0.1,", "QUANTILES = (0.2,", {"embed"}),
        ("fitting/heads/ridge.py", "range(-24, 17)", "range(-24, 18)", {"fit"}),
        ("genes/selections.py", "TARGET_SUM = 1e4", "TARGET_SUM = 1e5", {"panel"}),
        ("report/maps.py", "(0.6 * density", "(0.7 * density", {"maps"}),
        ("base/words.py", "cutoff=0.5", "cutoff=0.6", {"pair", "embed", "fit", "panel"}),
        ("spots/split.py", "validation = _draw", "validation = 2 * _draw", set()),
    ],
)
def test_what_a_statement_makes_stale(copy, before, path, old, new, stages):
    copy(f"spotrank/{path}", old, new)
    assert changed(before) == stages


def test_a_script_is_of_its_stage_only(copy, before):
    copy("scripts/score.py", "writer.close()", "writer.close(), print()")
    assert changed(before) == {"score"}


def test_a_definition_that_moves_makes_nothing_stale(copy, before, tmp_path):
    """From one module to another, its users importing it from there, by name and by module."""
    metrics, score = "spotrank/scoring/metrics.py", "spotrank/scoring/columns.py"
    text = (tmp_path / metrics).read_text()
    moved = text[text.index("def partial(") : text.index("def mse(")]
    copy(metrics, moved, "")
    (tmp_path / "spotrank/scoring/moved.py").write_text(f'"""New."""\n\n\n{moved}')
    copy(score, "metrics.partial(", "partial(")
    here = "from spotrank.scoring import metrics"
    copy(score, here, f"{here}\nfrom spotrank.scoring.moved import partial")
    assert changed(before) == set()
    copy("spotrank/scoring/moved.py", "ab - ac * bc", "ab - ac - bc")
    assert changed(before) == {"score"}


def test_known_code_counts_as_the_version_of_its_numbers(copy, before, tmp_path, monkeypatch):
    monkeypatch.setattr(code, "GOLDEN", tmp_path / "golden.yaml")
    row = {"version": 3, "code": before["score"]}
    code.GOLDEN.write_text(yaml.safe_dump({"score": row}))
    assert code.numbers("score") == 3
    copy("spotrank/scoring/metrics.py", "b.double()).square()", "a.double()).square()")
    forget()
    assert code.numbers("score") == code.code_hash("score") != row["code"]
