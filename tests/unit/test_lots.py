"""Lots: which cells one job makes, and that it makes no more than it must."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spotrank.base import lot
from spotrank.base.store import InputError, whole
from spotrank.study import cost, lots
from spotrank.study.study import Study

SPLIT = "leave_one_patient_out"
HEADS = ["linear", "ridge", "hest_bench", "low_rank", "finetune"]


def config(patients, heads, floors):
    own = {"source": "simulated", "patients": patients, "spots": 40, "genes": 60}
    return {
        "study": "small",
        "cohorts": {"a": own, "b": own | {"seed": 2}},
        "encoders": ["stain_statistics", {"model": "test_vit", "weights": "random"}],
        "genes": {"number": [5, 10]},
        "losses": ["mse"],
        "heads": heads,
        "floors": floors,
    }


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(2, 4),
    st.lists(st.sampled_from(HEADS), unique=True),
    st.sampled_from([[], ["depth", "nearest"]]),
)
def test_every_cell_is_in_one_lot(patients, heads, floors):
    study = Study(config(patients, ["mlp", *heads], floors))
    found = lots.Lots(study)
    cells = [tuple(cell.values()) for own in found.of.values() for cell in own]
    assert sorted(cells) == sorted(tuple(cell.values()) for cell in study.cells)
    for (stage, cohort, split, name), own in found.of.items():
        assert {(cell["cohort"], cell["split"]) for cell in own} == {(cohort, split)}
        assert len({cell["head"] in ("floor", "nearest") for cell in own}) == 1, stage
        assert name.startswith("ridge-") or len({cell["fold"] for cell in own}) == 1
        assert all(cell["head"] != "finetune" for cell in own) or len(own) == 1


def test_ridges_of_all_folds_make_a_lot():
    found = lots.Lots(Study(config(3, ["ridge", "hest_bench"], [])))
    own = found.of["fit", "a", "leave_one_patient_out", "ridge-stain_statistics"]
    assert len(own) == 3 * 2 * 2  # folds, panels, heads


def test_a_panel_is_in_one_lot_of_its_split():
    """As are lists of auxiliary genes."""
    auxiliary = {"auxiliary": ["none", {"auxiliary": "dkgsb", "number": 10}], "heads": ["low_rank"]}
    study = Study(config(3, [], ["nearest"]) | auxiliary)
    found = lots.Lots(study)
    names = ["variance-5", "variance-10", study.ranking(list(study.auxiliary)[1], "variance-5")]
    panels = found.shared["panel"]
    for cohort in "ab":
        wanted = [(cohort, SPLIT, name, fold) for name in names for fold in range(3)]
        assert sorted(panels.pop((cohort, SPLIT, "0"))) == sorted(wanted)
        for name in names:  # of the final model
            assert panels.pop((cohort, SPLIT, f"all-{name}")) == [(cohort, SPLIT, name)]
    assert not panels


@pytest.mark.parametrize("scaling", ["library", "panel"])
def test_every_ceiling_is_in_one_lot(scaling):
    own = config(3, ["linear"], [])
    own["genes"] = {"number": [5, "all"], "scaling": scaling}
    study = Study(own)
    found = lots.Lots(study).shared["ceiling"]
    assert {cohort for cohort, _ in found} == set("ab")
    things = sorted(one for own in found.values() for one in own)
    of_fold = {
        (SPLIT, panel, fold): own["test"]
        for panel in study.panels
        for fold, own in enumerate(study.plans["a", SPLIT])
    }
    wanted = {
        (cohort, sample, *(fold if scaling == "panel" else ()))
        for cohort in "ab"
        for fold, samples in of_fold.items()
        for sample in samples
    }
    assert things == sorted(wanted)


def test_what_takes_long_comes_alone(monkeypatch):
    study = Study(config(2, ["linear"], []))
    found = lots.Lots(study)
    together, panels = len(found.of), len(found.shared["panel"])
    monkeypatch.setattr(cost, "SECONDS", cost.LEAST)
    found = lots.Lots(study)
    assert len(found.of) == len(study.cells) > together
    finals = len(study.panels) * 2  # a cohort
    assert len(found.shared["panel"]) - finals == len(study.cells) / 2  # of two encoders
    assert panels - finals == 2


def encoders(*names, **options):
    return [{"encoder": name, "weights": "random", "name": name, **options} for name in names]


def embedded(study):
    """`[(samples, encoders)]` of the lots of cohort a."""
    embedded = lots.Lots(study).shared["embed"]
    for own in [own for (cohort, _), own in embedded.items() if cohort == "a"]:
        _, names, samples = (list(dict.fromkeys(part)) for part in zip(*own, strict=True))
        assert own == [("a", name, sample) for sample in samples for name in names]
        yield samples, names


def test_encoders_of_the_same_patches_share_a_lot():
    """As long as their weights fit a job, and they take as many at a time."""
    small = "uni_v1", "phikon", "gpfm", "phikon_v2", "kaiko_vitl14"  # gpfm's are bicubic
    own = config(9, ["linear"], ["stain"])
    own["encoders"] = [*encoders(*small), *encoders("ctranspath", batch_size=8)]
    study = Study(own)
    names = list(study.samples["a"].index)
    assert list(embedded(study)) == [
        (samples, together)
        for together in (
            ["uni_v1", "phikon", "phikon_v2"], ["kaiko_vitl14"], ["gpfm"], ["ctranspath"],
            ["stain_statistics"],
        )
        for samples in (names[:8], names[8:])
    ]  # fmt: skip


def test_samples_that_no_fold_looks_at_come_apart():
    own = config(4, ["linear"], [])
    ids = {"train": ["SIM1"], "validation": ["SIM2"], "test": ["SIM6"]}
    study = Study(own | {"split": {"strategy": "fixed", "ids": {"a": ids, "b": ids}}})
    rest = [name for name in study.samples["a"].index if name not in ("SIM1", "SIM2", "SIM6")]
    parts = ["SIM1", "SIM2", "SIM6"], rest
    encoders = "stain_statistics", "test_vit-random"
    assert list(embedded(study)) == [(own, [encoder]) for encoder in encoders for own in parts]
    paired = lots.Lots(study).shared["pair"]
    assert [paired["a", key] for key in "01"] == [[("a", one) for one in own] for own in parts]


@pytest.fixture
def things(tmp_path):
    source = tmp_path / "source"
    source.write_text("x")
    os.utime(source, (0, 0))
    return [
        {"input": {"source": [str(source)]}, "output": {"out": str(tmp_path / f"made/{name}")}}
        for name in "abc"
    ]


def write(thing):
    with whole(thing["output"]["out"]) as path:
        path.write_text("sound")


def is_sound(thing):
    return Path(thing["output"]["out"]).read_text() == "sound"


def inodes(things):
    paths = [Path(thing["output"]["out"]) for thing in things]
    return [path.stat().st_ino if path.exists() else None for path in paths]


def test_a_killed_job_goes_on(things, tmp_path):
    def killed(thing):
        if thing is things[2]:
            raise KeyboardInterrupt
        write(thing)

    output = tmp_path / "lot.json"
    with pytest.raises(KeyboardInterrupt):
        lot.make(output, things, is_sound, killed)
    assert not output.exists()
    before = inodes(things)
    lot.make(output, things, is_sound, write)
    assert output.exists()
    assert inodes(things)[:2] == before[:2]
    assert None not in inodes(things)


def test_one_that_fails_leaves_the_others(things, tmp_path):
    def fails(thing):
        if thing is things[1]:
            raise InputError("b: is odd; mend it.")
        write(thing)

    with pytest.raises(InputError, match="b: is odd; mend it"):
        lot.make(tmp_path / "lot.json", things, is_sound, fails)
    assert not (tmp_path / "lot.json").exists()
    assert [own is None for own in inodes(things)] == [False, True, False]


@pytest.mark.parametrize("what", ["deleted", "damaged", "older"])
def test_one_that_does_not_stand_is_made_alone(things, tmp_path, what):
    output = tmp_path / "lot.json"
    lot.make(output, things, is_sound, write)
    below, result = tmp_path / "below.json", tmp_path / "result"
    rests_on = {below: [output], output: []}
    below.write_text("{}"), result.write_text("")
    lot.forget(rests_on, result)
    assert output.exists() and below.exists() and result.exists()
    before, path = inodes(things), Path(things[1]["output"]["out"])
    if what == "deleted":
        path.unlink()
    elif what == "damaged":
        path.write_text("spoilt")
    else:
        os.utime(path, (0, 0))
        own = tmp_path / "own"
        own.write_text("x")
        things[1]["input"]["own"] = [str(own)]
    lot.forget(rests_on, result)
    assert not (output.exists() or below.exists() or result.exists())
    made = []
    lot.make(output, things, is_sound, lambda thing: (made.append(thing), write(thing)))
    assert made == [things[1]]
    assert [inodes(things)[i] for i in (0, 2)] == [before[0], before[2]]


def test_what_is_cleared_away_is_made_only_if_asked_for(things, tmp_path):
    """Whole folders, that is."""
    output, below, result = (tmp_path / name for name in ("lot.json", "below.json", "result"))
    other, score = (
        {"input": {}, "output": {"out": str(tmp_path / f"{name}/out")}}
        for name in ("other", "score")
    )
    lot.make(output, [*things, other], is_sound, write)
    lot.make(below, [score], is_sound, write)
    result.write_text("")
    rests_on = {below: [output], output: []}
    shutil.rmtree(tmp_path / "made")
    for _ in range(2):
        lot.forget(rests_on, result)
        assert below.exists() and result.exists() and not output.exists()
    made = []
    lot.make(output, [*things, other], is_sound, lambda thing: (made.append(thing), write(thing)))
    assert made == things
    Path(things[0]["output"]["out"]).unlink()  # one alone was not cleared away
    lot.forget(rests_on, result)
    assert not (output.exists() or below.exists() or result.exists())
    lot.make(below, [score], is_sound, write)
    shutil.rmtree(tmp_path / "score")  # nothing rests on the last
    lot.forget({below: []}, result)
    assert not below.exists()
