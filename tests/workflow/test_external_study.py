"""A study with a cohort that is tested only: on another's final model, left out, by other tools."""

import shutil

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from runs import snakemake

from spotrank.fitting import final, predict
from spotrank.fitting.heads import HEADS

TRAINED, TESTED = ["SIM1", "SIM2", "SIM3"], ["SIM4", "SIM5", "SIM6"]
LACKING = ["SIM001", "SIM002", "SIM003", "SIM004"]  # genes that the second cohort was not asked for
NOT_PREDICTED = "SIM005"
TABLES = [f"results/external/tables/{name}" for name in ("summary.tsv", "splits.tsv")]


@pytest.fixture(scope="module")
def study(cohort, tmp_path_factory):
    """Folder of a finished study: a trains, b is tested and lacks genes."""
    folder = tmp_path_factory.mktemp("external")
    shutil.copytree(cohort, folder / "b")
    for sample in [*TRAINED, *TESTED]:
        spots = anndata.read_h5ad(folder / f"b/st/{sample}.h5ad")
        for name in ("embeddings", "truth", "some"):
            (folder / name).mkdir(exist_ok=True)
        with h5py.File(folder / f"embeddings/{sample}.h5", "w") as file:
            file["embeddings"] = np.asarray(spots.layers["noise_free"])[:, 4:12]
            file["barcode"] = spots.obs_names.to_numpy(str).astype("S")
        spots = spots[:, ~spots.var_names.isin(LACKING)].copy()
        spots.write_h5ad(folder / f"b/st/{sample}.h5ad")
        library = np.asarray(spots.X.sum(1))
        truth = pd.DataFrame(
            np.log1p(spots.X.toarray() * (1e4 / library)), spots.obs_names, spots.var_names
        )
        truth[::-1].to_parquet(folder / f"truth/{sample}.parquet")
        some = anndata.AnnData(truth.drop(columns=NOT_PREDICTED).astype("f4"))
        some.X += np.random.default_rng(0).normal(size=some.shape)
        some.write_h5ad(folder / f"some/{sample}.h5ad")
    own = {"source": "local", "embeddings": {"x": str(folder / "embeddings")}}
    config = {
        "study": "external",
        "cohorts": {
            "a": own | {"folder": str(cohort), "samples": TRAINED},
            "b": own
            | {"folder": str(folder / "b"), "samples": TESTED, "role": "test"}
            | {"predictions": {name: str(folder / name) for name in ("truth", "some")}},
        },
        "spots": {"min_genes": 10},
        "genes": {"selection": "mean", "number": 40},
        "split": {
            "strategy": ["fixed", "leave_one_cohort_out"],
            "ids": {"a": {"test": ["SIM1"]}},
        },
        "floors": ["depth"],
        "losses": ["mse"],
        "seeds": [0],
        "training": {"max_epochs": 5},
    }
    printed, code = snakemake(folder, config, *TABLES, "results/external/figures/scores.png")
    assert code == 0, printed
    return folder, config


@pytest.fixture(scope="module")
def summary(study):
    table = pd.read_csv(study[0] / TABLES[0], sep="\t", keep_default_na=False)
    return table.set_index(["cohort", "split", "loss"])


def test_rows(summary):
    of_b = ["mse", "some", "truth", "depth"]
    assert list(summary.index) == [
        *(("a", "fixed", loss) for loss in ("mse", "depth")),
        *(("b", "leave_one_cohort_out", loss) for loss in of_b),
        *(("b", "from_a", loss) for loss in of_b),
    ]
    assert (summary["leak"] == "").all()


def test_the_truth_scores_1_and_what_lacks_is_counted(study, summary):
    panel = pd.read_csv(
        study[0] / "results/external/panels/a/fixed/mean-40/all.tsv", sep="\t", comment="#"
    )["gene"]
    lacking = panel.isin(LACKING).sum()
    assert lacking > 0
    assert NOT_PREDICTED in set(panel)
    external, left_out = summary.loc["b", "from_a"], summary.loc["b", "leave_one_cohort_out"]
    for own in (external, left_out):
        row = own.loc["truth", ["spearman_mean", "pearson_mean", "mse"]].astype(float)
        assert row.tolist() == pytest.approx([1, 1, 0], abs=1e-5)
        assert own.loc["truth", "spearman_best10"] == ""
    assert external["n_lacking"].tolist() == [lacking, lacking + 1, lacking, lacking]
    assert external["n_undefined"].tolist() == [3 * n for n in external["n_lacking"]]
    assert external.loc["mse", "holes"] == f"{lacking} of 40 genes are lacking"
    # no panel of theirs together has a gene that one of the cohorts lacks
    assert left_out["n_lacking"].tolist() == [0, 1, 0, 0]
    ranked = external["p_best"] != ""
    assert ranked.tolist() == [True, False, True, False]
    text = (study[0] / "results/external/tables/losses.md").read_text()
    assert f"‡ b, from_a: {lacking} of 40 genes are lacking." in text
    assert "| truth (given) |" in text


