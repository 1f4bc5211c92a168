"""What a sample lost, and what about it looks like a mistake, by hand."""

import numpy as np
import pytest

from spotrank.report import samples
from spotrank.spots import quality

# 40 spots, 100 px apart, in 4 rows of 10
GRID = np.array([(x, y) for y in range(4) for x in range(10)], float) * 100 + 50


def known(places=GRID, off_slide=0, pixel_size_um=1.0, pitch_um=100.0, **changes):
    left = {"measured": 40, "enough_genes": 38, "low_mito": 38, "on_slide": 35}
    depth, mito = np.arange(35.0), np.array([0.0] * 7 + [0.1] * 28)
    found = quality.measure(left, depth, mito, places, pixel_size_um, pitch_um, off_slide=off_slide)
    return found | {"genes": 50, "controls": 2, "doubled": 0, "no_mito": False} | changes


def test_measures():
    assert known() == {
        "measured": 40,
        "lost_enough_genes": 2,
        "lost_low_mito": 0,
        "lost_on_slide": 3,
        "spots": 35,
        "off_slide": 0,
        "median_depth": 17.0,
        "without_mito": pytest.approx(0.2),
        "um_per_px": 1.0,
        "um_per_px_by_pitch": 1.0,
        "genes": 50,
        "controls": 2,
        "doubled": 0,
        "no_mito": False,
    }
    rng = np.random.default_rng(0)
    nowhere = rng.uniform(0, 1000, (40, 2))
    for unknown in ({"pitch_um": None}, *({"places": x} for x in (nowhere, GRID * 0, GRID[:1]))):
        assert "um_per_px_by_pitch" not in known(**unknown)
    by_hand = known(GRID + rng.normal(0, 4, GRID.shape))  # as people set spots right
    assert by_hand["um_per_px_by_pitch"] == pytest.approx(1, abs=0.02)
    assert quality.doubts(known()) == ([], [])


@pytest.mark.parametrize(
    ("places", "extent", "cause"),
    [
        (GRID, (1000, 400), ""),
        (GRID, (400, 1000), "x and y are swapped, or the slide is transposed"),
        (GRID, (250, 100), "they are of a slide 4 times as large, so this one is another level"),
        (GRID - 100, (1000, 400), ""),
    ],
)
def test_likely_causes(places, extent, cause):
    assert quality.likely_cause(places, extent) == cause


@pytest.mark.parametrize(
    ("changes", "marked", "wrong"),
    [
        ({"off_slide": 13}, [], []),
        ({"off_slide": 14}, [], ["14 of 40 spots lie off the slide"]),
        (
            {"off_slide": 14, "likely_cause": "of this"},
            [],
            ["14 of 40 spots lie off the slide, likely because of this"],
        ),
        ({"lost_has_patch": 20}, ["20 of 40 spots have no patch"], []),
        ({"pixel_size_um": 0.92}, [], []),
        (
            {"pixel_size_um": 0.9},
            ["0.9 µm/px by its metadata, but 1 by the distance of its spots"],
            [],
        ),
        (
            {"pixel_size_um": 0.5},
            [],
            ["0.5 µm/px by its metadata, but 1 by the distance of its spots"],
        ),
        (
            {"um_per_px_by_slide": 0.25},
            ["1 µm/px by its metadata, but 0.25 by the slide itself"],
            [],
        ),
        ({"spots": 29}, ["only 29 spots"], []),
        (
            {"no_mito": True},
            ["no gene is known as mitochondrial, so spots.max_mito drops none"],
            [],
        ),
    ],
)
def test_doubts(changes, marked, wrong):
    assert quality.doubts(known(**changes)) == (marked, wrong)


def test_a_row_a_sample():
    """Of two strategies: SIM1 tests twice and trains once; µm/px by the slide is known of none."""
    one = {"train": ["SIM2"], "validation": [], "test": ["SIM1"]}
    other = {"train": ["SIM1"], "validation": [], "test": ["SIM2"]}
    rows = samples.table(
        {"c/SIM1": known(), "c/SIM2": known(spots=9, lost_has_patch=1)},
        {("c", "a"): [one, other], ("c", "b"): [one], ("d", "a"): [other]},
        {"c": {"SIM1": "P1", "SIM2": ""}},
        {"c": {"SIM1": "P1", "SIM2": "SIM2"}},
        {"c": {"SIM1": "SIM1", "SIM2": "SIM2"}},
    )
    assert list(rows.columns) == [name for name in samples.COLUMNS if "by_slide" not in name]
    first, second = rows.to_dict("records")
    assert (first["train_folds"], first["test_folds"], first["patient"]) == (1, 2, "P1")
    assert (second["patient"], second["unit"]) == ("", "SIM2")
    assert np.isnan(first["lost_has_patch"])
    assert (first["marks"], second["marks"]) == ("", "only 9 spots")
    assert "only 9 spots" in samples.html(rows, "note")
