"""Profiles; that for SLURM is tried in `cluster/`."""

import re

from conftest import ROOT
from runs import finish, start

STUDY = {
    "study": "small",
    "cohorts": {"sim": {"source": "simulated", "patients": 2, "spots": 40, "genes": 60}},
    "encoders": [
        "stain_statistics",
        {"model": "test_resnet", "weights": "random", "name": "tiny"},
    ],
}


def test_local_profile(tmp_path):
    options = ["--profile", ROOT / "workflow/profiles/local", "--dry-run"]
    printed, code = finish(start(tmp_path, STUDY, *options))
    assert code == 0, printed
    gpus = {}
    for rule, told in re.findall(r"^rule (\w+):\n((?:    .*\n)+)", printed, re.MULTILINE):
        encoder = re.search(r"lot=(\w+)-", told) if rule == "embed" else None
        asked = re.search(r" gpu=(\d+)", told)
        gpus[rule, encoder and encoder[1]] = int(asked[1]) if asked else 0
    assert {key for key, n in gpus.items() if n} == {("embed", "tiny"), ("fit", None)}
    assert gpus["floor", None] == 0
