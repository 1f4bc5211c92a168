"""Pair counts with patches: the spots of a sample that can be used, with raw counts."""

import logging

import numpy as np
import pandas as pd

from spotrank.base.store import InputError
from spotrank.cohorts import h5ad, hest, patch_files
from spotrank.spots import features, sections, slides

# version of the numbers: raise it with them, and every file made before is stale
NUMBERS = 2


def pair(st, metadata, qc, patches, wsi=None, patch_file=None, counts_layer=None, truth=False):
    """Spots of one sample that pass QC and have a patch.

    st: path of the sample's h5ad; metadata: path of its JSON; qc: `min_genes` a spot, `min_spots` a
    gene, `max_mito`, the share of mitochondrial counts that a spot must stay below.
    patches: their geometry, see `slides.patch_side`; wsi, patch_file: the slide or HEST's patches,
    if any, that spots must lie on or be in; counts_layer: see `h5ad.read_counts`; truth: whether
    the file has that of a simulation, `layers['noise_free']`, which is kept.

    Returns AnnData: raw counts (CSR) of all genes that have a name of their own, see
    `features.told_apart`; `obs`: `library` (counts of the spot over all genes), `n_genes`, `mito`;
    `var`: `n_spots` (kept spots that have the gene) and `passed`;
    `obsm`: `spatial` and `patch` (centre and upper left corner in full-resolution px);
    `uns`: `pixel_size_um`, `patch_side_px`, `qc`, the number of spots left after each step, and
    `features`, the number of `genes` kept and of those left out: `controls`, which are nowhere
    counted, and `doubled`, that share their symbol; `no_mito`: a whole transcriptome, but no
    mitochondrial gene; `section`, see `sections.marks`.
    Raises `InputError` for what is no count, lacks coordinates, or leaves no spot.
    """
    adata, table = hest.read_spots(st), h5ad.read_genes(st, counts_layer)
    counts = h5ad.read_counts(st, counts_layer)
    is_gene = ~features.are_controls(table)
    counts, table = counts[:, is_gene], table[is_gene]
    names, doubled = features.told_apart(table)
    spatial = np.asarray(adata.obsm["spatial"], float)
    pixel_size_um = hest.read_pixel_size(metadata)
    side = slides.patch_side(patches, pixel_size_um)

    library = np.asarray(counts.sum(1)).ravel()
    mitochondrial = features.are_mitochondrial(table)
    mito = np.asarray(counts[:, mitochondrial].sum(1)).ravel() / np.maximum(library, 1)
    n_genes = counts.getnnz(1)
    whole = len(table) >= features.WHOLE_TRANSCRIPTOME
    found = {
        "genes": int((~doubled).sum()),
        "controls": int((~is_gene).sum()),
        "doubled": int(doubled.sum()),
        "no_mito": bool(whole and not mitochondrial.any()),
    }
    logging.info("features: %s", found)
    if found["no_mito"]:
        logging.warning(
            "%s: no gene is known as mitochondrial, so spots.max_mito drops no spot; check the "
            "names of genes.",
            st,
        )
    steps = {
        "enough_genes": (n_genes >= max(qc["min_genes"], 1)),
        "low_mito": mito < qc["max_mito"],
    }
    if wsi is not None:
        steps["on_slide"] = slides.on_slide(wsi, spatial, side, st, metadata)
    if patch_file is not None:
        barcodes = patch_files.read_patches(patch_file, patches, pixel_size_um)[0]
        steps["has_patch"] = adata.obs_names.isin(barcodes)
        if not steps["has_patch"].any():
            raise patch_files.strangers(patch_file, barcodes, st, adata.obs_names)
    kept, left = np.ones(adata.n_obs, bool), {"measured": adata.n_obs}
    for step, passed in steps.items():
        kept &= passed
        left[step] = int(kept.sum())
    logging.info("spots left: %s", left)
    if not kept.any():
        raise InputError(f"{st}: no spot is left after QC ({left}); loosen 'spots' in the config.")

    section = sections.marks(counts, spatial, wsi)
    counts = counts[kept][:, ~doubled]
    n_spots = counts.getnnz(0)
    spots = type(adata)(
        X=counts,
        obs=pd.DataFrame(
            {"library": library[kept], "n_genes": n_genes[kept], "mito": mito[kept]},
            index=adata.obs_names[kept],
        ),
        var=pd.DataFrame(
            {"n_spots": n_spots, "passed": n_spots >= qc["min_spots"]}, index=names[~doubled]
        ),
        obsm={"spatial": spatial[kept], "patch": spatial[kept] - side / 2},
        uns={
            "pixel_size_um": pixel_size_um,
            "patch_side_px": side,
            "qc": left,
            "features": found,
            "section": section,
        },
    )
    if truth:
        spots.layers["noise_free"] = h5ad.read_layer(st, "noise_free")[kept][:, is_gene][
            :, ~doubled
        ]
    return spots
