"""How far embeddings of another slide are from those that a model was trained on."""

import numpy as np

HELD_OUT = 0.99  # share of the spots of training slides, held out, that are at home
LEAST = 20  # spots that tell of a slide, or of others


def measure(x, slide):
    """`{mean (d,), whiten (d, d), threshold ()}` of training embeddings `x (n, d)`.

    The distance is Mahalanobis's, ‖(x − mean) whiten‖, with the covariance shrunk after Ledoit &
    Wolf (2004, J. Multivariate Anal. 88, eq. 14). slide: of each spot `(n,)`. The threshold is the
    99 % quantile of the distances of each slide from what the others tell, each slide counting the
    same; of a single slide, of its own. Slides of a few spots have no part in it. Not patients are
    held out: of two, either tells nothing of the other, and all slides of the world were at home.
    """
    slides, n_spots = np.unique(slide, return_counts=True)
    slides = slides[n_spots >= LEAST] if (n_spots >= LEAST).any() else slides
    held_out = [slide == own for own in slides]
    inner = [~own for own in held_out] if len(slides) > 1 else held_out
    distances = [
        distance(x[own], *_shape(x[others])) for own, others in zip(held_out, inner, strict=True)
    ]
    weights = np.concatenate([np.full(len(own), 1 / len(own)) for own in distances])
    distances = np.concatenate(distances)
    threshold = np.quantile(distances, HELD_OUT, weights=weights, method="inverted_cdf")
    mean, whiten = _shape(x)
    return {"mean": mean, "whiten": whiten, "threshold": np.float32(threshold)}


def distance(x, mean, whiten):
    """Distance of embeddings `x (n, d)`, `(n,)`."""
    return np.linalg.norm((x - mean) @ whiten, axis=1)


def _shape(x):
    """Mean `(d,)` and whitening matrix `(d, d)`, float32."""
    from sklearn.covariance import ledoit_wolf

    spread = x.std(0, dtype=float)
    spread[spread <= 1e-6 * np.abs(x).max(0)] = 1  # a constant
    covariance, _ = ledoit_wolf(x / spread)
    size, direction = np.linalg.eigh(covariance)
    whiten = direction / np.sqrt(np.maximum(size, 1e-12 * size.max())) / spread[:, None]
    return x.mean(0, dtype=float).astype(np.float32), whiten.astype(np.float32)
