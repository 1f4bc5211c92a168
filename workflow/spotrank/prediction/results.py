"""Predictions of a slide as an h5ad that scanpy and squidpy open."""

import logging

import anndata
import h5py
import numpy as np
import pandas as pd

from spotrank.base.store import whole
from spotrank.cohorts import slide_files

HIRES = 2000  # px of the longer side of the picture that scanpy and squidpy draw under spots
CHUNK = 2**20  # numbers of X in a chunk of the file
MOST = 0.5  # share of patches far from home from which a slide is unlike the training
UNLIKE = "unlike the training: scores there are not to be expected"


def annotated(name, path, places, bundle, distance):
    """AnnData of a slide's patches without X.

    name, path: of the slide; places: `places.Places`; bundle: `bundle.Bundle`; distance: of each
    patch from home in units of the threshold `(n,)`. obsm['spatial'] are centres in full-resolution
    px; var is what to expect of each gene.
    """
    far = distance > 1
    obs = {"tissue": places.tissue, "distance": distance, "far": far}
    share = float(far.mean())
    about = {
        "slide": name,
        "bundle": bundle.about["id"],
        "units": bundle.about["units"],
        "scaling": bundle.about["scaling"],
        "um_per_px": places.um_per_px,
        "patch_px": places.side,
        "share_far": share,
        "unlike_training": share > MOST,
        "remark": UNLIKE if share > MOST else "",
    }
    rgb, extent = slide_files.overview(path, HIRES)
    scales = {
        "tissue_hires_scalef": rgb.shape[1] / extent[0],
        "spot_diameter_fullres": places.side,
    }
    picture = {"images": {"hires": rgb}, "scalefactors": scales, "metadata": {}}
    return anndata.AnnData(
        obs=pd.DataFrame(obs, index=places.barcodes),
        var=bundle.genes,
        obsm={"spatial": places.centres},
        uns={"spotrank": about, "spatial": {name: picture}},
    )


def write(adata, path, blocks):
    """Write `adata` with an X of `blocks`: `(rows, float32 (len(rows), n_genes))`, in order.

    Memory doesn't grow with the number of patches.
    """
    with whole(path) as temporary:
        adata.write_h5ad(temporary)
        with h5py.File(temporary, "r+") as file:
            rows = min(max(CHUNK // adata.n_vars, 1), adata.n_obs)
            x = file.create_dataset(
                "X", adata.shape, "f4", chunks=(rows, adata.n_vars), compression="gzip",
                compression_opts=1,
            )  # fmt: skip
            x.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
            for where, block in blocks:
                x[where] = block
    logging.info("%s: %d patches, %d genes", path, *adata.shape)


def most_predictable(genes, n=6):
    """Names of the `n` genes that are most to be expected, by a bundle's `genes`."""
    told = genes.assign(yes=genes["predictable"] == "yes")
    return list(told.sort_values(["yes", "spearman"], ascending=False).index[:n])


def expected(genes):
    """`{gene: words}` of what to expect of a bundle's `genes`."""
    words = {"yes": "", "no": ",\nnot told from chance", "unknown": ",\nnot tested"}
    return {
        gene: f"Spearman {own['spearman']:.2f} on held-out slides{words[own['predictable']]}"
        for gene, own in genes.iterrows()
    }


def columns(path, genes):
    """`{gene: predictions (n,)}` of some genes of a file that `write` wrote, read by blocks."""
    with h5py.File(path) as file:
        x, names = file["X"], list(file["var"][file["var"].attrs["_index"]].asstr()[:])
        where = [names.index(gene) for gene in genes]
        step = x.chunks[0]
        blocks = [x[start : start + step][:, where] for start in range(0, len(x), step)]
    return dict(zip(genes, np.concatenate(blocks).T, strict=True))
