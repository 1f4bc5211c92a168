"""Whether a slide is the picture that places are of, by the small copy that runs keep of it."""

from dataclasses import replace

import numpy as np
from PIL import Image

from spotrank.base.store import InputError
from spotrank.cohorts.slide_files import open_slide, overview

SIDE = 128  # px of the pictures that are compared
FLAT = 2.0  # standard deviation of grey below which a picture shows nothing
ALIKE = 0.4  # correlation of two pictures of one section, at least ...
CLEARLY = 0.15  # ... and what a turned one must have more than an upright one
COARSE = 2.0  # µm/px of a slide, at most: a small copy, say, shows no cells
TURNS = {
    "upright": lambda picture: picture,
    "turned by 90°": lambda picture: np.rot90(picture),
    "turned by 180°": lambda picture: np.rot90(picture, 2),
    "turned by 270°": lambda picture: np.rot90(picture, 3),
    "mirrored": np.fliplr,
    "upside down": np.flipud,
    "transposed": lambda picture: picture.T,
    "transposed and turned": lambda picture: np.rot90(picture, 2).T,
}


def fitted(sample, slide):
    """A `Sample` whose places are px of the slide at path `slide`.

    Where the slide is another level of the picture that its `frame` tells, places and µm/px are
    scaled. Raises `InputError` for a slide of another shape, turned, or of something else.
    """
    if sample.frame is None:
        found = sample.found | {"slide": "not compared: the run keeps no small copy of its picture"}
        return replace(sample, found=found)
    with open_slide(slide) as opened, Image.open(sample.frame.picture) as copy:
        ratio = _ratio(np.array(opened.dimensions), copy.size, sample.frame, slide)
        unlike = _compare(copy, sample.frame, slide)
    if sample.um_per_px / ratio > COARSE:
        raise InputError(
            f"{slide}: has {sample.um_per_px / ratio:.2g} µm/px, too coarse for patches; give the "
            "picture that the run was given (--image), in full resolution."
        )
    words = "of the picture's size" if ratio == 1 else f"{ratio:.4g} of the picture's size"
    found = sample.found | {"slide": ", ".join(filter(None, (words, unlike)))}
    return replace(
        sample, places=sample.places * ratio, um_per_px=sample.um_per_px / ratio, found=found
    )


def _ratio(size, small, frame, slide):
    """Px of the slide a px of the picture; `InputError` where width and height differ in that."""
    expected, slack = np.array(small) / frame.scale, 1 / frame.scale
    # a copy's size is rounded, and a level's too
    low, high = (size - 1) / (expected + slack), (size + 1) / (expected - slack)
    if low.max() <= 1 <= high.min():
        return 1.0
    if low.max() <= high.min():
        ratio = float(np.sqrt(np.prod(size / expected)))
        level = round(ratio) if ratio > 1 else 1 / round(1 / ratio)
        return float(level) if low.max() <= level <= high.min() else ratio
    shape = "{} × {} px".format(*size)
    wanted = "{:.0f} × {:.0f}".format(*expected)
    turned = np.allclose(size[::-1] / size[::-1].sum(), expected / expected.sum(), rtol=0.01)
    raise InputError(
        f"{slide}: is {shape}, but the places are of a picture of {wanted} px by "
        f"{frame.picture}; "
        + (
            "it is turned: turn it back, without another change of its size."
            if turned
            else "give the picture that the run was given (--image), in full resolution."
        )
    )


def _compare(copy, frame, slide):
    """What can't be told of the slide by its looks, in words; `InputError` for one that is turned
    or shows something else."""
    pictures = [Image.fromarray(overview(slide, SIDE)[0]), copy]
    theirs, ours = (
        np.asarray(picture.convert("L").resize((SIDE, SIDE)), float) for picture in pictures
    )
    if min(theirs.std(), ours.std()) < FLAT:
        return "not compared by looks: the small copy is blank"
    alike = {
        turn: float(np.corrcoef(change(theirs).ravel(), ours.ravel())[0, 1])
        for turn, change in TURNS.items()
    }
    best = max(alike, key=alike.get)
    if best != "upright" and alike[best] > alike["upright"] + CLEARLY:
        raise InputError(
            f"{slide}: is {best} against {frame.picture}, a small copy of the picture that the "
            "places are of; write it the other way round."
        )
    if alike["upright"] < ALIKE:
        raise InputError(
            f"{slide}: looks unlike {frame.picture} (correlation {alike['upright']:.2f}), a small "
            "copy of the picture that the places are of; give the slide of this section."
        )
    return ""
