"""A fit beside STRank's released training code: CPU seconds a run, one thread each.

    STRANK=a/checkout/of/their/repository python tests/benchmarks/bench_published.py

Part of `make bench`, which says so where `STRANK` names no checkout. Their code also needs
`pytorch-lightning`, `torchmetrics` and `tensorboardX`, and runs as it is but on the CPU. Both take
the four real sections, embeddings and genes of `../shared/reference/official_run`, for up to 1,000
epochs, and stop by themselves. A run is a process of its own, imports and all; once more all runs
of ours are one fit. Ratios are of one machine in one run.
"""

import os
import resource
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[2] / "workflow"), str(HERE.parents[1] / "real")]

SHARED = HERE.parents[3] / "shared"
OFFICIAL, HER2ST = SHARED / "reference/official_run", SHARED / "data/her2st"
LOSSES = {  # ours, with released options, and their name of it; our margin_rank takes all pairs
    "mse": ({}, "mse"),
    "poisson": ({}, "poisson"),
    "negative_binomial": ({}, "nb"),
    "margin_rank": ({}, "ranking"),
    "pearson": ({}, "pearsona"),
    "strank_list": ({}, "stranklist"),
    "strank_pair": ({"entropy": True}, "strankg"),
}
SEEDS = 5


def write(folder):
    """The sections as their code reads them."""
    import h5py
    from test_her2st import paired

    from spotrank.encoders import stored

    for section, adata in paired(HER2ST).items():
        given = OFFICIAL / f"embeddings/{section}.h5", HER2ST / f"st/{section}.h5ad"
        vectors = dict(zip(*stored.read_given(*given), strict=True))
        with h5py.File(folder / f"{section}.h5", "w") as file:
            file["img_feat"] = np.stack([vectors[barcode] for barcode in adata.obs_names])
            file["count"] = file["exp"] = adata.X.toarray().astype("f4")
            file["gene_list"] = adata.var_names.tolist()


def theirs(loss, data):
    import pytorch_lightning

    class OnCPU(pytorch_lightning.Trainer):
        def __init__(self, **options):
            super().__init__(**options | {"accelerator": "cpu"})

    pytorch_lightning.Trainer = OnCPU
    script = Path(os.environ["STRANK"]) / "strank/train.py"
    sys.path.insert(0, str(script.parent))
    sys.argv = [
        str(script), "--data_dir", data, "--param_path", f"{data}/{loss}.pt",
        "--log_dir", f"{data}/{loss}", "--loss", LOSSES[loss][1], "--max_epochs", "1000",
        "--use_gene", str(OFFICIAL / "panel_50.txt"), "--test_sample_ids", "SPA139",
        "--val_sample_ids", "SPA140", "--train_sample_ids", "SPA141", "SPA145",
    ]  # fmt: skip
    runpy.run_path(str(script), run_name="__main__")


def ours(loss, _):
    import torch
    from test_her2st import PUBLISHED, official, paired

    from spotrank.fitting import fit

    torch.set_num_threads(1)
    train, validation, _ = official(paired(HER2ST), HER2ST, OFFICIAL)
    named = LOSSES if loss == "all" else [loss]
    losses = {name: (name, LOSSES[name][0]) for name in named}
    seeds = list(range(SEEDS)) if loss == "all" else [0]
    fit.fit(train, validation, losses, seeds, ("linear", {}), PUBLISHED, "panel")


def seconds(whose, loss, folder):
    """CPU seconds of a process of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    command = [sys.executable, __file__, whose, loss, folder]
    told = subprocess.run(command, env=os.environ | one, capture_output=True, text=True)
    if told.returncode:
        raise SystemExit(told.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    if "STRANK" not in os.environ or not HER2ST.exists():
        print("not beside STRank's released code: STRANK names no checkout of it")
        return
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        print("CPU seconds a run, one thread: theirs, ours alone, ratio")
        for loss in LOSSES:
            found[loss] = [seconds(whose, loss, folder) for whose in ("theirs", "ours")]
            print(f"  {loss:18} {found[loss][0]:6.1f} {found[loss][1]:6.1f} "
                  f"{found[loss][0] / found[loss][1]:6.1f}", flush=True)  # fmt: skip
        together = seconds("ours", "all", folder) / (SEEDS * len(LOSSES))
    mean = np.mean([own for own, _ in found.values()])
    print(f"  {'mean':18} {mean:6.1f}, of ours {SEEDS * len(LOSSES)} runs in one fit "
          f"{together:.2f}: {mean / together:.0f} times")  # fmt: skip


if __name__ == "__main__":
    {"theirs": theirs, "ours": ours}[sys.argv[1]](*sys.argv[2:]) if len(sys.argv) > 1 else main()
