"""Whole runs of the workflow, as users start it."""

import json
import re
import shutil

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT
from runs import SMALL, snakemake
from scipy import stats

COLUMNS = [
    *("cohort", "split", "fold", "sample", "patient", "encoder", "panel", "head", "loss"),
    *("auxiliary", "seed", "gene", "n_spots", "mean_count", "spearman", "pearson", "mse"),
]
SUMMARY = [
    *("cohort", "encoder", "panel", "head", "loss", "auxiliary", "spearman_mean", "spearman_sd"),
    *("pearson_mean", "pearson_sd", "n_folds", "n_seeds", "n_genes", "n_undefined"),
]


def jobs(printed):
    """Number of jobs of each rule in a dry run's table."""
    table = printed.split("Job stats:")[1].split("\n\n")[0] if "Job stats:" in printed else ""
    return {name: int(count) for name, count in re.findall(r"^(\w+)\s+(\d+)$", table, re.MULTILINE)}


@pytest.fixture(scope="session")
def scores(finished):
    return pd.read_parquet(finished / "results/small/tables/scores.parquet")


def test_scores_are_complete(scores):
    assert list(scores.columns[: len(COLUMNS)]) == COLUMNS
    # 2 patients, of whom one has two slides: 3 slides tested once, 2 losses, 2 seeds, 10 genes
    assert (scores["head"] == "linear").sum() == 3 * 2 * 2 * 10
    floors = scores[scores["head"] != "linear"].groupby(["encoder", "head", "loss"]).size()
    assert floors.to_dict() == {
        ("none", "floor", "depth"): 30,
        ("none", "floor", "place"): 30,
        ("none", "floor", "stain"): 30,
        ("stain_statistics", "nearest", "nearest"): 30,
    }
    assert not scores.duplicated(["sample", "loss", "seed", "gene"]).any()
    assert scores["leak"].eq("").all()


def test_a_score_can_be_had_by_hand(finished, scores):
    row = scores[scores["spearman"].notna() & (scores["head"] == "linear")].iloc[0]
    fits = finished / "results/small/fits/sim/leave_one_patient_out/stain_statistics"
    with h5py.File(fits / f"variance-10/linear/none/fold{row.fold}/predictions.h5") as file:
        mine = file["sample"].asstr()[:] == row["sample"]
        run = list(zip(file["loss"].asstr()[:], file["seed"][:], strict=True))
        gene = list(file["gene"].asstr()[:]).index(row.gene)
        predicted = file["predictions"][run.index((row.loss, row.seed)), mine, gene]
        barcodes = file["barcode"].asstr()[:][mine]
    raw = anndata.read_h5ad(finished / f"resources/cohorts/sim/st/{row['sample']}.h5ad")[barcodes]
    count = raw[:, row.gene].X.toarray().ravel()
    truth = np.log1p(1e4 * count / np.asarray(raw.X.sum(1)).ravel())
    assert row.spearman == pytest.approx(stats.spearmanr(predicted, truth).statistic, abs=1e-6)
    assert row.pearson == pytest.approx(stats.pearsonr(predicted, truth).statistic, abs=1e-6)
    assert row.mean_count == pytest.approx(count.mean(), rel=1e-5)
    assert row.n_spots == mine.sum()


def test_scores_have_the_ceilings_of_their_slides(finished, scores):
    path = finished / "results/ceilings/sim/library/SIM2.parquet"
    known = pd.read_parquet(path).set_index("gene")
    spots = anndata.read_h5ad(finished / "results/spots/sim/SIM2.h5ad", backed="r")
    assert list(known.index) == list(spots.var_names)  # all genes, whatever the panel
    mine = scores[scores["sample"] == "SIM2"]
    for column in ("ceiling_spearman", "ceiling_pearson_sd", "ceiling_flag"):
        assert mine[column].tolist() == mine["gene"].map(known[column]).tolist()
    assert scores[["ceiling_spearman", "ceiling_pearson"]].stack().between(0, 1).all()
    row = pd.read_csv(finished / "results/small/tables/summary.tsv", sep="\t").loc[0]
    told = scores[(scores["loss"] == row["loss"]) & (scores["ceiling_flag"] == "")]
    assert told["ceiling_spearman"].min() < row["ceiling_spearman"] < told["ceiling_spearman"].max()
    for figure in ("ceilings", "genes_ceiling"):
        assert (finished / f"results/small/figures/{figure}.png").stat().st_size > 10_000
        assert (finished / f"results/small/figures/{figure}.pdf").read_bytes().startswith(b"%PDF")


