"""A table of malformed inputs, each with the sentence that it must give.

`docs/errors.md` shows all of it; `make errors` writes that anew.
"""

import os
import re

import bad_bench
import bad_bundles
import bad_configs
import bad_files
import bad_given
import bad_ledgers
import bad_new_slides
import bad_own
import bad_predictions
import bad_runs
import bad_sets
import bad_slides
import bad_tables
import h5py
import numpy as np
import pytest
from bad_files import PATCHES, QC
from conftest import ROOT

from spotrank.base.store import InputError
from spotrank.encoders import loading
from spotrank.fitting import batches
from spotrank.genes import panel
from spotrank.spots import pair

DOCS = ROOT / "docs/errors.md"
WRITE = os.environ.get("ERRORS") == "write"
KINDS = {
    "config": (bad_configs.CONFIGS, bad_configs.check_config),
    "cohort": (bad_configs.FOLDERS, bad_configs.check_folder),
    "table": (bad_tables.TABLES, bad_configs.check_folder),
    "sample": (bad_files.SAMPLES, bad_files.check_sample),
    "slide": (bad_slides.SLIDES, bad_files.check_sample),
    "patch file": (bad_slides.PATCH_FILES, bad_files.check_sample),
    "embeddings": (bad_files.EMBEDDINGS, bad_files.check_embeddings),
    "given embeddings": (bad_given.GIVEN, bad_given.check_given),
    "numbers of given embeddings": (bad_given.GIVEN_NUMBERS, bad_given.check_given_numbers),
    "predictions": (bad_predictions.PREDICTIONS, bad_predictions.check_predictions),
    "genes.file": (bad_files.GENES, bad_files.check_genes),
    "table of own runs": (bad_runs.RUNS, bad_runs.check_runs),
    "HEST-Benchmark": (bad_bench.BENCH, bad_bench.check_bench),
    "bundle": (bad_bundles.BUNDLES, bad_bundles.check_bundle),
    "genes.sets": (bad_sets.SETS, bad_sets.check_sets),
    "ledger": (bad_ledgers.LEDGERS, bad_ledgers.check_ledger),
    "new slides": (bad_new_slides.PREDICTIONS, bad_new_slides.check_prediction),
    "own head": (bad_own.HEADS, bad_own.check_head),
    "own loss": (bad_own.LOSSES, bad_own.check_loss),
    "torch weights": (bad_files.WEIGHTS, bad_files.check_weights(".pth")),
    "safetensors": (bad_files.SAFETENSORS, bad_files.check_weights(".safetensors")),
}
CASES = [(kind, case) for kind, (table, _) in KINDS.items() for case in table]


@pytest.fixture(scope="module")
def rows():
    """The rows of `docs/errors.md` by kind and case; with ERRORS=write they are written anew."""
    if WRITE:
        found = {}
        yield found
        table = "".join("| " + " | ".join(row) + " |\n" for row in found.values())
        head = DOCS.read_text(encoding="utf-8").partition("| kind |")[0]
        DOCS.write_text(f"{head}| kind | what is wrong | what is said |\n|---|---|---|\n{table}")
    else:
        lines = DOCS.read_text(encoding="utf-8").partition("|---|\n")[2].splitlines()
        cells = [tuple(line[2:-2].split(" | ")) for line in lines]
        yield {row[:2]: row for row in cells}


@pytest.mark.parametrize(("kind", "case"), CASES)
def test_bad_input(kind, case, study, own_cohort, rows, monkeypatch):
    table, check = KINDS[kind]
    edit, said = table[case]
    monkeypatch.chdir(own_cohort.parent)
    with h5py.File(own_cohort.parent / "secret.h5", "w") as secret:
        secret["x"] = np.zeros(3)
    with pytest.raises(InputError) as error:
        check(edit, own_cohort, study)
    sentence = str(error.value)
    assert said in sentence or re.search(said, sentence)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert not (own_cohort.parent / "exploded").exists()
    sentence = sentence.replace(f"{own_cohort}/", "").replace(str(own_cohort), "my_slides")
    row = (kind, case, sentence.replace("|", "\\|"))
    if WRITE:
        rows[kind, case] = row
    assert rows.get((kind, case)) == row


def test_the_docs_have_no_other_rows(rows):
    assert list(rows) == CASES


def test_too_few_genes(cohort):
    spots = pair.pair(cohort / "st/SIM1.h5ad", cohort / "metadata/SIM1.json", QC, PATCHES)
    with pytest.raises(InputError, match=r"genes.number is 500, but only"):
        panel.choose({"SIM1": spots}, "variance", 500, {"SIM1": set(spots.var_names)})


def test_embeddings_of_another_sample(cohort):
    spots = pair.pair(cohort / "st/SIM1.h5ad", cohort / "metadata/SIM1.json", QC, PATCHES)
    vectors = np.zeros((2, 4), "f4")
    with pytest.raises(InputError, match="no barcode in common"):
        fold = {"train": ["SIM1"], "validation": [], "test": [], "within": {}}
        batches.assemble(fold, 112, ["SIM1"], [spots], [(["x", "y"], vectors)], spots.var_names[:2])


def test_unknown_timm_model():
    with pytest.raises(InputError, match=r"no model 'resnet81', did you mean 'resnet"):
        loading.load({"model": "resnet81", "weights": "random"}, 224)
