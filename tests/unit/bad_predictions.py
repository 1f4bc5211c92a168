"""Other tools' predictions, each spoilt in one way, and the sentence that it must give."""

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from spotrank.fitting import given

GENES = ["SIM001", "SIM002", "SIM003"]


def table(folder):
    """Predictions of three genes for SIM1's 40 spots."""
    spots = anndata.read_h5ad(folder / "st/SIM1.h5ad").obs_names
    values = np.random.default_rng(0).normal(size=(len(spots), len(GENES)))
    return pd.DataFrame(values, spots, GENES)


def parquet(change=lambda table: table):
    return lambda folder: change(table(folder)).to_parquet(folder / "SIM1.parquet")


def h5ad(change):
    def make(folder):
        own = table(folder)
        adata = anndata.AnnData(own.to_numpy("f4"), own[[]], pd.DataFrame(index=own.columns))
        change(adata).write_h5ad(folder / "SIM1.h5ad")

    return make


def both(folder):
    parquet()(folder)
    h5ad(lambda adata: adata)(folder)


def with_value(value):
    def change(table):
        table.iloc[3, 1] = value
        return table

    return change


def named(names, axis):
    return lambda table: table.set_axis(names(getattr(table, axis)), axis=axis)


PREDICTIONS = {
    "missing": (lambda folder: None, "lacks SIM1.h5ad and SIM1.parquet; keep one of them"),
    "two files": (both, "holds both SIM1.h5ad and SIM1.parquet; keep one of them"),
    "no Parquet": (
        lambda folder: (folder / "SIM1.parquet").write_text("hello"),
        "not a readable table of Parquet",
    ),
    "no h5ad": (
        lambda folder: (folder / "SIM1.h5ad").write_text("hello"),
        "not a readable h5ad, but no HDF5 file at all",
    ),
    "no barcodes": (
        parquet(lambda table: table.reset_index(drop=True)),
        "has neither a column 'barcode' nor an index",
    ),
    "spot twice": (
        parquet(lambda table: pd.concat([table, table[:1]])),
        "the spot '.*' stands there twice; keep one",
    ),
    "gene twice": (
        h5ad(lambda adata: adata[:, [0, 1, 1]].copy()),
        "the gene 'SIM002' stands there twice; keep one",
    ),
    "no gene": (parquet(lambda table: table[[]]), "has no gene; write it again"),
    "spots lacking": (
        parquet(lambda table: table[3:]),
        "lacks 3 of the sample's 40 spots, such as '.*'; predict all spots that pass",
    ),
    "another suffix": (
        parquet(named(lambda names: names + "-1", "index")),
        r"lacks 40 of the sample's 40 spots, such as '(.+)', and has such as '\1-1', which differ "
        "in the suffix after '-'; write those of the spots",
    ),
    "another sample's": (
        parquet(named(lambda names: "zz" + names, "index")),
        "which are of different samples; check the cohort's 'predictions'",
    ),
    "ids for symbols": (
        parquet(named(lambda names: [f"ENSG{i:011d}" for i in range(3)], "columns")),
        "has none of the 2 genes of the panel, such as 'SIM002', but such as 'ENSG00000000000'",
    ),
    "NaN": (
        parquet(with_value(np.nan)),
        "1 values are no finite numbers, such as that of 'SIM002' at",
    ),
    "infinite": (parquet(with_value(np.inf)), "1 values are no finite numbers"),
    "too large for float32": (parquet(with_value(1e200)), "1 values are no finite numbers"),
    "text": (
        parquet(lambda table: table.astype({"SIM002": str})),
        "'SIM002' is .*string, not numbers; write numbers",
    ),
    "truth values": (
        h5ad(lambda adata: anndata.AnnData(sparse.csr_matrix(adata.X > 0), adata.obs, adata.var)),
        "X holds no real numbers; put what was predicted there",
    ),
    "no X": (h5ad(lambda adata: anndata.AnnData(None, adata.obs, adata.var)), "X holds no real"),
}


def check_predictions(edit, folder, config):
    own = folder / "tool"
    (own / "st").mkdir(parents=True)
    (own / "st/SIM1.h5ad").symlink_to(folder / "st/SIM1.h5ad")
    edit(own)
    given.check_there(own, "SIM1")
    path, st = given.path_of(own, "SIM1"), folder / "st/SIM1.h5ad"
    given.check(path, st)
    given.read(path, anndata.read_h5ad(st).obs_names, ["SIM002", "SIM009"])