def test_studies_share_spots_and_ceilings(copy):
    """Jobs of another find them there; scaled by the panel, ceilings are a study's own."""
    other = SMALL | {"study": "other", "losses": ["mse"], "seeds": [0]}
    lots = "results/other/lots/ceiling/sim/0.json"
    before = [(path, path.stat().st_mtime_ns) for path in made(copy)]
    printed, code = snakemake(copy, other, lots)
    assert code == 0, printed
    assert jobs(printed) == {"pair": 1, "ceiling": 1, "total": 2}
    assert before == [(path, path.stat().st_mtime_ns) for path in made(copy)] != []
    other |= {"genes": SMALL["genes"] | {"scaling": "panel"}}
    printed, code = snakemake(copy, other, lots)
    assert code == 0, printed
    assert jobs(printed) == {"panel": 1, "ceiling": 1, "total": 2}
    own = (copy / "results/other/ceilings").rglob("*.parquet")
    assert sorted(path.stem for path in own) == ["SIM1", "SIM2", "SIM3"]


def made(folder):
    """Spots and ceilings that studies share."""
    return sorted(
        path for kind in ("spots", "ceilings") for path in (folder / f"results/{kind}").rglob("*.*")
    )


def test_summary(finished, scores):
    summary = pd.read_csv(finished / "results/small/tables/summary.tsv", sep="\t")
    assert set(SUMMARY) <= set(summary.columns)
    mine = summary.set_index("loss").loc["mse"]
    of_loss = scores[scores["loss"] == "mse"]
    of_fold = of_loss.groupby(["fold", "seed", "sample"])["spearman"].mean()
    runs = of_fold.groupby(["fold", "seed"]).mean()
    assert mine["spearman_mean"] == pytest.approx(runs.mean())
    assert mine["spearman_sd"] == pytest.approx(runs.std())
    assert mine["n_undefined"] == of_loss["spearman"].isna().sum()
    assert (mine["n_folds"], mine["n_seeds"], mine["n_genes"]) == (2, 2, 10)


def test_columns_that_papers_print(finished, scores):
    summary = pd.read_csv(finished / "results/small/tables/summary.tsv", sep="\t")
    mine = summary.set_index("loss").loc["mse"]
    of_loss = scores[scores["loss"] == "mse"]
    for name in ("mae", "ari", "nmi"):  # as many genes and seeds a slide, two slides in one fold
        of_fold = of_loss.groupby(["fold", "seed", "sample"])[name].mean()
        assert mine[name] == pytest.approx(of_fold.groupby(["fold", "seed"]).mean().mean())
    slides = scores.groupby(["sample", "gene"])
    assert (slides["moran_observed"].nunique() <= 1).all()
    assert of_loss["train_pearson"].between(-1, 1).all()
    assert -1 <= mine["moran_correlation"] <= 1
    # ten genes: the ten best are all, by whatever ranking
    for name in ("spearman_best10", "spearman_best10_by_test_leak"):
        assert mine[name] == pytest.approx(mine["spearman_mean"])
    assert summary.filter(regex="best(50|200)").isna().all(axis=None)


