"""Pair counts with patches: the spots of a sample that can be used, with raw counts."""

import logging

import numpy as np
import pandas as pd
from scipy import sparse

from spotrank.base.store import InputError, in_a_line, unreadable
from spotrank.cohorts import hest
from spotrank.spots import sections, slides

# version of the numbers: raise it with them, and every file made before is stale
NUMBERS = 1


def pair(st, metadata, qc, patches, wsi=None, patch_file=None):
    """Spots of one sample that pass QC and have a patch.

    st: path of the sample's h5ad; metadata: path of its JSON; qc: `min_genes` a spot, `min_spots` a
    gene, `max_mito`, the share of mitochondrial counts that a spot must stay below.
    patches: their geometry, see `slides.patch_side`; wsi, patch_file: the slide or HEST's patches,
    if any, that spots must lie on or be in.

    Returns AnnData: raw counts (CSR) of all genes; `obs`: `library` (counts of the spot over all
    genes), `n_genes`, `mito`; `var`: `n_spots` (kept spots that have the gene) and `passed`;
    `obsm`: `spatial` and `patch` (centre and upper left corner in full-resolution px);
    `uns`: `pixel_size_um`, `patch_side_px`, `qc`, the number of spots left after each step, and
    `section`, see `sections.marks`.
    Raises `InputError` for what is no count, lacks coordinates, or leaves no spot.
    """
    adata = hest.read_spots(st)
    try:
        adata = adata.to_memory()
    except Exception as error:
        raise unreadable(st, error) from None
    counts = _counts(adata, st)
    spatial = np.asarray(adata.obsm["spatial"], float)
    adata.var_names_make_unique()
    pixel_size_um = hest.read_pixel_size(metadata)
    side = slides.patch_side(patches, pixel_size_um)

    library = np.asarray(counts.sum(1)).ravel()
    mitochondrial = adata.var_names.str.upper().str.startswith("MT-")
    mito = np.asarray(counts[:, mitochondrial].sum(1)).ravel() / np.maximum(library, 1)
    n_genes = counts.getnnz(1)
    steps = {
        "enough_genes": (n_genes >= max(qc["min_genes"], 1)),
        "low_mito": mito < qc["max_mito"],
    }
    if wsi is not None:
        steps["on_slide"] = slides.on_slide(wsi, spatial, side, st, metadata)
    if patch_file is not None:
        barcodes = hest.read_patches(patch_file)[0]
        steps["has_patch"] = adata.obs_names.isin(barcodes)
        if not steps["has_patch"].any():
            raise InputError(
                f"{patch_file} has no barcode in common with {st}; they are of different samples."
            )
    kept, left = np.ones(adata.n_obs, bool), {"measured": adata.n_obs}
    for step, passed in steps.items():
        kept &= passed
        left[step] = int(kept.sum())
    logging.info("spots left: %s", left)
    if not kept.any():
        raise InputError(f"{st}: no spot is left after QC ({left}); loosen 'spots' in the config.")

    section = sections.marks(counts, spatial, wsi)
    counts = counts[kept]
    n_spots = counts.getnnz(0)
    spots = type(adata)(
        X=counts,
        obs=pd.DataFrame(
            {"library": library[kept], "n_genes": n_genes[kept], "mito": mito[kept]},
            index=adata.obs_names[kept],
        ),
        var=pd.DataFrame(
            {"n_spots": n_spots, "passed": n_spots >= qc["min_spots"]}, index=adata.var_names
        ),
        obsm={"spatial": spatial[kept], "patch": spatial[kept] - side / 2},
        uns={
            "pixel_size_um": pixel_size_um,
            "patch_side_px": side,
            "qc": left,
            "section": section,
        },
    )
    if "noise_free" in adata.layers:  # a simulated cohort's truth
        spots.layers["noise_free"] = adata.layers["noise_free"][kept]
    return spots


def _counts(adata, st):
    """The raw counts as CSR float32 without stored zeros; `InputError` for what is no count."""
    if adata.X is None or 0 in adata.shape:
        raise InputError(f"{st}: has no counts (its shape is {adata.shape}); get it again.")
    try:
        counts = sparse.csr_matrix(adata.X, dtype=np.float32)
    except (ValueError, TypeError, IndexError) as error:
        raise InputError(
            f"{st}: X is no matrix of numbers ({in_a_line(error)}); put the raw counts in X."
        ) from None
    counts.sum_duplicates()
    values = counts.data
    for wrong, what in (
        (~np.isfinite(values), "not a number"),
        (values < 0, "negative"),
        (values != np.floor(values), "fractional"),
    ):
        if wrong.any():
            raise InputError(
                f"{st}: X holds {values[wrong][0]:g}, which is {what}, but raw counts are needed; "
                "put the raw counts in X."
            )
    counts.eliminate_zeros()
    return counts
