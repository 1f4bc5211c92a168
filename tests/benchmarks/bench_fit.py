"""What a fit costs, by runs, spots, features and genes; where the time goes; what the floor is.

Run by `make bench`, on made-up counts; every case in a process of its own, whose peak memory is
told. Ratios are of one machine in one run; the times are of what else the machine does, too.
"""

import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

from spotrank.fitting import fit
from spotrank.fitting.batches import SPOTS_AT_A_TIME, Spots
from spotrank.fitting.losses import LOSSES
from spotrank.scoring import score

SEVEN = [
    "mse", "poisson", "negative_binomial", "margin_rank", "pearson", "strank_list", "strank_pair",
]  # fmt: skip
TRAINING = {
    "learning_rate": 5e-5,
    "weight_decay": 0.01,
    "batch_size": 256,
    "patience": 1000,
    "monitor": "loss",
    "standardise": True,
    "batches": "random",
}
OFFICIAL = {"spots": 454, "features": 536, "genes": 50}  # of the published run on four sections
KINDS = {
    "matrix products": ("bmm", "baddbmm", "matmul"),
    "gather and copy": ("index", "copy_", "cat", "gather", "scatter", "split", "clone", "fill_"),
    "optimiser": ("_fused_adamw_",),
    "sort": ("sort", "argsort"),
}


def spots(n, features, genes, seed):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(3, (n, genes)).astype("f4")
    tissue = np.sort(rng.integers(2, size=n))
    x = rng.standard_normal((n, features), "f4")
    return Spots(x, counts, counts.sum(1) + 100, tissue, *[np.zeros((n, 2))] * 4)