def test_two_patients_tell_nothing_apart(finished, scores):
    table = pd.read_csv(finished / "results/small/tables/comparisons.tsv", sep="\t")
    row = table[table["differ"] == "loss"].squeeze()
    assert (row["a"], row["b"], row["differ"]) == ("mse", "strank_list", "loss")
    assert row["verdict"] == "can't be told (2 patients)"
    slides = scores.groupby(["loss", "patient", "seed", "sample"])["spearman"].mean()
    patients = (
        slides.groupby(["loss", "patient", "seed"]).mean().groupby(["loss", "patient"]).mean()
    )
    of_t = stats.ttest_rel(patients["mse"], patients["strank_list"])
    assert row["p"] == pytest.approx(of_t.pvalue)
    assert row["p"] < row["p_holm"] <= 1  # of nine tests: two losses, each against four floors
    interval = of_t.confidence_interval(0.95)
    assert row[["low", "high"]].tolist() == pytest.approx([interval.low, interval.high])
    text = (finished / "results/small/tables/losses.md").read_text()
    assert "**" not in text
    assert re.search(r"Can't be told apart: \w+ and \w+ \(2 patients\) in sim\.", text)
    summary = pd.read_csv(finished / "results/small/tables/summary.tsv", sep="\t")
    assert (summary["n_patients"] == 2).all()
    assert summary["p_best"].sum() == pytest.approx(1)
    assert "differences to the highest mean" in (finished / "results/small/report.html").read_text()


def test_patients_that_a_difference_needs(copy, tmp_path):
    """By what an earlier run left; without one nothing is computed, and said so."""
    printed, code = snakemake(copy, SMALL, "power")
    assert code == 0
    assert re.search(r"loss, middling spread .* a difference of 0.01 needs \d+ \(\d+\)", printed)
    table = pd.read_csv(copy / "results/small/tables/power.tsv", sep="\t")
    assert table["difference"].tolist() == [0.01, 0.02, 0.05] * 4
    printed, code = snakemake(tmp_path, SMALL, "power")
    assert code == 1
    assert "comparisons.tsv: no such file; run the study first" in printed


def test_the_ledger_has_every_score_once(finished):
    lines = pd.read_csv(finished / "results/ledger.tsv", sep="\t")
    summary = pd.read_csv(finished / "results/small/tables/summary.tsv", sep="\t")
    mine = lines[lines["metric"] == "spearman"].set_index("loss")
    assert len(mine) == len(summary)
    for column, name in {"value": "mean", "low": "low", "high": "high"}.items():
        expected = summary.set_index("loss")[f"spearman_{name}"].to_dict()
        assert mine[column].to_dict() == expected
    samples = pd.read_csv(finished / "results/small/tables/samples.tsv", sep="\t")
    assert (lines["n_spots"] == samples["spots"].sum()).all()
    known = json.loads((finished / "results/small/provenance.json").read_text())
    assert (lines["provenance"] == known["id"]).all()
    assert (lines["commit"] == known["git"]["commit"]).all()


def test_the_leaderboard_is_drawn_from_the_ledger(copy):
    before = (copy / "results/ledger.tsv").read_bytes()
    printed, code = snakemake(copy, SMALL, "leaderboard", "--forcerun", "ledger")
    assert code == 0, printed
    assert "stain_statistics is the only encoder of this board." in printed
    assert (copy / "results/ledger.tsv").read_bytes() == before
    table = pd.read_csv(copy / "results/leaderboard.tsv", sep="\t")
    mine = table[(table["metric"] == "spearman") & (table["loss"] == "mse")].set_index("encoder")
    assert list(mine.index) == ["stain_statistics"] + [
        f"{name} (floor)" for name in ("depth", "stain", "place")
    ]
    summary = pd.read_csv(copy / "results/small/tables/summary.tsv", sep="\t").set_index("loss")
    assert mine.loc["stain_statistics", "value_sim"] == summary.loc["mse", "spearman_mean"]
    page = (copy / "results/leaderboard.html").read_text()
    assert "stain_statistics is the only encoder of this board." in page


def test_depth_alone_scores_what_depth_does(scores):
    """A ridge of one feature is in its order, or in the reverse."""
    depth = scores[(scores["loss"] == "depth") & scores["spearman"].notna()]
    assert len(depth) > 20
    np.testing.assert_allclose(depth["spearman"].abs(), depth["depth_spearman"].abs(), atol=1e-6)


