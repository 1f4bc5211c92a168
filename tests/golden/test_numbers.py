"""The numbers of each stage, on which caches rest: who changes them raises their version.

`make golden` writes the vectors of `numbers/`, and what `resources/golden.yaml` says of them.
"""

import os

import numpy as np
import pytest
import yaml
from conftest import ROOT
from stages import STAGES

from spotrank.base import code
from spotrank.encoders import embed
from spotrank.spots import pair

WRITE = os.environ.get("GOLDEN") == "write"
CONSTANTS = {
    "pair": pair.NUMBERS,
    "embed": embed.NUMBERS,
}  # raised by hand, as their caches are dear


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def known():
    """`resources/golden.yaml`, which is written anew where that is asked for."""
    rows = yaml.safe_load(code.GOLDEN.read_text(encoding="utf-8"))
    yield rows
    if WRITE:
        comment = code.GOLDEN.read_text(encoding="utf-8").partition("\n")[0]
        content = yaml.safe_dump(rows, sort_keys=False)
        code.GOLDEN.write_text(f"{comment}\n{content}", encoding="utf-8")


def same(now, before):
    """Whether all is as before; there may be more now, such as of a new head."""
    return now.keys() >= set(before) and all(
        np.shape(now[key]) == before[key].shape
        and np.allclose(now[key], before[key], rtol=1e-4, atol=1e-5, equal_nan=True)
        for key in before
    )


@pytest.mark.parametrize("stage", STAGES)
def test_numbers(stage, known, tmp_path):
    now, path = STAGES[stage](tmp_path), ROOT / f"tests/golden/numbers/{stage}.npz"
    before = dict(np.load(path)) if path.exists() else {}
    row, as_before = known.setdefault(stage, {"version": 1}), same(now, before)
    constant = CONSTANTS.get(stage)
    assert as_before or constant != row["version"] or not before, (
        f"the numbers of '{stage}' changed: raise the version (NUMBERS in {stage}.py), then `make "
        "golden`"
    )
    if WRITE:
        row["version"] = constant or row["version"] + (not as_before and bool(before))
        if constant is None:
            row["code"] = code.code_hash(stage)
        if not as_before or now.keys() != set(before):
            np.savez_compressed(path, **now)
        return
    assert now.keys() == set(before), f"'{stage}' gives more than is kept: `make golden`"
    assert as_before, f"the numbers of '{stage}' changed: `make golden` raises their version"
    assert constant in (None, row["version"]), f"NUMBERS of '{stage}' was raised: `make golden`"
    assert constant or row["code"] == code.code_hash(stage), (
        f"the code of '{stage}' changed, its numbers did not: `make golden` says so, and "
        "no cell is stale"
    )
