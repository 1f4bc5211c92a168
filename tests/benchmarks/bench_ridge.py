"""HEST-Benchmark refitted and scored from embeddings: spotrank's way beside scikit-learn's.

Run by `make bench`; with 'all' every task and encoder is fitted, else a few, from whose steps the
whole is reckoned: a step's cost grows with spots, features and folds as TERMS say. Embeddings and
counts are made up, in the benchmark's shapes. CPU seconds of one thread, all in one process.
"""

import json
import resource
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import torch
import yaml
from scipy.optimize import nnls
from scipy.sparse import csr_matrix
from scipy.stats import pearsonr
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

from spotrank.base.store import read_h5ad
from spotrank.encoders import stored
from spotrank.fitting import fit, predict, predictions
from spotrank.fitting.batches import assemble, parts_of
from spotrank.fitting.together import Together
from spotrank.scoring import score
from spotrank.spots.split import samples_of

ROOT = Path(__file__).resolve().parents[2]
# spots of all samples together, in HEST-1k's table of metadata (v1.1.0)
SPOTS = {
    "IDC": 44974, "PRAD": 62710, "PAAD": 9793, "SKCM": 5716, "COAD": 19028, "READ": 8407,
    "CCRCC": 74220, "LUNG": 7505, "LYMPH_IDC": 19964,
}  # fmt: skip
GENES, N_ENCODERS, MADE_BY = 50, 35, {"encoder": "made up"}
MEASURED = [
    ("LUNG", 512),
    ("LUNG", 2560),
    ("READ", 1024),
    ("PAAD", 1536),
    ("COAD", 768),
    ("CCRCC", 1024),
]
OURS_ONLY = "CCRCC"  # scikit-learn takes minutes
HEAD, TRAINING = ("hest_bench", {}), {"monitor": "loss", "standardise": True}
TERMS = {  # what a step's cost grows with, of a task and its dimension
    "read": ("spots·d", "spots"),
    "fit": ("spots·d", "spots·d²", "folds·d³", "trained·d", "trained"),
    "predict": ("trained·d", "trained"),
    "score": ("spots", "first"),
    "scikit-learn: auto": ("trained·d", "trained·d²", "folds·d³"),
    "scikit-learn: full": ("trained·d", "trained·d²", "folds·d³"),
}
OURS = ("read", "fit", "predict", "score")