def test_floors_stand_below_the_losses(finished):
    lines = (finished / "results/small/tables/losses.md").read_text().splitlines()
    names = [line.split("|")[1].strip() for line in lines if line.startswith("|")][2:]
    floors = [f"{name} (floor)" for name in ("depth", "stain", "place", "nearest")]
    assert names == ["mse", "strank_list", *floors]
    assert not any("*" in line or "<u>" in line for line in lines if "(floor)" in line)


def test_every_sample_has_a_row(finished, scores):
    rows = pd.read_csv(finished / "results/small/tables/samples.tsv", sep="\t").set_index("sample")
    assert rows["spots"].to_dict() == scores.groupby("sample")["n_spots"].first().to_dict()
    lost = rows.filter(like="lost_").sum(axis=1)
    assert (rows["measured"] - lost).equals(rows["spots"])
    assert (rows["test_folds"] == 1).all()
    for other in ("pitch", "slide"):
        np.testing.assert_allclose(rows[f"um_per_px_by_{other}"], rows["um_per_px"], rtol=0.01)
    assert "samples, and what looks wrong" in (finished / "results/small/report.html").read_text()


def test_spots_off_the_slide_stop_the_run(study, own_cohort, tmp_path):
    path = own_cohort / "st/SIM1.h5ad"
    adata = anndata.read_h5ad(path)
    adata.obsm["spatial"] *= 2
    adata.write_h5ad(path)
    spots, listed = tmp_path / "results/spots/c/SIM1.h5ad", "results/small/lots/pair/c/0.json"
    printed, code = snakemake(tmp_path, study, listed)
    assert code == 1
    cause = "likely because they are of a slide 2 times as large, so this one is another level"
    assert re.search(rf"SIM1.h5ad: \d+ of 40 spots lie off the slide, {cause}; .*mend", printed)
    assert not spots.exists()
    printed, code = snakemake(tmp_path, study | {"checks": "warn"}, listed)
    assert code == 0, printed
    assert "spots lie off the slide" in (tmp_path / "logs/small/pair/c/0.log").read_text()


def test_report_opens_without_a_network(finished):
    page = (finished / "results/small/report.html").read_text()
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=\"https?:", page)
    for figure in ("scores", "comparisons", "genes", "training", "maps/sim/SIM1"):
        assert (finished / f"results/small/figures/{figure}.png").stat().st_size > 10_000


def test_nothing_is_left_half_written(finished):
    assert not list(finished.rglob(".part-*"))


def test_status_says_that_all_is_done(finished):
    page = (finished / "results/small/status.html").read_text()
    assert "<h1>small: done</h1>" in page
    done, planned = re.search(r"(\d+) of (\d+) jobs done", page).groups()
    assert done == planned
    assert re.search(r">score</th>\s.*\s<td>(\d+)</td><td>\1</td><td>0</td><td>0</td>", page)


def test_second_run_has_nothing_to_do(finished):
    for path in (ROOT / "workflow/scripts").glob("*.py"):
        path.touch()  # as a new clone does: what a script says decides, not its time
    printed, code = snakemake(finished, SMALL)
    assert code == 0
    assert "Nothing to be done" in printed


@pytest.mark.parametrize(
    ("change", "again", "kept"),
    [
        (
            {"losses": ["mse"]},
            {"fit": 2, "score": 2},
            ["simulate", "pair", "embed", "panel", "floor"],
        ),
        ({"floors": ["depth"]}, {"floor": 2, "score": 2}, ["panel", "embed", "fit"]),
        ({"floors": []}, {"tables": 1}, ["score"]),
        ({"spots": {"min_genes": 30}}, {"pair": 1, "panel": 1, "fit": 2}, ["simulate", "embed"]),
        (
            {"genes": {"number": 5}},
            {"panel": 1, "fit": 2, "floor": 2},
            ["simulate", "pair", "embed"],
        ),
        ({"patches": {"um_per_px": 0.6}}, {"pair": 1, "embed": 1, "fit": 2}, ["simulate"]),
    ],
)
def test_what_a_change_reruns(finished, change, again, kept):
    printed, code = snakemake(finished, SMALL | change, "--dry-run")
    assert code == 0
    found = jobs(printed)
    assert again.items() <= found.items()
    assert not set(kept) & set(found)


