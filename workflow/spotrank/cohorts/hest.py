"""Files of a sample as HEST-1k lays them out, read and checked."""

import json

import numpy as np

from spotrank.base.store import InputError, in_a_line, read_h5ad


def read_spots(st):
    """Counts of a sample as in its `st/<id>.h5ad`, still on disk.

    Barcodes are unique and `obsm['spatial']` is finite, `(n_spots, 2)`, else `InputError`.
    """
    adata = read_h5ad(st, backed="r")
    if not adata.obs_names.is_unique:
        twice = adata.obs_names[adata.obs_names.duplicated()][0]
        raise InputError(f"{st}: the barcode '{twice}' stands there twice; keep one spot.")
    if "spatial" not in adata.obsm:
        raise InputError(f"{st}: lacks obsm['spatial'], the spots' centres in px; add it.")
    if not _are_places(adata.obsm["spatial"], adata.n_obs):
        raise InputError(f"{st}: obsm['spatial'] is not two finite numbers a spot; mend it.")
    return adata


def _are_places(values, n):
    """Whether `values` are finite numbers `(n, 2)`."""
    try:
        places = np.asarray(values, float)
    except (ValueError, TypeError):
        return False
    return places.shape == (n, 2) and bool(np.isfinite(places).all())


def read_pixel_size(metadata):
    """`pixel_size_um_estimated` of a sample's JSON, µm/px; `InputError` if it has none."""
    try:
        with open(metadata, encoding="utf-8") as file:
            value = json.load(file).get("pixel_size_um_estimated")
    except FileNotFoundError:
        raise InputError(f"{metadata}: no such file; the pixel size stands there.") from None
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{metadata}: not a JSON object ({in_a_line(error)}); mend it.") from None
    if type(value) not in (int, float) or not 0 < value < 100:
        raise InputError(
            f"{metadata}: 'pixel_size_um_estimated' is {value!r}, not a length in µm; set it."
        )
    return float(value)
