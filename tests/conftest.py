"""Paths that tests share, and where the real data are."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
sys.path.insert(0, str(ROOT / "workflow"))


def need(path):
    """`path`, or skip the test, saying what is missing."""
    if not path.exists():
        pytest.skip(f"{path.name} is not here; see tests/README.md")
    return path


@pytest.fixture(scope="session")
def reference():
    """Fixtures of the published systems: values, gradients, scores."""
    return need(Path(os.environ.get("SPOTRANK_REFERENCE", SHARED / "reference")))


@pytest.fixture(scope="session")
def her2st():
    """Four real sections in HEST-1k's layout."""
    return need(Path(os.environ.get("SPOTRANK_DATA", SHARED / "data")) / "her2st")