def test_encoders_patch_files_and_given_embeddings(study, own_cohort, tmp_path):
    """A timm model on HEST's patch files; then the same embeddings, given, without images."""
    (own_cohort / "patches").mkdir()
    for path in sorted((own_cohort / "st").glob("*.h5ad")):
        adata = anndata.read_h5ad(path)
        with h5py.File(own_cohort / f"patches/{path.stem}.h5", "w") as file:
            n = adata.n_obs - 1  # one spot has no patch
            rng = np.random.default_rng(n)
            file["img"] = rng.integers(0, 256, (n, 64, 64, 3), dtype="u1")
            file["barcode"] = np.array(adata.obs_names[:n], "S")[:, None]
            file["coords"] = adata.obsm["spatial"][:n]
    study["cohorts"]["c"]["samples"] = ["SIM1", "SIM2", "SIM3"]
    study["patches"] = {"source": "patches"}
    study["encoders"] = [{"model": "test_resnet", "weights": "random", "name": "tiny"}]
    study["split"] = {"strategy": "leave_one_sample_out"}
    study["genes"] |= {"samples": "all"}
    printed, code = snakemake(tmp_path, study, "tables")
    assert code == 0, printed
    first = pd.read_parquet(tmp_path / "results/small/tables/scores.parquet")
    with h5py.File(tmp_path / "results/embeddings/c/tiny/SIM1.h5") as file:
        assert file.attrs["weights_sha256"] == "random"
        assert len(file["embeddings"]) == len(file["barcode"]) == 39
    assert first["leak"].str.contains("genes chosen with the test samples in view").all()
    assert first["leak"].str.contains("Patient 2 in training and test").any()
    table = (tmp_path / "results/small/tables/losses.md").read_text()
    assert "†" in table
    assert "Patient 2 in training and test" in table

    shutil.rmtree(own_cohort / "patches")
    shutil.rmtree(own_cohort / "wsis")
    study["study"] = "given"
    folder = tmp_path / "results/embeddings/c/tiny"
    study["cohorts"]["c"]["embeddings"] = {"tiny": str(folder)}
    study["encoders"] = ["tiny"]
    printed, code = snakemake(tmp_path, study)
    assert code == 0, printed
    assert "cohorts.c: no floor 'stain', for no slide of it is read" in printed
    given = pd.read_parquet(tmp_path / "results/given/tables/scores.parquet")
    assert set(first["loss"]) - set(given["loss"]) == {"stain"}
    keys = ["sample", "loss", "seed", "gene"]
    pd.testing.assert_series_equal(
        first.set_index(keys)["n_spots"].groupby("sample").first(),
        given.set_index(keys)["n_spots"].groupby("sample").first(),
    )


def test_heads_that_train_on_patches(study, tmp_path):
    """A fine-tuned timm model and HisToGene on pixels, beside heads on embeddings."""
    small = {"width": 16, "layers": 1, "heads": 2}
    study |= {
        "encoders": ["pixels", {"model": "test_resnet", "weights": "random", "name": "tiny"}],
        "heads": [
            "hest_bench",
            {"head": "histogene", **small, "name": "transformer"},
            {"head": "finetune", "training": {"max_epochs": 1}},
        ],
        "losses": ["pearson"],
        "seeds": [0],
        "patches": {"size": 64},
        "split": {"strategy": "fixed", "ids": {"c": {"test": ["SIM1"], "validation": ["SIM4"]}}},
    }
    study["cohorts"]["c"]["samples"] = ["SIM1", "SIM3", "SIM4"]
    printed, code = snakemake(tmp_path, study)
    assert code == 0, printed
    scores = pd.read_parquet(tmp_path / "results/small/tables/scores.parquet")
    runs = scores[["encoder", "head", "loss"]].drop_duplicates().to_numpy().tolist()
    assert sorted(runs) == [
        *(["none", "floor", floor] for floor in ("depth", "place", "stain")),
        ["pixels", "transformer", "pearson"],
        ["tiny", "finetune", "pearson"],
        ["tiny", "hest_bench", "mse"],
        ["tiny", "nearest", "nearest"],
        ["tiny", "transformer", "pearson"],
    ]
    history = pd.concat(map(pd.read_parquet, tmp_path.rglob("finetune/none/fold*/history.parquet")))
    assert history["epoch"].max() == 1


