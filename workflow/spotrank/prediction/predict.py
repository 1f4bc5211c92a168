"""From patches of a slide to predictions of expression, and their distance from home."""

import numpy as np

from spotrank.base.store import InputError
from spotrank.encoders import embed, loading, stored
from spotrank.prediction import results
from spotrank.spots import slides

STEP = 8192  # patches whose distance is taken at a time


def encoder(bundle, weights=None, threads=1):
    """The encoder whose embeddings a bundle takes, or of a head that takes patches, those by which
    distance is told.

    weights: path of its weights on this machine, where they are not where the bundle says. Raises
    `InputError` for weights that are not the bundle's, and where it says of no encoder.
    """
    about = bundle.about["encoder"]
    spec = bundle.spec if bundle.sees == "embeddings" else bundle.home_encoder
    if spec is None:
        raise InputError(
            f"the bundle {bundle.about['id']} was trained on embeddings that were given "
            f"('{about['name']}'), so that it can't make them; give predict.embeddings."
        )
    if isinstance(spec, str):
        return loading.load(spec, bundle.about["patches"]["size"], threads)
    found = loading.load(spec | ({"weights": weights} if weights else {}), None, threads)
    ours, theirs = found.about["weights_sha256"], about["about"].get("weights_sha256")
    if ours != theirs:
        raise InputError(
            f"{weights or spec['weights']}: has the SHA-256 {ours[:12]}…, but the bundle "
            f"{bundle.about['id']} was trained with the weights {str(theirs)[:12]}… of "
            f"'{about['name']}'; give those as predict.weights."
        )
    return found


def patches_of(places, geometry, slide, patch_file, size, interpolation="lanczos"):
    """Patches of a slide, `size` px a side, to be read one by one: `slides.FilePatches` of the file
    that is given, else `slides.SlidePatches`."""
    if patch_file:
        return slides.FilePatches(patch_file, geometry, places.um_per_px, size, interpolation)
    patches = slides.SlidePatches(slide, places.centres, places.side, size, interpolation)
    slides.refuse_colourless(patches)
    return patches


def distances(bundle, vectors):
    """Distance of each patch from home in units of the threshold `(n,)`; vectors: `stored.Rows`."""
    steps = range(0, len(vectors), STEP)
    return np.concatenate(
        [bundle.distance(vectors[start : start + STEP]) for start in steps]
    ).astype(np.float32)


def write(path, bundle, places, name, slide, embeddings, patches=None, threads=1):
    """Write a slide's predictions, see `results`; returns distances `(n,)` and `unlike_training`.

    name, slide: of the slide and its path; embeddings: path of those of the bundle's encoder;
    patches: see `patches_of`, where the head takes them. Raises `InputError` for embeddings of
    another dimension.
    """
    with stored.opened(embeddings, places.rows) as vectors:
        if patches is None and vectors.shape[1] != bundle.about["dimension"]:
            raise InputError(
                f"{embeddings}: has {vectors.shape[1]} numbers a patch, but the bundle "
                f"{bundle.about['id']} takes {bundle.about['dimension']}, those of "
                f"'{bundle.about['encoder']['name']}'; embed with that."
            )
        distance = distances(bundle, vectors)
        adata = results.annotated(name, slide, places, bundle, distance)
        x = vectors if patches is None else Pixels(patches, places.rows, threads)
        results.write(adata, path, bundle.predict(x, places.centres * places.um_per_px))
    return distance, adata.uns["spotrank"]


class Pixels:
    """Patches read when asked for, as `shape (n, px, px, 3)` and slices uint8."""

    def __init__(self, patches, rows, threads):
        self.patches, self.rows, self.threads = patches, rows, threads
        self.size, self.shape = patches.size, (len(rows), patches.size, patches.size, 3)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, some):
        wanted = _Some(self.patches, self.rows[some])
        return next(embed.read_ahead(wanted, len(wanted), self.threads))


class _Some:
    """Some of many patches."""

    def __init__(self, patches, rows):
        self.patches, self.rows, self.size = patches, rows, patches.size

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.patches[self.rows[i]]
