"""Test slides of the page: where spots lie and were lost, and patches of those predicted best and
worst."""

import numpy as np

from spotrank.cohorts import slide_files
from spotrank.report.page.packed import picture, quantised, short, text_of
from spotrank.report.page.tested import Tested, drawn
from spotrank.spots import quality
from spotrank.spots.neighbours import pitch
from spotrank.spots.slides import FilePatches, SlidePatches

TISSUE, PATCH = 480, 96  # px a side of pictures
PATCHES = 4  # of the best spots, and of the worst
STEPS = {
    "enough_genes": "too few genes",
    "low_mito": "too much mitochondrial",
    "on_slide": "off the slide",
    "has_patch": "no patch",
}


def data(shown, geometry):
    """What the page's `drawSlides` draws, and `drawGenes` draws its maps on; None without slides.

    shown: of `chosen.choose`; geometry: the config's `patches`.

    `slides`: of each `cohort`, `sample`; `image`: the tissue as a JPEG, or None; `mm`: width and
    height of what it shows; `x`, `y`: places of spots in it from 0 to 1, uint16 in base 64, those
    that were kept first and then those lost, and `ends`, what the lowest and highest stand for;
    `diameter` of a spot, of the width; `kept`: their number; `lost`: places in `steps`, uint8;
    `knows_lost`: whether their places are known; `facts`: `(what, number)`; `marks`: what looks
    like a mistake; `sampled`: spots there are, if not all are drawn; `best`, `worst`: patches, each
    `image`, `error`, `counts`, `genes`, `at`.
    """
    slides = [
        _slide(own, slide, geometry)
        for own in shown
        for slide in sorted(own.slides, key=lambda slide: slide.sample)
    ]
    left_out = {own.cohort: own.lacking for own in shown if own.lacking}
    return {"slides": slides, "steps": STEPS, "left_out": left_out} if slides else None


def _slide(shown, slide, geometry):
    tested = Tested(slide)
    spots = tested.spots
    places, steps = _places(spots)
    n, n_drawn = spots.n_obs, len(places) - len(steps)
    apart = _apart(spots.obsm["spatial"])
    low, high = places.min(0) - 2 * apart, places.max(0) + 2 * apart
    image = None
    if slide.wsi:
        pixels, size = slide_files.overview(slide.wsi, 1600)
        low, high = np.maximum(low, 0), np.minimum(high, size)
        image = picture(_between(pixels, size, low, high), TISSUE)
    packed = [quantised(of_axis, np.uint16) for of_axis in ((places - low) / (high - low)).T]
    marked, wrong = quality.doubts(spots.uns["quality"])
    return {
        "cohort": slide.cohort,
        "sample": slide.sample,
        "image": image,
        "mm": short((high - low) * spots.uns["pixel_size_um"] / 1000),
        **{axis: text_of(values) for axis, (values, _) in zip("xy", packed, strict=True)},
        "ends": [ends for _, ends in packed],
        "diameter": 0.55 * apart * np.sqrt(n / n_drawn) / (high - low)[0],
        "kept": n_drawn,
        "lost": text_of(steps),
        "knows_lost": "lost" in spots.uns,
        "facts": _facts(spots.uns["quality"]),
        "marks": [*wrong, *marked],
        "sampled": n if n > n_drawn else None,
        "loss": shown.losses[0],
        **_patches(tested, shown, geometry, (low, high)),
    }


def _places(spots):
    """Places in px of the spots that are drawn, the kept ones first, and the step of STEPS that
    each of the others was lost at."""
    kept, lost = spots.obsm["spatial"], spots.uns.get("lost")
    kept = kept[drawn(len(kept))]
    if lost is None:
        return kept, np.zeros(0, np.uint8)
    lost = lost.iloc[drawn(len(lost))]
    steps = [list(STEPS).index(step) for step in lost["step"]]
    return np.concatenate([kept, lost[["x", "y"]].to_numpy(float)]), np.array(steps, np.uint8)


def _apart(places):
    """Distance of neighbouring spots in px, on a grid or about."""
    on_grid = pitch(places) if len(places) > 7 else None
    return on_grid or np.sqrt(np.prod(np.ptp(places, axis=0) + 1) / len(places))


def _between(pixels, size, low, high):
    """The part of a thumbnail of a slide of `size` px between two of the slide's corners."""
    scale = np.array(pixels.shape[1::-1]) / size
    (left, top), (right, bottom) = np.rint([low * scale, high * scale]).astype(int)
    return pixels[top : max(bottom, top + 1), left : max(right, left + 1)]


def _facts(known):
    """`(what, number)` of what `quality.measure` found."""
    lost = {f"lost: {words}": known.get(f"lost_{step}") for step, words in STEPS.items()}
    facts = {
        "spots measured": known["measured"],
        **lost,
        "spots kept": known["spots"],
        "median counts of a spot": known["median_depth"],
        "µm a pixel": known["um_per_px"],
    }
    return [(what, *short([value])) for what, value in facts.items() if value is not None]


def _patches(tested, shown, geometry, corners):
    """`best` and `worst`: patches of the spots whose mean squared error over the panel is lowest
    and highest, by the best loss and the first seed; nothing where the slide isn't at hand."""
    slide, spots = tested.slide, tested.spots
    errors = tested.errors(shown.losses[0], shown.seed)
    order = np.argsort(errors, kind="stable")
    n = min(PATCHES, len(order) // 2)
    low, high = corners
    if slide.wsi:
        side = spots.uns["patch_side_px"]
        images = SlidePatches(slide.wsi, spots.obsm["spatial"][tested.tested], side, PATCH)
        number = list(range(len(order)))
    elif slide.patch_file:
        images = FilePatches(slide.patch_file, geometry, spots.uns["pixel_size_um"], PATCH)
        place = {barcode: i for i, barcode in enumerate(images.barcodes)}
        number = [place[barcode] for barcode in spots.obs_names[tested.tested]]
    else:
        return {"best": [], "worst": []}
    found = {}
    for which, some in (("best", order[:n]), ("worst", order[::-1][:n])):
        found[which] = [
            {
                "image": picture(images[number[i]], PATCH),
                "error": short([errors[i]])[0],
                "counts": int(spots.obs["library"].iloc[tested.tested[i]]),
                "genes": int(spots.obs["n_genes"].iloc[tested.tested[i]]),
                "at": short((spots.obsm["spatial"][tested.tested[i]] - low) / (high - low)),
            }
            for i in some
        ]
    return found