def run(spots_, features, genes, losses, seeds, epochs, budget=None):
    """Seconds an epoch of all runs of a linear head, and the peak of their memory in MB."""
    torch.set_num_threads(1)

    def seconds(spots_, features, genes, epochs):
        train, validation = (spots(n, features, genes, n) for n in (spots_, max(spots_ // 5, 100)))
        begun = time.perf_counter()
        fit.fit(
            train, validation, {name: (name, {}) for name in losses}, list(range(seeds)),
            ("linear", {}), TRAINING | {"max_epochs": epochs}, "library", budget=budget,
        )  # fmt: skip
        return time.perf_counter() - begun

    seconds(100, 8, 5, 1)  # imports
    begun = peak_mb()
    once = seconds(spots_, features, genes, 1)
    if epochs > 1:
        once = (seconds(spots_, features, genes, epochs) - once) / (epochs - 1)
    return once, peak_mb() - begun


def peak_mb():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3


def alone(function, *arguments, **options):
    """Call in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments, options)


def by_runs():
    print(f"a linear head, {OFFICIAL}, one thread: ms a run and epoch")
    one = {}
    for name in LOSSES:
        seconds, _ = alone(run, *OFFICIAL.values(), [name], 1, 60)
        one[name] = 1e3 * seconds
        print(f"  {name:18} alone {one[name]:6.2f}")
    mean = np.mean([one[name] for name in SEVEN])
    print(f"  {'mean of seven':18}  1 run {mean:6.2f}")
    for seeds in (1, 5):
        seconds, peak = alone(run, *OFFICIAL.values(), SEVEN, seeds, 60)
        cost = 1e3 * seconds / (7 * seeds)
        print(f"  {'seven losses':18} {7 * seeds:2} runs {cost:5.2f}, {mean / cost:.2f} times "
              f"cheaper than alone; {peak:.0f} MB")  # fmt: skip


def profile():
    """Shares of the time by kind of operation, and the products at this machine's best speed."""
    torch.set_num_threads(1)
    n, d, g = OFFICIAL.values()
    train, validation = spots(n, d, g, 0), spots(180, d, g, 1)
    losses, seeds, epochs = {name: (name, {}) for name in SEVEN}, [0, 1, 2, 3, 4], 20
    training = TRAINING | {"max_epochs": epochs}

    def go():
        fit.fit(train, validation, losses, seeds, ("linear", {}), training, "library")

    go()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        begun = time.perf_counter()
        go()
        seconds = time.perf_counter() - begun
    spent = dict.fromkeys([*KINDS, "element by element"], 0.0)
    for event in profiler.key_averages():
        name = event.key.removeprefix("aten::")
        if event.key.startswith("aten::"):
            kind = next((k for k, names in KINDS.items() if name in names), "element by element")
            spent[kind] += event.self_cpu_time_total / 1e6
    spent["Python, and numpy's sort"] = seconds - sum(spent.values())
    print("where the time goes, 35 runs, by the profiler (which slows small operations)")
    for kind, own in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"  {kind:26} {own / seconds:4.0%}")
    a, b = torch.randn(35, 227, d), torch.randn(35, d, g)
    a.bmm(b)
    begun = time.perf_counter()
    for _ in range(20):
        a.bmm(b)
    rate = 20 * 2 * 35 * 227 * d * g / (time.perf_counter() - begun)
    products = 2 * d * g * (2 * n + 180)  # forward and the weights' gradient; validation
    traffic = 35 * d * g * 4 * 9 * 2  # AdamW reads and writes weight, gradient, two moments
    print(f"  the floor of a run and epoch: {products / 1e6:.0f} MFLOP of products, "
          f"{1e3 * products / rate:.2f} ms at {rate / 1e9:.0f} GFLOP/s; "
          f"{traffic / 35 / 1e6:.1f} MB through the optimiser")  # fmt: skip


def by_size():
    print("seconds an epoch, and peak memory besides that of imports; 7 losses, 1 seed unless said")
    base = {"spots_": 2000, "features": 512, "genes": 50}
    for key, values in (
        ("spots_", (500, 5000, 50_000)),
        ("features", (128, 512, 1536)),
        ("genes", (50, 500, 5000)),
    ):
        for value in values:
            case = base | {key: value}
            seconds, peak = alone(run, **case, losses=SEVEN, seeds=1, epochs=2)
            print(f"  {key.strip('_'):9} {value:6}: {seconds:7.2f} s {peak:7.0f} MB")
    for seeds in (1, 3, 5):
        seconds, peak = alone(run, **base, losses=SEVEN, seeds=seeds, epochs=2)
        print(f"  {'runs':9} {7 * seeds:6}: {seconds:7.2f} s {peak:7.0f} MB")
    print("large problems, one epoch, within a budget of 6 GB for the training")
    for name, case in (
        ("70,000 spots × 1,536 features × 50 genes × 35 runs", (70_000, 1536, 50, SEVEN, 5)),
        ("3,000 spots × 1,536 features × 20,000 genes × 7 runs", (3000, 1536, 20_000, SEVEN, 1)),
    ):
        seconds, peak = alone(run, *case, epochs=1, budget=6e9)
        print(f"  {name}: {seconds:.0f} s, {peak / 1e3:.1f} GB")


def _score(n, genes, runs):
    import anndata
    import pandas as pd
    import scipy.sparse

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    counts = scipy.sparse.csr_matrix(rng.poisson(0.3, (n, genes)).astype("f4"))
    barcodes, names = (np.arange(k).astype(str) for k in (n, genes))
    adata = anndata.AnnData(
        counts, pd.DataFrame({"library": counts.sum(1).A1 + 1}, barcodes), pd.DataFrame(index=names)
    )
    adata.obsm["spatial"] = rng.uniform(size=(n, 2))
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/predictions.h5"
        with h5py.File(path, "w") as file:
            chunks = 1, min(n, SPOTS_AT_A_TIME), min(genes, 64)
            predictions = file.create_dataset("predictions", (runs, n, genes), "f4", chunks=chunks)
            for run_ in range(runs):
                predictions[run_] = rng.standard_normal((n, genes), "f4")
            file["slope"], file["intercept"] = np.ones((runs, genes)), np.zeros((runs, genes))
            file["train_pearson"] = np.zeros((runs, genes))
            file["gene"], file["barcode"] = names.tolist(), barcodes.tolist()
            file["sample"], file["loss"] = ["a"] * n, ["mse"] * runs
            file["seed"] = file["n_auxiliary"] = np.arange(runs)
        begun = time.perf_counter()
        rows = sum(len(part) for part in score.score(path, {"a": adata}, "library"))
        assert rows == runs * genes
        seconds = time.perf_counter() - begun
    return seconds, peak_mb()


def scoring():
    n, genes, runs = 3000, 2000, 7
    seconds, peak = alone(_score, n, genes, runs)
    epoch, _ = alone(run, n, 1536, genes, SEVEN, 1, 1)
    print(f"scoring {n} spots × {genes} genes × {runs} runs: {seconds:.1f} s "
          f"({1e9 * seconds / (n * genes * runs):.0f} ns a number), {peak:.0f} MB; "
          f"an epoch of their fit (1,536 features): {epoch:.1f} s")  # fmt: skip


if __name__ == "__main__":
    by_runs()
    profile()
    by_size()
    scoring()