def test_tools_are_compared_on_what_they_predicted(study):
    folder, _ = study
    table = pd.read_csv(folder / "results/external/tables/comparisons.tsv", sep="\t")
    own = table[table["split"] == "from_a"].set_index(["differ", "a", "b"])
    assert set(own.index) == {
        ("floor", "mse", "depth"),
        *((differ, *pair) for tool in ("truth", "some") for differ, pair in
          (("given", ("mse", tool)), ("floor", (tool, "depth")))),
        ("loss", "some", "truth"),
    }  # fmt: skip
    scores = pd.read_parquet(folder / "results/external/tables/scores.parquet")
    scores = scores[scores["split"] == "from_a"]
    known = scores[(scores["loss"] == "some") & scores["mse"].notna()]["gene"].unique()
    of_mse = scores[(scores["loss"] == "mse") & scores["gene"].isin(known)]
    by_patient = of_mse.groupby(["patient", "sample"])["spearman"].mean().groupby("patient").mean()
    row = own.loc["given", "mse", "some"]
    assert row["mean_a"] == pytest.approx(by_patient.mean())
    assert row["n_genes"] == len(known)
    assert own.loc["given", "mse", "truth"]["n_genes"] == len(known) + 1


def test_an_external_cell_is_the_final_model_applied(study):
    folder, _ = study
    fold = "fits/b/from_a/x/mean-40/linear/none/fold1/predictions.h5"
    model = folder / "results/external/final/a/fixed/x/mean-40/linear/none/model.safetensors"
    _, parameters, line, genes, n_panel, record = final.load(model)
    assert {name.partition("/")[2] for name in record["samples"]} == set(TRAINED)
    with h5py.File(folder / "results/external" / fold) as file:
        found, samples = file["predictions"][0], file["sample"].asstr()[:]
        barcodes = file["barcode"].asstr()[:]
        assert list(file["gene"].asstr()[:]) == genes[:n_panel]
        assert file["slope"][:] == pytest.approx(line[0])
    assert set(samples) == {"SIM5", "SIM6"}  # slides of one patient
    mine = samples == "SIM6"
    with h5py.File(folder / "embeddings/SIM6.h5") as file:
        names, x = file["barcode"].asstr()[:], file["embeddings"][:]
    x = pd.DataFrame(x, names).loc[barcodes[mine]].to_numpy()
    features = (x - parameters["centre"].numpy()) / parameters["spread"].numpy()
    features = np.clip(features, -predict.CLIP, predict.CLIP)
    head = HEADS["linear"](x.shape[1], n_panel)
    own = {key: parameters[key] for key in head.start(_generator())}
    expected = features @ own["weight"][0].numpy() + own["bias"][0].numpy()
    measured = ~np.isin(genes[:n_panel], LACKING)
    assert found[mine][:, measured] == pytest.approx(expected[:, measured], rel=1e-4, abs=1e-5)
    assert np.isnan(found[:, ~measured]).all()


def _generator():
    import torch

    return torch.Generator().manual_seed(0)


def test_splits_show_who_trained(study):
    table = pd.read_csv(study[0] / TABLES[1], sep="\t", keep_default_na=False)
    own = table[table["split"] == "from_a"]
    assert own.groupby("set")["sample"].unique().map(sorted).to_dict() == {
        "train": TRAINED,
        "test": TESTED,
    }
    left_out = table[table["split"] == "leave_one_cohort_out"]
    assert set(left_out[left_out["set"] == "test"]["sample"]) == set(TESTED)
    assert set(left_out[left_out["set"] == "validation"]["sample"]) < set(TRAINED)
    assert not ((table["cohort"] == "a") & (table["split"] != "fixed")).any()


def test_predictions_that_change_make_their_cells_anew(study):
    folder, config = study
    path = folder / "some/SIM4.h5ad"
    adata = anndata.read_h5ad(path)
    adata.X += 1
    adata.write_h5ad(path)
    printed, _ = snakemake(folder, config, TABLES[0], "--dry-run")
    counts = dict(
        line.split()[:2] for line in printed.split("Job stats:")[1].splitlines() if "  " in line
    )
    assert (counts["given"], counts.get("fit"), counts.get("external")) == ("2", None, None)
