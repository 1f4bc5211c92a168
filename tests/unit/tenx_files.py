"""Files of 10x Genomics made up, small, in every form that they are found in."""

import gzip

import h5py
import numpy as np
import pandas as pd
from scipy import io, sparse

COUNTS = np.array([[0, 3, 0, 1], [2, 0, 0, 0], [0, 0, 5, 70_000]])  # barcodes × features
BARCODES = ["AAAC-1", "AAAG-1", "AAAT-1"]
IDS = ["ENSG1", "ENSG2", "ENSG3", "ENSG4"]
NAMES = ["NA", "SAME", "SAME", "HLA-A"]  # read as text, and not unique
TYPES = ["Gene Expression"] * 4


def write_h5(path, counts=COUNTS, barcodes=BARCODES, ids=IDS, names=NAMES, types=TYPES, **dtypes):
    """A matrix in HDF5; dtypes: of `data`, `indices`, `indptr` and `text`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = sparse.csr_matrix(counts)
    text = dtypes.pop("text", h5py.string_dtype())
    with h5py.File(path, "w") as file:
        matrix = file.create_group("matrix")
        for name in ("data", "indices", "indptr"):
            matrix[name] = getattr(columns, name).astype(dtypes.get(name, "i8"))
        matrix["shape"] = np.array(columns.shape[::-1], dtypes.get("indices", "i4"))
        matrix["barcodes"] = np.array(barcodes, text)
        for name, values in (("id", ids), ("name", names), ("feature_type", types)):
            if values is not None:
                matrix[f"features/{name}"] = np.array(values, text)
    return path


def write_mex(folder, packed=True, suffix=".gz", features="features.tsv", columns=3, quote=""):
    """A matrix in three files; packed: whether gzip packs them; columns: of the features."""
    folder.mkdir(parents=True)
    table = zip(*[IDS, NAMES, TYPES][:columns], strict=True)
    lines = {
        "barcodes.tsv": BARCODES,
        features: ["\t".join(f"{quote}{cell}{quote}" for cell in row) for row in table],
    }
    contents = {name: "".join(f"{line}\n" for line in own).encode() for name, own in lines.items()}
    io.mmwrite(folder / "x.mtx", sparse.coo_matrix(COUNTS.T))
    contents["matrix.mtx"] = (folder / "x.mtx").read_bytes()
    (folder / "x.mtx").unlink()
    for name, content in contents.items():
        (folder / (name + suffix)).write_bytes(gzip.compress(content) if packed else content)
    return folder


def cut(path):
    """Leave half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def positions(rows, columns, to_px, in_tissue=None):
    """Positions of a grid of bins, px by the affine map `to_px` `(2, 3)` of column and row."""
    row, column = (places.ravel() for places in np.mgrid[:rows, :columns])
    x, y = to_px @ [column, row, np.ones(len(row))]
    return pd.DataFrame(
        {
            "barcode": [f"s_016um_{r:05d}_{c:05d}-1" for r, c in zip(row, column, strict=True)],
            "in_tissue": np.ones(len(row), int) if in_tissue is None else in_tissue.astype(int),
            "array_row": row,
            "array_col": column,
            "pxl_row_in_fullres": y,
            "pxl_col_in_fullres": x,
        }
    )