def test_auxiliary_genes_within_a_slide(study, tmp_path):
    study["cohorts"]["c"]["samples"] = ["SIM1"]
    study |= {
        "heads": [{"head": "low_rank", "rank": 2}],
        "auxiliary": {"auxiliary": "dkgsb", "number": 20, "name": "picked"},
        "split": {"strategy": "spatial_blocks", "folds": 3, "gap_um": 50},
    }
    printed, code = snakemake(tmp_path, study)
    assert code == 0, printed
    scores = pd.read_parquet(tmp_path / "results/small/tables/scores.parquet")
    spots = anndata.read_h5ad(tmp_path / "results/spots/c/SIM1.h5ad")
    # each spot is tested once
    assert scores.groupby("fold")["n_spots"].first().sum() == spots.n_obs
    floors = scores["head"].isin(["floor", "nearest"])
    assert scores.loc[~floors, "n_auxiliary"].between(1, 20).all()
    assert scores.loc[~floors, "auxiliary"].eq("picked").all()
    assert set(scores.loc[floors, "auxiliary"]) == {"none"}
    assert scores["gene"].nunique() <= 30
    assert scores["leak"].str.contains("in training and test").all()
    ranking = pd.read_csv(next(tmp_path.rglob("dispersion-all/fold0.tsv")), sep="\t", comment="#")
    assert ranking["score"].is_monotonic_decreasing
    plan = pd.read_csv(tmp_path / "results/small/tables/splits.tsv", sep="\t")
    assert plan["spots"].value_counts().to_dict() == {"1 of 3, blocks": 9}
    assert (tmp_path / "results/small/figures/auxiliary.png").stat().st_size > 10_000


def test_bad_config_is_one_sentence(tmp_path):
    printed, code = snakemake(tmp_path, SMALL | {"lossess": ["mse"]})
    assert code == 1
    assert "unknown key 'lossess' at the top level, did you mean 'losses'?" in printed
    assert "Traceback" not in printed
    assert not (tmp_path / "results").exists()


def test_bad_slide_is_one_sentence(study, own_cohort, tmp_path):
    slide = own_cohort / "wsis/SIM1.tif"
    slide.write_bytes(slide.read_bytes()[:30_000])
    printed, code = snakemake(tmp_path, study)
    assert code == 1
    assert re.search(r"SIM1.tif: not a slide that OpenSlide reads, perhaps truncated", printed)
    assert "Traceback" not in printed
    assert not list(tmp_path.rglob(".part-*"))
    assert not (tmp_path / "results/embeddings/c/stain_statistics/SIM1.h5").exists()


def test_whole_study(her2st, tmp_path):
    """Two losses of the example on the real sections, from slides to the table."""
    config = yaml.safe_load((ROOT / "config/examples/her2st.yaml").read_text())
    config["cohorts"]["her2st"]["folder"] = str(her2st)
    config |= {"losses": ["mse", "pearson_within"], "seeds": [0], "report": {"maps": 1}}
    config["split"]["strategy"] = ["leave_one_patient_out"]
    printed, code = snakemake(tmp_path, config)
    assert code == 0, printed
    summary = pd.read_csv(tmp_path / "results/her2st/tables/summary.tsv", sep="\t")
    summary = summary.set_index("loss")["spearman_mean"]
    # far above chance (about 1/√(180·50)), and the relative loss better than the absolute one
    assert summary["pearson_within"] > 0.05
    assert summary["pearson_within"] > summary["mse"]
    spots = anndata.read_h5ad(tmp_path / "results/spots/her2st/SPA145.h5ad")
    assert spots.n_obs == 269