def dimensions():
    """Those of the study, and one more of the larger half."""
    rows = yaml.safe_load((ROOT / "resources/encoders.yaml").read_text())
    config = yaml.safe_load((ROOT / "config/published/hest_bench.yaml").read_text())
    found = [rows[name]["dimension"] for name in config["encoders"]]
    return (found + sorted(found)[len(found) // 2 :])[:N_ENCODERS]


def folds_of(task):
    """The benchmark's folds; a sample that trains validates, or a part of the only one."""
    folds = []
    for test in task["test"]:
        train = [sample for sample in task["samples"] if sample not in test]
        held_out = train[-1:]
        within = {"by": "end", "share": 0.2} if len(train) == 1 else {}
        train = train[:-1] or held_out
        folds.append({"train": train, "validation": held_out, "test": test, "within": within})
    return folds


def sizes(name, task, d, first):
    """Values of the terms; first: whether the task's slides are scored for the first time."""
    n = SPOTS[name] / len(task["samples"])
    trained = sum(n * (len(task["samples"]) - len(test)) for test in task["test"])
    folds = len(task["test"])
    return {
        "spots": SPOTS[name], "spots·d": SPOTS[name] * d, "spots·d²": SPOTS[name] * d**2,
        "first": SPOTS[name] * first, "folds·d³": folds * d**3,
        "trained": trained, "trained·d": trained * d, "trained·d²": trained * d**2,
    }  # fmt: skip


def make(folder, name, task, d):
    """Files of embeddings, their spectrum falling as 1/k, and of the panel's counts."""
    rng, of_counts = np.random.default_rng(d), np.random.default_rng(0)
    mix = rng.standard_normal((d, d), "f4") / np.sqrt(d) / np.arange(1, d + 1)[:, None] ** 0.5
    depends = of_counts.standard_normal((20, GENES), "f4") / 8
    n = SPOTS[name] // len(task["samples"])
    for sample in task["samples"]:
        hidden = rng.standard_normal((n, d), "f4")
        hidden[:, :20] = of_counts.standard_normal((n, 20), "f4")
        counts = of_counts.poisson(np.exp(1 + hidden[:, :20] @ depends)).astype("f4")
        obs = pd.DataFrame({"library": counts.sum(1) + 100}, [f"{i}" for i in range(n)])
        adata = anndata.AnnData(csr_matrix(counts), obs)
        adata.obsm["spatial"] = np.stack(np.divmod(np.arange(n), 60), 1) * 100.0
        adata.uns["pixel_size_um"] = 1.0
        adata.write_h5ad(folder / f"{sample}.h5ad")
        with h5py.File(folder / f"{sample}.x.h5", "w") as file:
            file["embeddings"] = hidden @ mix + 0.3 * rng.standard_normal(d, "f4")
            file["barcode"] = list(obs.index)
            file.attrs.update(n_spots=n, made_by=json.dumps(MADE_BY))


class Clock(Counter):
    """CPU seconds of steps."""

    @contextmanager
    def __call__(self, step):
        began = cpu()
        yield
        self[step] += cpu() - began


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def ours(folder, task, clock):
    """Pearson over the test slides of each fold, per gene, as the leaderboard has it."""
    together, found = Together(folds_of(task), 0, []), []
    together.genes = {str(gene) for gene in range(GENES)}
    for fold in folds_of(task):
        samples = samples_of(fold, "train", "validation", "test")
        with clock("read"):
            spots = [together.spots(folder / f"{own}.h5ad") for own in samples]
            x = [together.embeddings(MADE_BY, folder / f"{own}.x.h5", None) for own in samples]
            genes = spots[0].var_names
            of_fold = assemble(fold, 0, samples, spots, x, genes, together.pieces)
            train, validation, test = parts_of(of_fold)
        with clock("fit"):
            runs, parameters, _ = fit.fit(
                train, validation, {}, [0], HEAD, TRAINING, "none", sums=together.sums(genes)
            )
        with clock("predict"):
            line = predict.line(parameters, HEAD, train, GENES, "none", 1)
            predicted = predict.predict(parameters, HEAD, test, GENES)
            predictions.write(folder / "p.h5", predicted, runs, test, genes, line, dict)
        with clock("score"):
            tested = {own: read_h5ad(folder / f"{own}.h5ad") for own in fold["test"]}
            rows = pd.concat(score.score(folder / "p.h5", tested, "none"))
        found.append(rows.groupby("gene", sort=False)["pooled_pearson"].first().to_numpy())
    return np.array(found)


def theirs(folder, task, solver):
    """HEST-Benchmark's: each fold from its files, scaled, reduced, solved by lsqr, correlated."""
    found = []
    for fold in folds_of(task):
        train, test = fold["train"] + fold["validation"], fold["test"]
        if fold["within"]:
            train = fold["train"]
        x, x_test = (
            np.concatenate([stored.read(folder / f"{own}.x.h5")[1] for own in some])
            for some in (train, test)
        )
        counts, tested = (
            np.concatenate([read_h5ad(folder / f"{own}.h5ad").X.toarray() for own in some])
            for some in (train, test)
        )
        y, y_test = np.log1p(counts), np.log1p(tested)
        scaler = StandardScaler().fit(x)
        pca = PCA(256, svd_solver=solver, random_state=0).fit(scaler.transform(x))
        model = Ridge(alpha=100 / (256 * GENES), fit_intercept=False, solver="lsqr", max_iter=1000)
        model.fit(pca.transform(scaler.transform(x)), y)
        predicted = model.predict(pca.transform(scaler.transform(x_test)))
        found.append([pearsonr(*own)[0] for own in zip(predicted.T, y_test.T, strict=True)])
    return np.array(found)


def main(everything):
    tasks = yaml.safe_load((ROOT / "resources/tasks.yaml").read_text())["HEST-Benchmark"]
    tasks = {name: tasks[name] for name in SPOTS}
    whole = [(name, d) for name in SPOTS for d in dimensions()]
    rows, met = [], set()
    for name, d in whole if everything else MEASURED:
        with tempfile.TemporaryDirectory() as folder:
            folder, clock, seen = Path(folder), Clock(), {}
            make(folder, name, tasks[name], d)
            scores = ours(folder, tasks[name], clock)
            for solver in () if everything or name == OURS_ONLY else ("auto", "full"):
                with clock(f"scikit-learn: {solver}"):
                    seen[solver] = theirs(folder, tasks[name], solver)
        rows.append(sizes(name, tasks[name], d, name not in met) | clock)
        met.add(name)
        mine = sum(clock[step] for step in OURS)
        told = "  ".join(f"{step} {clock[step]:.1f}" for step in clock)
        apart = "".join(f", {key} differs by {abs(scores - own).max():.0e}"
                        for key, own in seen.items())  # fmt: skip
        print(f"{name}, {d}: {mine:.1f} s ({told}){apart}", flush=True)
    rows = pd.DataFrame(rows)
    total = {step: rows[step].sum() for step in OURS}
    if not everything:
        firsts = [i % N_ENCODERS == 0 for i in range(len(whole))]
        shapes = pd.DataFrame(
            [sizes(name, tasks[name], d, own) for (name, d), own in zip(whole, firsts, strict=True)]
        )
        total = {}
        for step, terms in TERMS.items():
            scale = shapes[list(terms)].max()
            known = rows.dropna(subset=step)
            cost, _ = nnls(known[list(terms)] / scale, known[step])
            total[step] = float((shapes[list(terms)] / scale @ cost).sum())
    of_us = sum(total[step] for step in OURS)
    print("all, CPU minutes:", {step: round(own / 60, 1) for step, own in total.items()})
    print(f"spotrank {of_us / 60:.0f}, on two cores {of_us / 120:.0f}")
    for step in total.keys() - OURS:
        print(f"{step}: {total[step] / of_us:.1f} times as long")


if __name__ == "__main__":
    torch.set_num_threads(1)
    with threadpool_limits(1):
        main("all" in sys.argv)
