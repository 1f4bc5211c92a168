"""Files of a sample as HEST-1k lays them out, read and checked."""

import json

import numpy as np
import pandas as pd

from spotrank.base.store import InputError, in_a_line, read_text
from spotrank.cohorts import h5ad


def read_spots(st):
    """Names and places of a sample's spots as in its `st/<id>.h5ad`: AnnData without counts.

    Barcodes are unique and `obsm['spatial']` is finite, `(n_spots, 2)`, else `InputError`.
    """
    import anndata

    with h5ad.opened(st) as file:
        names, places = h5ad.names(file), h5ad.read(file, "obsm/spatial")
    if not names.is_unique:
        raise InputError(
            f"{st}: the barcode '{names[names.duplicated()][0]}' stands there twice; keep one spot."
        )
    if places is None:
        raise InputError(f"{st}: lacks obsm['spatial'], the spots' centres in px; add it.")
    if not _are_places(places, len(names)):
        raise InputError(f"{st}: obsm['spatial'] is not two finite numbers a spot; mend it.")
    obs = pd.DataFrame(index=names)
    return anndata.AnnData(obs=obs, obsm={"spatial": np.asarray(places, float)})


def _are_places(values, n):
    """Whether `values` are finite numbers `(n, 2)`."""
    try:
        places = np.asarray(values, float)
    except (ValueError, TypeError):
        return False
    return places.shape == (n, 2) and bool(np.isfinite(places).all())


def read_pixel_size(metadata):
    """`pixel_size_um_estimated` of a sample's JSON, µm/px; `InputError` if it has none."""
    value = _of_json(metadata, "pixel_size_um_estimated")
    if type(value) not in (int, float) or not 0 < value < 100:
        raise InputError(
            f"{metadata}: 'pixel_size_um_estimated' is {value!r}, not a length in µm; set it."
        )
    return float(value)


def read_pitch(metadata):
    """`inter_spot_dist` of a sample's JSON, µm between neighbouring spots, or None."""
    return _length(metadata, "inter_spot_dist")


def read_diameter(metadata):
    """`spot_diameter` of a sample's JSON, µm, or None."""
    return _length(metadata, "spot_diameter")


def read_found(metadata):
    """`found` of a sample's JSON, `{what: value}` that its importer noted, or nothing."""
    return _of_json(metadata, "found") or {}


def _length(metadata, key):
    value = _of_json(metadata, key)
    return value if type(value) in (int, float) and 0 < value < 10_000 else None


def _of_json(metadata, key):
    try:
        return json.loads(read_text(metadata)).get(key)
    except (ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{metadata}: not a JSON object ({in_a_line(error)}); mend it.") from None
