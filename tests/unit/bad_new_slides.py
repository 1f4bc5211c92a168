"""Slides and configs that can't be predicted on, each an edit and the sentence that it must give.

An edit changes a folder with a slide, slides/s.tif, and a bundle, and returns keys of `predict`.
"""

import json

import bad_bundles
import drawn_slides as drawn
import h5py
import numpy as np
import pandas as pd

from spotrank.cohorts import slide_import
from spotrank.prediction import places, slide
from spotrank.study.prediction import Prediction
from spotrank.study.study import Study

GEOMETRY = {"size": 224, "um_per_px": 0.5}


def write(folder, rgb, name="s", um_per_px=2.0):
    """Write a slide."""
    path = folder / f"slides/{name}.tif"
    path.parent.mkdir(exist_ok=True)
    slide_import.write_strips(rgb.shape[:2], [rgb], path, {}, um_per_px)


def options(**keys):
    return lambda folder: {key: str(folder / x) if key in PATHS else x for key, x in keys.items()}


PATHS = ("slides", "bundle", "spots", "embeddings", "patches", "weights")


def glass(folder):
    write(folder, drawn.glass())
    return {}


def without_resolution(folder):
    write(folder, drawn.glass(), um_per_px=None)
    return {}


def too_coarse(folder):
    write(folder, drawn.glass(), um_per_px=10)
    return {}


def twice(folder):
    (folder / "slides/s.svs").write_text("")
    return {}


def cut(folder):
    path = folder / "slides/s.tif"
    path.write_bytes(path.read_bytes()[:1000])
    return {}


def own_encoder(folder, **encoder):
    """The bundle's encoder is another."""
    path = folder / "bundle/bundle.json"
    about = json.loads(path.read_text())
    about["encoder"] |= encoder
    path.write_text(json.dumps(about))
    return {}


def spots(rows):
    def edit(folder):
        pd.DataFrame(rows).to_csv(folder / "s.csv", index=False)
        return {"spots": str(folder)}

    return edit


def embeddings(folder, **parts):
    with h5py.File(folder / "s.h5", "w") as file:
        file["features"] = np.zeros((2, 4), "f4")
        for key, values in parts.items():
            file[key] = values
    return {"embeddings": str(folder)}


PREDICTIONS = {
    "no slides": (lambda folder: (folder / "slides/s.tif").unlink() or {}, "holds no slide"),
    "slide that is not there": (
        lambda folder: {"slides": [str(folder / "x.tif")]},
        "x.tif is no file; give a folder, or files",
    ),
    "two slides of one name": (twice, "have the name 's' both; rename one"),
    "no bundle": (options(bundle="x"), "is no bundle, for there is no bundle.json"),
    "unknown gene": (options(genes=["G9"]), "predict.genes has no choice 'G9'"),
    "resolution of another slide": (
        options(um_per_px={"t": 0.5}),
        "predict.um_per_px has no choice 't'",
    ),
    "resolution out of range": (options(um_per_px=100), "'predict.um_per_px'"),
    "no resolution": (without_resolution, "doesn't say how many µm a px has; give it"),
    "resolution too coarse": (too_coarse, "has 10 µm/px, which no slide for cells has"),
    "slide without tissue": (glass, "no tissue was found on it"),
    "slide that is cut short": (cut, "not a slide that OpenSlide reads, perhaps truncated"),
    "patches and embeddings": (
        options(patches="p", embeddings="e"),
        "has both 'patches' and 'embeddings'",
    ),
    "no embeddings of a slide": (options(embeddings="e"), "s.h5 is missing; put the file"),
    "embeddings that lie nowhere": (
        embeddings,
        "has neither barcodes nor 'coords'",
    ),
    "no spots of a slide": (options(spots="x"), "s.h5ad is missing (or .parquet, .csv)"),
    "spots off the slide": (
        spots({"barcode": ["a"], "x": [-5], "y": [3]}),
        "no place lies on the slide",
    ),
    "spots without places": (spots({"barcode": ["a"]}), "not a table of 'barcode', 'x' and 'y'"),
    "spots twice": (
        spots({"barcode": ["a", "a"], "x": [300, 310], "y": [300, 310]}),
        "the barcode 'a' stands there twice",
    ),
    "bundle of given embeddings": (
        lambda folder: own_encoder(folder, spec=None),
        "was trained on embeddings that were given",
    ),
    "weights that are not here": (
        lambda folder: own_encoder(folder, spec={"model": "resnet18", "weights": "mine.pth"}),
        "the weights mine.pth of the bundle's encoder are no file",
    ),
}


def check_prediction(edit, folder, study):
    write(folder, drawn.piece(drawn.glass(), 350, 250, 200)[0])
    bad_bundles.write(folder / "bundle", dimension=39)
    config = {"bundle": str(folder / "bundle"), "slides": str(folder / "slides")}
    asked = Prediction(Study({"study": "new", "predict": config | edit(folder)}))
    found = slide.look(asked.slides["s"], asked.um_per_px("s"))
    if given := asked.given("s"):
        places.given(found, GEOMETRY, "s", **given)
    else:
        places.grid(found, GEOMETRY, None, 0.5)
