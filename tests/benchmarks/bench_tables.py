"""What tables and figures of many scores cost: CPU seconds and peak memory, by the number of rows.

Run by `make bench`, on made-up cells of 1,000 rows (one slide, 50 genes, 4 losses, 5 seeds) of 20
patients, each with a record like a real one and the same history; the tables of every size, and
their figures, in a process of their own.
"""

import json
import multiprocessing
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

SLIDES, GENES, LOSSES, SEEDS, HEADS, EPOCHS = 20, 50, 4, 5, 10, 100
TEXTS = {"ceiling_flag": "", "leak": "", "panel": "variance-50", "auxiliary": "none", "split": "s"}
NUMBERS = [
    "spearman", "pearson", "mse", "pooled_spearman", "pooled_pearson", "noise_free_spearman",
    "depth_spearman", "spearman_given_depth", "moran_observed", "mae", "moran_predicted",
    "train_pearson", "ari", "nmi", "ceiling_spearman", "ceiling_pearson", "ceiling_spearman_sd",
    "ceiling_pearson_sd", "mean_count",
]  # fmt: skip
MACHINE = {"cpu": "x" * 30, "cores": 2, "memory_gb": 25, "gpu": None, "system": "Linux"}


def make(folder, n):
    """Write `n` cells; their paths."""
    rng, paths = np.random.default_rng(0), []
    runs = list(product(range(LOSSES), range(SEEDS), range(GENES)))
    loss, seed, gene = zip(*runs, strict=True)
    fixed = {"loss": [f"loss{i}" for i in loss], "seed": seed, "gene": [f"GENE{i}" for i in gene]}
    fixed |= {key: [text] * len(runs) for key, text in TEXTS.items()}
    fixed |= {key: [3] * len(runs) for key in ("n_spots", "n_auxiliary")}
    record = _record()
    for i in range(n):
        fold, setting = i % SLIDES, i // SLIDES
        names = {"cohort": "c", "sample": f"S{fold}", "patient": f"Patient {fold}"}
        names |= {"encoder": f"encoder{setting // HEADS}", "head": f"head{setting % HEADS}"}
        table = {key: [text] * len(runs) for key, text in names.items()} | fixed
        table |= {"fold": [fold] * len(runs)}
        table |= {key: rng.uniform(size=len(runs)) for key in NUMBERS}
        own = record | {"stages": record["stages"] | {f"{key} {i}": _stage() for key in "abc"}}
        paths.append(f"{folder}/{i}.parquet")
        metadata = {"spotrank": json.dumps(own)}
        table = pa.table(table).replace_schema_metadata(metadata)
        pq.write_table(table, paths[-1], write_page_checksum=True)
    loss, seed, epoch = zip(*product(range(LOSSES), range(SEEDS), range(EPOCHS)), strict=True)
    history = {"loss": [f"loss{i}" for i in loss], "seed": seed, "epoch": epoch}
    history |= {"auxiliary": ["none"] * len(loss), "n_auxiliary": [0.0] * len(loss)}
    history |= {"monitored": [1 / (1 + i) for i in epoch]}
    pq.write_table(pa.table(history), f"{folder}/history", write_page_checksum=True)
    return paths


def _stage():
    return {"started": "2026-01-01T00:00:00+00:00", "seconds": 1.5, "machine": MACHINE}


def _record():
    """A record of as much as a real one tells."""
    inputs = [f"folder/{kind}/S{i}" for kind in ("st", "wsis", "metadata") for i in range(SLIDES)]
    stamp = {"bytes": 1, "modified_ns": 1, "sha256": "0" * 64}
    return {
        "inputs": dict.fromkeys(inputs, stamp),
        "stages": {f"pair {i}": _stage() for i in range(3 * SLIDES)},
        "made_by": {f"fit {i}": "0" * 12 for i in range(24)},
        "encoders": {},
        "versions": {f"fit {i}": "1.0" for i in range(96)},
        "samples": {f"c/S{i}": {"spots": 1, "section": ["0" * 16] * 20} for i in range(SLIDES)},
    }


def tables(folder, paths):
    """As the script `tables` makes them: how many there are, and what it cost."""
    from spotrank.base.store import lots, row_groups, write_lots
    from spotrank.report import trust
    from spotrank.verdicts import best, slides
    from spotrank.verdicts.compare import compare
    from spotrank.verdicts.summary import summarise

    persons, step = {"c": {f"Patient {i}": i for i in range(SLIDES)}}, Steps()
    step("imports")
    made_by = {f"fit {i}": "0" * 12 for i in range(24)}
    config = {"study": "x", "seeds": []}
    known = trust.collect("p", config, dict.fromkeys(paths, made_by), paths, False)
    step("records, checked")
    write_lots(lots(known["cells"]), f"{folder}/scores", {"provenance": known["id"]})
    step("scores.parquet")
    means = slides.gather(lambda: row_groups(f"{folder}/scores"))
    step("means by slide")
    summary = summarise(means.means)
    pairs = compare(means, summary, persons)
    summary = best.beside(summary, means.means, persons)
    pairs.to_csv(f"{folder}/comparisons", sep="\t", index=False)
    step("verdicts")
    return f"{len(summary)} rows, {len(pairs)} pairs", str(step)


def figures(folder, n):
    """As the script `figures` draws them, PNG and PDF of each: what it cost."""
    from spotrank.base.store import row_groups
    from spotrank.report import ceilings, comparisons, drawn, figures, style
    from spotrank.verdicts.compare import read

    step, scores = Steps(), f"{folder}/scores"
    step("imports")
    runs = drawn.runs(row_groups(scores))
    panels, note = style.panels_of(runs)
    step("means by run")
    genes = drawn.genes(row_groups(scores, drawn.OF_GENES), panels)
    points = drawn.noise_free(row_groups(scores, drawn.OF_NOISE_FREE))
    step("genes")
    histories = drawn.histories([f"{folder}/history"] * n)
    step("histories")
    for figure in (
        figures.scores_by_loss(runs, panels, note),
        comparisons.forest(read(f"{folder}/comparisons")),
        figures.genes(genes, note),
        ceilings.below_ceiling(genes, note),
        ceilings.beside_noise_free(points),
        figures.histories(*histories),
    ):
        style.save(figure, f"{folder}/figure.png", f"{folder}/figure.pdf")
    step("drawn")
    return str(step)


class Steps:
    """CPU seconds of each step and, as text, the peak of memory besides."""

    def __init__(self):
        self.spent, self.begun = {}, time.process_time()

    def __call__(self, name):
        now = time.process_time()
        self.spent[name], self.begun = now - self.begun, now

    def __str__(self):
        steps = ", ".join(f"{name} {seconds:.0f}" for name, seconds in self.spent.items())
        status = Path("/proc/self/status").read_text()
        peak = int(status.split("VmHWM:")[1].split()[0]) / 1e3
        return f"{sum(self.spent.values()):.0f} s ({steps}), {peak:.0f} MB"


def main(sizes):
    for n in sizes:
        with tempfile.TemporaryDirectory() as folder:
            paths = make(folder, n)
            with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
                size, spent = pool.apply(tables, (folder, paths))
                print(f"{n * LOSSES * SEEDS * GENES:,} scores of {n:,} cells ({size})")
                print(f"  tables: {spent}", flush=True)
                print(f"  figures: {pool.apply(figures, (folder, n))}", flush=True)


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [100, 1000, 10_000])
