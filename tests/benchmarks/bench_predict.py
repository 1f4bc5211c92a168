"""Seconds and peak memory of predicting on a slide of 100,000 patches, against one of a tenth.

Run by `make bench`. The slides are drawn strip by strip at 0.5 µm/px; patches overlap by half. Each
step runs in a process of its own. Memory that is flat is about the same for both.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit"))

import bad_bundles
import drawn_slides

from spotrank.bundles import bundle
from spotrank.cohorts import slide_import
from spotrank.encoders import embed
from spotrank.prediction import geojson, places, predict, results, slide, zarr_store
from spotrank.report import predictions, style

UM_PER_PX, STRIDE, THREADS = 0.5, 56, 2
TILE, MARGIN = 1024, 1500  # px of the texture, and of the glass around the tissue
PATCHES = (10_000, 100_000)


def strips(side):
    """A square of tissue on glass, by strips of `TILE` px."""
    random = np.random.default_rng(0)

    def smooth(sigma):
        noise = ndimage.gaussian_filter(random.normal(size=(TILE, TILE)), sigma, mode="wrap")
        return (noise / noise.std())[..., None]

    nuclear, other = map(np.array, drawn_slides.STAINS["H&E"])
    density = (smooth(5) > 1) * nuclear + np.clip(0.8 + 0.4 * smooth(12), 0.1, 2) * other
    tile = (243 * np.exp(-density)).astype("u1")
    row = np.tile(tile, (1, -(-side // TILE), 1))[:, :side]
    row[:, :MARGIN] = row[:, -MARGIN:] = 243
    for top in range(0, side, TILE):
        strip = row[: min(TILE, side - top)].copy()
        strip[: max(MARGIN - top, 0)] = strip[max(side - MARGIN - top, 0) :] = 243
        yield strip


def draw(folder, n):
    side = round(n**0.5 * STRIDE / UM_PER_PX) + 2 * MARGIN
    slide_import.write_strips((side, side), strips(side), folder / "s.tif", {}, UM_PER_PX)
    bad_bundles.write(folder / "bundle", n_genes=50, dimension=39)


def lay(folder):
    found, model = slide.look(folder / "s.tif"), bundle.read(folder / "bundle")
    geojson.write_tissue(folder / "tissue.geojson", found)
    places.write(places.grid(found, model.about["patches"], STRIDE, 0.5), folder / "p.parquet")


def embed_slide(folder):
    laid, model = places.read(folder / "p.parquet"), bundle.read(folder / "bundle")
    encoder = predict.encoder(model, threads=THREADS)
    patches = predict.patches_of(laid, model.about["patches"], folder / "s.tif", None, encoder.size)
    embed.embed(
        encoder, patches, laid.barcodes, laid.centres, folder / "e.h5", {}, 64, THREADS
    )  # fmt: skip


def write(folder):
    laid, model = places.read(folder / "p.parquet"), bundle.read(folder / "bundle")
    out, path = folder / "predictions.h5ad", folder / "s.tif"
    distance, _ = predict.write(out, model, laid, "s", path, folder / "e.h5")
    values, far = results.columns(out, model.about["genes"][:6]), distance > 1
    geojson.write_patches(folder / "patches.geojson", laid, values, far)
    zarr_store.write(folder / "s.zarr", out, laid)
    pieces = geojson.read(folder / "tissue.geojson")
    style.save(predictions.overview("s", path, laid, far, pieces), folder / "overview.png")
    words = dict.fromkeys(values, "")
    style.save(predictions.maps("s", path, laid, far, values, words), folder / "maps.png")


STEPS = {step.__name__: step for step in (lay, embed_slide, write)}


def main():
    for n in PATCHES:
        with tempfile.TemporaryDirectory() as folder:
            draw(Path(folder), n)
            for step in STEPS:
                done = subprocess.run(
                    [sys.executable, __file__, step, folder],
                    check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                )  # fmt: skip
                print(done.stdout, end="", flush=True)


def run(step, folder):
    start = time.perf_counter()
    STEPS[step](Path(folder))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    n = len(places.read(Path(folder) / "p.parquet"))
    print(f"{step:12} {n:8,} patches: {seconds:7.1f} s {peak:7.0f} MB")


if __name__ == "__main__":
    run(*sys.argv[1:]) if sys.argv[1:] else main()
