"""CPU seconds and peak memory of reading large runs of one's own, against runs of a tenth.

Run by `make bench`; the runs are made up, of the size of real ones, and written by parts. Each is
read in a process of its own. Memory that is flat is about the same for both.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

from spotrank.cohorts.sources import visium_hd, xenium

TRANSCRIPTS, GENES_OF_PANEL = 50_000_000, 377
BINS, GENES, GENES_OF_BIN = 419, 18_000, 700  # 16 µm; genes of a bin are some, not all
READERS = {"xenium": xenium, "visium_hd": visium_hd}


def write_xenium(folder, n):
    """A run of `n` transcripts over 10 × 10 mm, in row groups as Xenium writes them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(0)
    names = pa.array([f"GENE{gene}" for gene in range(GENES_OF_PANEL)])
    categories = pa.array(["predesigned_gene", "negative_control_probe"])
    (folder / "experiment.xenium").write_text(json.dumps({"pixel_size": 0.2125}))
    writer = None
    for start in range(0, n, 10**6):
        m = min(10**6, n - start)
        table = pa.table(
            {
                "transcript_id": np.arange(start, start + m, dtype=np.uint64),
                "cell_id": pa.array(["aaaabbbb-1"] * m),
                "feature_name": names.take(random.integers(GENES_OF_PANEL, size=m)),
                "x_location": random.uniform(0, 10_000, m).astype("f4"),
                "y_location": random.uniform(0, 10_000, m).astype("f4"),
                "z_location": random.uniform(0, 30, m).astype("f4"),
                "qv": random.choice([10, 25, 40], m).astype("f4"),
                "codeword_category": categories.take((random.random(m) < 0.02).astype(int)),
                "is_gene": random.random(m) > 0.02,
            }
        )
        writer = writer or pq.ParquetWriter(folder / "transcripts.parquet", table.schema)
        writer.write_table(table)
    writer.close()


def write_visium_hd(folder, n):
    """A section of `n` rows of 419 bins of 16 µm, all in tissue, 10 % of them empty."""
    random = np.random.default_rng(0)
    spatial = folder / "square_016um/spatial"
    spatial.mkdir(parents=True)
    row, column = (places.ravel() for places in np.mgrid[:n, :BINS])
    barcodes = [f"s_016um_{r:05d}_{c:05d}-1" for r, c in zip(row, column, strict=True)]
    positions = {
        "barcode": barcodes,
        "in_tissue": 1,
        "array_row": row,
        "array_col": column,
        "pxl_row_in_fullres": 30_000 - row * 58.0,
        "pxl_col_in_fullres": 1_000 + column * 58.0,
    }
    pd.DataFrame(positions).to_parquet(spatial / "tissue_positions.parquet")
    scales = {"bin_size_um": 16.0, "microns_per_pixel": 16 / 58}
    (spatial / "scalefactors_json.json").write_text(json.dumps(scales))
    n_genes = np.where(random.random(len(row)) < 0.1, 0, GENES_OF_BIN)
    with h5py.File(spatial.parent / "filtered_feature_bc_matrix.h5", "w") as file:
        matrix = file.create_group("matrix")
        total, packed = int(n_genes.sum()), {"chunks": (2**16,), "compression": 1}
        matrix.create_dataset("data", (total,), "i4", **packed)
        matrix.create_dataset("indices", (total,), "i8", **packed)
        step = GENES // GENES_OF_BIN
        for start in range(0, total, 10**4 * GENES_OF_BIN):
            m = min(10**4, (total - start) // GENES_OF_BIN)
            genes = np.arange(GENES_OF_BIN) * step + random.integers(step, size=(m, GENES_OF_BIN))
            part = slice(start, start + genes.size)
            matrix["indices"][part] = genes.ravel()
            matrix["data"][part] = random.integers(1, 4, genes.size)
        matrix["indptr"] = np.concatenate([[0], np.cumsum(n_genes)])
        matrix["shape"] = [GENES, len(row)]
        matrix["barcodes"] = np.array(barcodes, "S")
        names = np.array([f"GENE{gene}" for gene in range(GENES)], "S")
        kinds = np.full(GENES, b"Gene Expression")
        matrix["features/id"] = matrix["features/name"] = names
        matrix["features/feature_type"] = kinds


def read(source, folder):
    """Read a run and print its CPU seconds, peak MB of memory, spots and counts."""
    row = {"folder": folder, "image": f"{folder}/x.tif", "alignment": "aligned"}
    start = time.process_time()
    sample = READERS[source].read(row, 112)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    counts = sample.counts.sum(dtype=float)
    print(f"{seconds:7.1f} s {peak:7.0f} MB {len(sample.places):7,} spots {counts:14,.0f} counts")


def main():
    runs = {
        "xenium": (write_xenium, (TRANSCRIPTS // 10, TRANSCRIPTS), "transcripts"),
        "visium_hd": (write_visium_hd, (BINS // 10, BINS), f"rows of {BINS} bins"),
    }
    for source, (write, sizes, what) in runs.items():
        for n in sizes:
            with tempfile.TemporaryDirectory() as folder:
                write(Path(folder), n)
                command = [sys.executable, __file__, source, folder]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
            print(f"{source:10} {n:11,} {what}: {done.stdout}", end="", flush=True)


if __name__ == "__main__":
    read(*sys.argv[1:]) if sys.argv[1:] else main()
