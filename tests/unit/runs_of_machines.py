"""Made-up runs of machines, written as the machines' software writes them."""

import json

import anndata
import h5py
import numpy as np
import pandas as pd
from PIL import Image

HIRES = 500  # px, of the longer side


def write_matrix(path, counts, names, barcodes, types="Gene Expression"):
    """A matrix as HDF5, CSC of `counts` `(n_barcodes, n_features)`, CSR."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        matrix = file.create_group("matrix")
        matrix["data"], matrix["indices"] = counts.data.astype("i4"), counts.indices
        matrix["indptr"], matrix["shape"] = counts.indptr, counts.shape[::-1]
        matrix["barcodes"] = np.array(barcodes, "S")
        features = {
            "id": [f"ENSG{i:011d}" for i in range(len(names))],
            "name": names,
            "feature_type": np.broadcast_to(types, len(names)),
        }
        for name, values in features.items():
            matrix[f"features/{name}"] = np.array(values, "S")


def visium(folder, st, wsi, metadata, turn=None):
    """Outputs of Space Ranger, as if it had seen the simulated sample of these three paths.

    turn: a change of the picture (PIL) that the run saw and its places don't tell.
    """
    adata = anndata.read_h5ad(st)
    um_per_px = json.loads(metadata.read_text())["pixel_size_um_estimated"]
    barcodes = [f"{name}-1" for name in adata.obs_names]
    write_matrix(
        folder / "filtered_feature_bc_matrix.h5", adata.X.tocsr(), adata.var_names, barcodes
    )
    x, y = adata.obsm["spatial"].T
    grid = {name: adata.obs[name].to_numpy() for name in ("array_row", "array_col")}
    places = {"pxl_row_in_fullres": y, "pxl_col_in_fullres": x}
    positions = pd.DataFrame({"barcode": barcodes, "in_tissue": 1} | grid | places)
    (folder / "spatial").mkdir()
    positions.sample(frac=1, random_state=0).to_csv(
        folder / "spatial/tissue_positions.csv", index=False
    )
    picture = Image.open(wsi).convert("RGB")
    scale = HIRES / max(picture.size)
    small = picture.resize([round(scale * side) for side in picture.size])
    small = small.transpose(turn) if turn is not None else small
    small.save(folder / "spatial/tissue_hires_image.png")
    scales = {
        "tissue_hires_scalef": scale,
        "fiducial_diameter_fullres": 105 / um_per_px,
        "spot_diameter_fullres": 65 / um_per_px,
    }
    (folder / "spatial/scalefactors_json.json").write_text(json.dumps(scales))
