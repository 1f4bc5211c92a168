"""Pair counts with patches: the spots of a sample that can be used, with raw counts."""

import logging

import numpy as np
import pandas as pd

from spotrank.base.store import InputError
from spotrank.cohorts import h5ad, hest, patch_files
from spotrank.spots import features, quality, sections, slides

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
    `uns`: `pixel_size_um`, `patch_side_px`, `quality`, see `quality.measure` and `genes_of`,
    `section`, see `sections.marks`, and `lost`: place (`x`, `y` in px) of each spot that is left
    out, and the `step` that it fails first.
    Raises `InputError` for what is no count, lacks coordinates, or leaves no spot.
    """
    adata, (counts, genes, found) = hest.read_spots(st), genes_of(st, counts_layer)
    spatial = np.asarray(adata.obsm["spatial"], float)
    pixel_size_um = hest.read_pixel_size(metadata)
    side = slides.patch_side(patches, pixel_size_um)
    library = np.asarray(counts.sum(1)).ravel()
    mitochondrial = counts[:, genes["mitochondrial"].to_numpy()]
    mito = np.asarray(mitochondrial.sum(1)).ravel() / np.maximum(library, 1)
    n_genes = counts.getnnz(1)
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
    lost = pd.DataFrame({"x": spatial[:, 0], "y": spatial[:, 1], "step": ""}, adata.obs_names)
    for step, passed in steps.items():
        lost.loc[kept & ~passed, "step"] = step
        kept &= passed
        left[step] = int(kept.sum())
    logging.info("spots left: %s", left)
    if not kept.any():
        raise InputError(f"{st}: no spot is left after QC ({left}); loosen 'spots' in the config.")
    off_slide = int((~steps.get("on_slide", kept[:0])).sum())
    pitch_um = hest.read_pitch(metadata)
    found |= quality.measure(
        left, library[kept], mito[kept], spatial, pixel_size_um, pitch_um, wsi, off_slide
    )

    section = sections.marks(counts, spatial, wsi)
    single = ~genes["doubled"].to_numpy()
    counts = counts[kept][:, single]
    n_spots = counts.getnnz(0)
    spots = type(adata)(
        X=counts,
        obs=pd.DataFrame(
            {"library": library[kept], "n_genes": n_genes[kept], "mito": mito[kept]},
            index=adata.obs_names[kept],
        ),
        var=pd.DataFrame(
            {"n_spots": n_spots, "passed": n_spots >= qc["min_spots"]}, index=genes.index[single]
        ),
        obsm={"spatial": spatial[kept], "patch": spatial[kept] - side / 2},
        uns={
            "pixel_size_um": pixel_size_um,
            "patch_side_px": side,
            "quality": found,
            "section": section,
            "lost": lost[~kept],
        },
    )
    if truth:
        of_features = h5ad.read_layer(st, "noise_free")[kept]
        spots.layers["noise_free"] = of_features[:, genes["place"].to_numpy()[single]]
    return spots


def genes_of(st, counts_layer=None):
    """Counts of a sample's genes `(n_spots, n_genes)`; a table of these by name: `place` among the
    features, `mitochondrial` and `doubled`; and what there is.

    The last is a dict of the number of `genes` that have a name of their own, and of those left
    out: `controls`, which are nowhere counted, and `doubled`, that share their symbol; and
    `no_mito`: a whole transcriptome, but no mitochondrial gene.
    """
    table = h5ad.read_genes(st, counts_layer)
    place = np.flatnonzero(~features.are_controls(table))
    counts, controls = h5ad.read_counts(st, counts_layer)[:, place], len(table) - len(place)
    table = table.iloc[place]
    names, doubled = features.told_apart(table)
    mitochondrial = features.are_mitochondrial(table)
    whole = len(table) >= features.WHOLE_TRANSCRIPTOME
    found = {
        "genes": int((~doubled).sum()),
        "controls": controls,
        "doubled": int(doubled.sum()),
        "no_mito": bool(whole and not mitochondrial.any()),
    }
    logging.info("features: %s", found)
    columns = {"place": place, "mitochondrial": mitochondrial, "doubled": doubled}
    return counts, pd.DataFrame(columns, index=names), found
