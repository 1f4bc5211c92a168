"""A slide without counts: its name, resolution and tissue."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spotrank.base.store import InputError
from spotrank.base.words import path_safe
from spotrank.cohorts import slide_files
from spotrank.prediction import tissue

PLAUSIBLE = (0.05, 4.0)  # µm/px of a slide on which cells are seen; 72 dpi of a screen are 353
UNEVEN = 1.02  # ratio of µm/px across and down


@dataclass
class Slide:
    """path: of the slide; um_per_px: of its full resolution; extent: (width, height) in px there;
    tissue: which px of a thumbnail are, bool `(h, w)`; scale: px of the thumbnail a px of the
    slide."""

    path: str
    um_per_px: float
    extent: tuple
    tissue: np.ndarray
    scale: float


def named(slides):
    """`{name: path}` of slides: those of a folder that are called so, or a list of paths.

    A name is the file's without its suffix. Raises `InputError` where there is none, a file is
    missing, or two have one name.
    """
    if isinstance(slides, str) and Path(slides).is_dir():
        paths = sorted(path for path in Path(slides).iterdir() if path.is_file() and _suffix(path))
    else:
        paths = [Path(path) for path in ([slides] if isinstance(slides, str) else slides)]
    if not paths:
        raise InputError(
            f"config: predict.slides: the folder {slides} holds no slide by a suffix of "
            "OpenSlide's formats, such as .tif or .svs; put some there."
        )
    found = {}
    for path in paths:
        if not path.is_file():
            raise InputError(
                f"config: predict.slides: {path} is no file; give a folder, or files that exist."
            )
        name = path.name.removesuffix(_suffix(path) or path.suffix)
        if name in found:
            raise InputError(
                f"config: predict.slides: {found[name]} and {path} have the name '{name}' both; "
                "rename one."
            )
        found[name] = str(path)
    path_safe(found, "predict.slides")
    return found


def _suffix(path):
    """The suffix of a slide's format with its dot, the longest, or ''."""
    known = [end for end in slide_files.SUFFIXES if path.name.lower().endswith(f".{end}")]
    return path.name[-len(max(known, key=len)) - 1 :] if known else ""


def look(path, um_per_px=None):
    """The `Slide` at a path.

    um_per_px: as the config gives it, None for the slide's own. Raises `InputError` for a slide
    that can't be read, has no resolution that can be true, or no tissue.
    """
    um_per_px = um_per_px or resolution(path)
    with slide_files.open_slide(path) as slide:
        longer = max(slide.dimensions)
    side = min(round(longer * um_per_px / tissue.UM_PER_PX), tissue.SIDE, longer)
    rgb, extent = slide_files.overview(path, max(side, 1))
    scale = rgb.shape[1] / extent[0]
    found = tissue.find(rgb, um_per_px / scale)
    logging.info(
        "%s: %.4g µm/px, %.4g mm² of tissue",
        path,
        um_per_px,
        found.sum() * (um_per_px / scale / 1000) ** 2,
    )
    return Slide(str(path), um_per_px, extent, found, scale)


def resolution(path):
    """µm/px of a slide by its own words, OpenSlide's `mpp-x` and `mpp-y`; `InputError` if it says
    nothing, or what can't be true."""
    with slide_files.open_slide(path) as slide:
        said = [slide.properties.get(f"openslide.mpp-{axis}") for axis in "xy"]
    advice = "give it in the config as predict.um_per_px"
    if None in said:
        raise InputError(f"{path}: doesn't say how many µm a px has; {advice}.")
    across, down = map(float, said)
    if not PLAUSIBLE[0] <= min(across, down) <= max(across, down) <= PLAUSIBLE[1]:
        raise InputError(
            f"{path}: says that it has {across:.4g} µm/px, which no slide for cells has; {advice}."
        )
    if max(across, down) > UNEVEN * min(across, down):
        raise InputError(
            f"{path}: says that it has {across:.4g} µm/px across, but {down:.4g} down; {advice}."
        )
    return (across + down) / 2
