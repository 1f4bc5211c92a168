"""From a finished study to a bundle, and from that to predictions, in one run."""

import anndata
import numpy as np
from runs import SMALL, snakemake

from spotrank.bundles import bundle
from spotrank.fitting import final


def test_a_study_ends_in_a_bundle_that_predicts(copy):
    study = SMALL | {"predict": {"slides": ["resources/cohorts/sim/wsis/SIM1.tif"]}}
    printed, code = snakemake(copy, study, "bundle", "predict")
    assert code == 0, printed
    found = bundle.read(copy / "results/small/bundle")
    row = found.about["row"]
    assert row["loss"] in SMALL["losses"]
    assert found.about["trained_on"]["patients"] == {
        "SIM1": "Patient 1",
        "SIM2": "Patient 2",
        "SIM3": "Patient 2",
    }
    assert set(found.genes["predictable"]) <= {"yes", "no", "unknown"}
    card = (copy / "results/small/bundle/README.md").read_text()
    assert found.about["id"] in card
    model = copy / "results/small/final" / "/".join(
        row[key] for key in ("cohort", "split", "encoder", "panel", "head", "auxiliary")
    )  # fmt: skip
    runs, parameters, *_ = final.load(model / "model.safetensors")
    mine = (runs["loss"] == row["loss"]).to_numpy()
    np.testing.assert_array_equal(found._parameters["weight"], parameters["weight"][mine])
    predicted = anndata.read_h5ad(copy / "results/small/predictions/SIM1/predictions.h5ad")
    assert list(predicted.var_names) == found.about["genes"]
    assert predicted.uns["spotrank"]["bundle"] == found.about["id"]
    assert not predicted.uns["spotrank"]["unlike_training"]
    assert np.isfinite(predicted.X).all()
