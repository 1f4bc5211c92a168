"""What a reader of somebody's own runs yields of a sample, and how it is kept."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from spotrank.base.store import whole

# version of the numbers: raise it with them, and every sample imported before is stale
NUMBERS = 1


@dataclass
class Frame:
    """A picture by its small copy: `picture`, a path, of `scale` px a px."""

    picture: Path
    scale: float


@dataclass
class Sample:
    """Counts of a sample and where they were measured.

    counts: raw, CSR `(n_spots, n_genes)`; genes: a row a gene, its name as index, columns `id` and
    `type` ('' where none is told); barcodes: `(n_spots,)`; places: centres of the spots in px of
    the slide, x then y `(n_spots, 2)`; um_per_px: of the slide; pitch_um: distance of neighbouring
    spots in µm, or None; frame: the picture that the places are of, where a small copy of it is
    there to check the slide by; found: `{what: value}`, what a person should know of what was read
    and left out, in the order of reading.
    """

    counts: sparse.csr_matrix
    genes: pd.DataFrame
    barcodes: pd.Index
    places: np.ndarray
    um_per_px: float
    pitch_um: float | None = None
    frame: Frame | None = None
    found: dict = field(default_factory=dict)

    def write(self, st, metadata, about):
        """Write it as HEST-1k lays out a sample: counts and places to `st`, an h5ad, the rest to
        `metadata`, a JSON, with `found` and `about`, more that is known."""
        import anndata

        adata = anndata.AnnData(
            self.counts,
            obs=pd.DataFrame(index=self.barcodes),
            var=self.genes.rename(columns={"id": "gene_ids", "type": "feature_types"}),
            obsm={"spatial": np.asarray(self.places, float)},
        )
        known = {
            "pixel_size_um_estimated": self.um_per_px,
            "inter_spot_dist": self.pitch_um,
            "found": self.found,
            **about,
        }
        with whole(st) as path:
            adata.write_h5ad(path, compression="gzip")
        with whole(metadata) as path:
            path.write_text(json.dumps(known, indent=1, ensure_ascii=False), encoding="utf-8")
