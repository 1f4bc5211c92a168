"""How an H&E image lies on the morphology image of a Xenium run."""

import re
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from spotrank.base.store import InputError, in_a_line, read_text
from spotrank.base.words import typed

ALIGNED = "aligned"  # instead of a file: the image lies in the morphology's frame
FIT_OFF = 100  # px of the morphology, some 20 µm
KEYPOINTS = ("fixedX", "fixedY", "alignmentX", "alignmentY")


def read_alignment(row, pixel_size):
    """Affine map from px of the H&E to px of the morphology image, `(3, 3)`, and `{what: value}`
    of where it was found, for `Sample.found`.

    row: `folder`, `image` and perhaps `alignment`: the file that Xenium's software gives or its
    Explorer exports, a matrix or keypoints, else looked for beside the image and in the folder; or
    the word 'aligned' where the image lies in the morphology's frame, with its own `um_per_px` if
    that is not `pixel_size`, the morphology's. Raises `InputError` where nothing tells the map.
    """
    told = row.get("alignment")
    if told and Path(told).name == ALIGNED:
        scale = _um_per_px(row, pixel_size) / pixel_size
        return np.diag([scale, scale, 1]), {"alignment": "none, told to be aligned"}
    path = Path(told) if told else _find(Path(row["folder"]), Path(row["image"]))
    text = read_text(path)
    has_header = any(sign.isalpha() for sign in text.partition("\n")[0].lower().replace("e", ""))
    found = {"alignment": path.name}
    try:
        if has_header:
            matrix, off = _fit(pd.read_csv(StringIO(text)), path)
            found["µm that keypoints are off, at most"] = round(off * pixel_size, 1)
        else:
            matrix = np.loadtxt(StringIO(text), delimiter=",", ndmin=2)
    except ValueError as error:
        raise _wrong(path, in_a_line(error)) from None
    if matrix.shape != (3, 3):
        raise _wrong(path, f"it is of {' × '.join(map(str, matrix.shape))} numbers")
    if not np.isfinite(matrix).all() or not np.allclose(matrix[2], [0, 0, 1]):
        raise _wrong(path, "its last row is not 0, 0, 1")
    if abs(np.linalg.det(matrix)) < 1e-9:
        raise _wrong(path, "it has no inverse")
    return matrix, found


def _um_per_px(row, pixel_size):
    told = typed(str(row.get("um_per_px", pixel_size)))
    if type(told) not in (int, float) or not 0 < told < 100:
        raise InputError(
            f"{row['image']}: its um_per_px is '{told}' in the table, not a length in µm; mend it."
        )
    return told


def _find(folder, image):
    """The one alignment that is called as the image is, beside it or in the run's folder: a matrix
    holds for one picture only."""
    name = re.sub(r"(\.ome)?\.\w+$", "", image.name)
    called = re.compile(re.escape(name) + r"[._-]?(image)?alignment\.csv")
    beside = [path for path in sorted(image.parent.glob("*.csv")) if called.fullmatch(path.name)]
    inside = [path for path in sorted(folder.glob("*.csv")) if called.fullmatch(path.name)]
    paths = beside or inside
    if len(paths) == 1:
        return paths[0]
    if paths:
        raise InputError(
            f"{paths[0]} and {paths[1].name} may both be the alignment of {image.name}; name one "
            "in the column 'alignment'."
        )
    raise InputError(
        f"{folder}: has no alignment of {image.name} to its morphology image "
        f"({name}alignment.csv); name the file that Xenium Explorer exports in the column "
        f"'alignment', or write '{ALIGNED}' there if the image lies in the morphology's frame."
    )


def _fit(points, path):
    """Affine map `(3, 3)` by least squares of keypoints, and px that they are off it at most."""
    points.columns = points.columns.str.strip()
    for name in KEYPOINTS:
        if name not in points:
            raise _wrong(path, f"as keypoints it lacks the column '{name}'")
    points = points[list(KEYPOINTS)].to_numpy(float)
    fixed, moved = points[:, :2], np.column_stack([points[:, 2:], np.ones(len(points))])
    if not np.isfinite(points).all() or np.linalg.matrix_rank(moved) < 3:
        raise _wrong(path, "it needs three keypoints that are not on one line")
    affine = np.linalg.lstsq(moved, fixed, rcond=None)[0]
    off = np.hypot(*(moved @ affine - fixed).T).max()
    if off > FIT_OFF:
        raise _wrong(path, f"its keypoints lie up to {off:.0f} px off any affine map")
    return np.vstack([affine.T, [0, 0, 1]]), float(off)


def _wrong(path, why):
    return InputError(
        f"{path}: no alignment of an H&E image, a 3 × 3 matrix without header or keypoints "
        f"({', '.join(KEYPOINTS)}): {why}; export it again from Xenium Explorer."
    )
