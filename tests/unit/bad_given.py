"""Embeddings as people bring them, each spoilt in one way, and the sentence that it must give."""

import pickle

import anndata
import h5py
import numpy as np
from bad_files import Bomb

from spotrank.encoders import stored


def content(what):
    return lambda folder: (folder / "x.h5").write_bytes(what)


def given(edit=lambda parts: None, side=None):
    """Write `x.h5` of SIM1's 40 spots as HEST-Benchmark does, but for what `edit` changes; with
    `side` as TRIDENT does: patches about the spots, of `side` px."""

    def make(folder):
        spots = anndata.read_h5ad(folder / "st/SIM1.h5ad")
        rows = np.random.default_rng(0).normal(size=(spots.n_obs, 4)).astype("f4")
        coords = spots.obsm["spatial"].astype(int)
        names = spots.obs_names.to_numpy(str)
        if side is None:
            parts = {"embeddings": rows, "barcodes": names.astype("S")[:, None], "coords": coords}
        else:
            parts = {"features": rows, "coords": coords - side // 2}
        edit(parts)
        with h5py.File(folder / "x.h5", "w") as file:
            for key, part in parts.items():
                file[key] = part
            if side:
                file["coords"].attrs["patch_size_level0"] = side

    return make


def part(key, change, **options):
    """`given` with the part `key` changed, or left out where `change` gives None."""

    def edit(parts):
        if (changed := change(parts.pop(key))) is not None:
            parts[key] = changed

    return given(edit, **options)


def suffixed(barcodes):
    return np.char.add(barcodes, b"-1")


GIVEN = {
    "missing": (lambda folder: None, "no such file; check the cohort's 'embeddings'"),
    "not HDF5": (content(b"hello"), "not a whole file of emb"),
    "of torch": (content(pickle.dumps(Bomb())), "not a whole file of embeddings"),
    "of another name": (
        part("embeddings", lambda rows: None),
        "has none of embeddings, features, but barcodes, coords; make it again",
    ),
    "complex": (part("embeddings", lambda x: x.astype("c8")), "is complex64, not real numbers"),
    "booleans": (part("embeddings", lambda x: x > 0), "'embeddings' is bool, not real numbers"),
    "tokens of a patch": (
        part("embeddings", lambda x: np.stack([x, x])),
        "'embeddings' is (2, 40, 4), not (spots, numbers)",
    ),
    "transposed": (part("embeddings", lambda x: x.T), "(4, 40) doesn't match 40 barcodes"),
    "fewer barcodes": (part("barcodes", lambda x: x[:39]), "doesn't match 39 barcodes"),
    "no rows": (given(lambda parts: parts.update({k: x[:0] for k, x in parts.items()})), "(0, 4)"),
    "numbers for barcodes": (
        part("barcodes", lambda x: np.arange(40)),
        "'barcodes' is int64, not text",
    ),
    "barcode twice": (
        part("barcodes", lambda x: np.concatenate([x[:1], x[:-1]])),
        "a barcode stands there twice",
    ),
    "another suffix": (
        part("barcodes", suffixed),
        r"such as '(.+)-1' and '\1', which differ in the suffix after '-'; write those of",
    ),
    "a prefix": (
        part("barcodes", lambda x: np.char.add(b"SIM1_", x)),
        r"'SIM1_(.+)' and '\1', which differ in the prefix before '_'",
    ),
    "another case": (part("barcodes", np.char.upper), "which differ in upper and lower case"),
    "another sample's": (
        part("barcodes", lambda x: np.char.add(b"zz", x)),
        "which are of different samples; check the cohort's 'embeddings'",
    ),
    "neither barcodes nor places": (
        given(lambda parts: [parts.pop("barcodes"), parts.pop("coords")]),
        "has neither barcodes nor 'coords', so whose",
    ),
    "places without a side": (
        part("barcodes", lambda x: None),
        "has no barcodes, and 'coords' no 'patch_size_level0'",
    ),
    "fewer places": (
        part("coords", lambda x: x[:39], side=64),
        "'coords' (39, 2) doesn't match 40",
    ),
    "places of another slide": (
        part("coords", lambda x: x + 100_000, side=64),
        r"0 of 40 spots of .*SIM1.h5ad lie on its 40 patches of 64 px: the spots are at x \d+ to",
    ),
}
GIVEN_NUMBERS = {
    "NaN": (part("embeddings", lambda x: x * np.nan), "some embeddings are not finite numbers"),
    "too large for float32": (
        part("embeddings", lambda x: x.astype("f8") * 1e200),
        "some embeddings are not finite numbers",
    ),
    "places at half the scale": (
        part("coords", lambda x: x // 2, side=64),
        r"\d+ of 40 spots of .* lie on its 40 patches of 64 px",
    ),
}


def check_given(edit, folder, config):
    edit(folder)
    stored.check_given(folder / "x.h5", folder / "st/SIM1.h5ad")


def check_given_numbers(edit, folder, config):
    check_given(edit, folder, config)  # refuses none of these
    stored.read_given(folder / "x.h5", folder / "st/SIM1.h5ad")
