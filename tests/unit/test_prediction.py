"""Where is predicted on a slide, and what is written of it."""

import json
from types import SimpleNamespace

import anndata
import bad_bundles
import drawn_slides as drawn
import h5py
import jsonschema
import numpy as np
import pandas as pd
import pytest
import scanpy
import shapely

from spotrank.base.store import InputError
from spotrank.bundles import bundle
from spotrank.cohorts import slide_import
from spotrank.encoders import embed
from spotrank.prediction import geojson, places, predict, results, slide
from spotrank.report import predictions, style

GEOMETRY = {"size": 224, "um_per_px": 0.5}
# what QuPath reads of a feature, by its PathObjectTypeAdapters
FEATURE = {
    "type": "object",
    "required": ["type", "geometry", "properties"],
    "properties": {
        "type": {"const": "Feature"},
        "geometry": {
            "type": "object",
            "required": ["type", "coordinates"],
            "properties": {
                "type": {"const": "Polygon"},
                "coordinates": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "array",
                        "minItems": 4,
                        "items": {
                            "type": "array",
                            "minItems": 2,
                            "maxItems": 2,
                            "items": {"type": "number"},
                        },
                    },
                },
            },
        },
        "properties": {
            "type": "object",
            "additionalProperties": False,
            "required": ["objectType"],
            "properties": {
                "objectType": {"enum": ["annotation", "cell", "detection", "tile", "tmaCore"]},
                "name": {"type": "string"},
                "isLocked": {"type": "boolean"},
                "classification": {
                    "type": "object",
                    "required": ["name", "color"],
                    "properties": {
                        "name": {"type": "string"},
                        "color": {
                            "type": "array",
                            "minItems": 3,
                            "maxItems": 3,
                            "items": {"type": "integer", "minimum": 0, "maximum": 255},
                        },
                    },
                },
                "measurements": {"type": "object", "additionalProperties": {"type": "number"}},
            },
        },
    },
}
COLLECTION = {
    "type": "object",
    "required": ["type", "features"],
    "properties": {
        "type": {"const": "FeatureCollection"},
        "features": {"type": "array", "items": FEATURE},
    },
}


def looked_at(tissue, um_per_px=2.0):
    """A `Slide` whose thumbnail is of a quarter of its px a side."""
    extent = (4 * tissue.shape[1], 4 * tissue.shape[0])
    return slide.Slide("s.tif", um_per_px, extent, tissue, 0.25)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with a slide `s.tif` of 8 µm/px, a bundle, and what is predicted by it."""
    folder = tmp_path_factory.mktemp("predicted")
    rgb, _ = drawn.piece(drawn.glass(), 180, 250, 120)
    slide_import.write_strips(rgb.shape[:2], [rgb], folder / "s.tif", {}, drawn.UM_PER_PX)
    bad_bundles.write(folder / "bundle", n_genes=3, dimension=39)
    model = bundle.read(folder / "bundle")
    found = slide.look(folder / "s.tif", drawn.UM_PER_PX)
    laid = places.grid(found, GEOMETRY, None, 0.5)
    encoder = predict.encoder(model)
    patches = predict.patches_of(laid, GEOMETRY, folder / "s.tif", None, encoder.size)
    embed.embed(encoder, patches, laid.barcodes, laid.centres, folder / "e.h5", {}, 64, 2)
    out = folder / "p.h5ad"
    distance, about = predict.write(out, model, laid, "s", folder / "s.tif", folder / "e.h5")
    geojson.write_tissue(folder / "tissue.geojson", found)
    geojson.write_patches(folder / "patches.geojson", laid, {"d": distance}, distance > 1)
    return SimpleNamespace(
        folder=folder, model=model, found=found, laid=laid, distance=distance, about=about
    )


def test_the_grid_has_the_patches_that_are_tissue_by_half():
    tissue = np.zeros((70, 98), bool)
    tissue[14:42, 21:63] = True  # px of 8 µm: patches of 14 px; of the fifth column a half
    laid = places.grid(looked_at(tissue), GEOMETRY, None, 0.5)
    assert laid.side == 56
    assert laid.barcodes == [f"r{i:04d}_c{j:04d}" for i in (1, 2) for j in (1, 2, 3, 4)]
    np.testing.assert_allclose(laid.tissue, [0.5, 1, 1, 0.5] * 2)
    np.testing.assert_allclose(laid.centres[0], [84, 84])
    assert len(places.grid(looked_at(tissue), GEOMETRY, None, 0.51)) == 4


def test_a_stride_of_half_a_patch_makes_patches_overlap():
    tissue = np.ones((28, 42), bool)
    laid = places.grid(looked_at(tissue), GEOMETRY, 56, 0.5)
    assert len(laid) == 3 * 5
    np.testing.assert_allclose(np.diff(laid.centres[:5, 0]), 28)
    assert (laid.centres.max(0) + laid.side / 2 <= looked_at(tissue).extent).all()


def test_shares_are_those_of_a_count_between_px_of_the_thumbnail():
    found = looked_at(np.random.default_rng(0).random((30, 40)) > 0.4)
    centres = np.random.default_rng(1).uniform(20, 80, (50, 2))
    fine = np.kron(found.tissue, np.ones((40, 40)))  # tenths of a px of the slide
    for centre, share in zip(centres, places.shares(found, centres, 16.0), strict=True):
        (left, top), (right, bottom) = np.round((centre - 8) * 10), np.round((centre + 8) * 10)
        counted = fine[int(top) : int(bottom), int(left) : int(right)].mean()
        assert share == pytest.approx(counted, abs=0.02)


def test_places_are_read_as_they_were_written(written):
    places.write(written.laid, written.folder / "p.parquet")
    again = places.read(written.folder / "p.parquet")
    assert again.barcodes == written.laid.barcodes
    np.testing.assert_array_equal(again.centres, written.laid.centres)
    assert (again.side, again.extent) == (written.laid.side, written.laid.extent)


@pytest.mark.parametrize("suffix", places.SPOTS)
def test_spots_are_read_of_any_file(suffix, tmp_path):
    centres = pd.DataFrame({"barcode": ["001", "b"], "x": [3, 4.5], "y": [5, 6]})
    path = tmp_path / f"s{suffix}"
    if suffix == ".h5ad":
        adata = anndata.AnnData(obs=pd.DataFrame(index=centres["barcode"].to_list()))
        adata.obsm["spatial"] = centres[["x", "y"]].to_numpy()
        adata.write_h5ad(path)
    elif suffix == ".csv":
        centres.to_csv(path, index=False)
    else:
        centres.to_parquet(path)
    _, names, found = places.read_spots(tmp_path, "s")
    assert names == ["001", "b"]
    np.testing.assert_array_equal(found, [[3, 5], [4.5, 6]])


def test_embeddings_of_others_lie_where_they_say(tmp_path):
    found = looked_at(np.ones((70, 98), bool))
    vectors = np.arange(12, dtype="f4").reshape(3, 4)
    with h5py.File(tmp_path / "s.h5", "w") as file:  # as TRIDENT's, the last off the slide
        file["features"], file["coords"] = vectors, [[10, 20], [100, 50], [380, 0]]
        file["coords"].attrs["patch_size_level0"] = 56
    laid = places.given(found, GEOMETRY, "s", embeddings=tmp_path / "s.h5")
    np.testing.assert_array_equal(laid.centres, [[38, 48], [128, 78]])
    np.testing.assert_array_equal(laid.rows, [0, 1])
    with h5py.File(tmp_path / "s.h5", "a") as file:
        file["barcodes"] = np.array(["a", "b", "c"], "S")
    spots = pd.DataFrame({"barcode": ["c", "x", "a"], "x": [50, 50, 90], "y": [60, 60, 70]})
    spots.to_csv(tmp_path / "s.csv", index=False)
    laid = places.given(found, GEOMETRY, "s", spots=tmp_path, embeddings=tmp_path / "s.h5")
    assert (laid.barcodes, laid.rows.tolist()) == (["a", "c"], [0, 2])
    np.testing.assert_array_equal(laid.centres, [[90, 70], [50, 60]])


@pytest.mark.parametrize(
    ("um_per_px", "said"), [(8, "says that it has 8 µm/px"), (None, "doesn't say how many µm")]
)
def test_a_resolution_that_cannot_be_true_is_refused(um_per_px, said, tmp_path):
    rgb = drawn.glass(100, 100)
    slide_import.write_strips(rgb.shape[:2], [rgb], tmp_path / "s.tif", {}, um_per_px)
    with pytest.raises(InputError, match=said):
        slide.resolution(tmp_path / "s.tif")


def test_the_resolution_is_the_slides_own(tmp_path):
    rgb = drawn.glass(100, 100)
    slide_import.write_strips(rgb.shape[:2], [rgb], tmp_path / "s.tif", {}, 0.69)
    assert slide.resolution(tmp_path / "s.tif") == pytest.approx(0.69, rel=1e-4)


def test_predictions_open_in_scanpy(written):
    found = scanpy.read_h5ad(written.folder / "p.h5ad")
    with h5py.File(written.folder / "e.h5") as file:
        ((_, theirs),) = written.model.predict(file["embeddings"][:], np.zeros((len(found), 2)))
    np.testing.assert_array_equal(found.X, theirs)
    np.testing.assert_array_equal(found.obsm["spatial"], written.laid.centres)
    assert list(found.var_names) == written.model.about["genes"]
    assert found.uns["spotrank"]["bundle"] == written.model.about["id"]
    assert found.obs["far"].tolist() == (found.obs["distance"] > 1).tolist()
    axes = scanpy.pl.spatial(found, color="G1", show=False)
    assert axes[0].images  # the slide lies under the spots
    np.testing.assert_array_equal(
        results.columns(written.folder / "p.h5ad", ["G2"])["G2"], theirs[:, 2]
    )


@pytest.mark.parametrize("name", ["patches", "tissue"])
def test_geojson_is_what_qupath_reads(name, written):
    found = json.loads((written.folder / f"{name}.geojson").read_text())
    jsonschema.validate(found, COLLECTION)
    for feature in found["features"]:
        for ring in feature["geometry"]["coordinates"]:
            assert ring[0] == ring[-1]
        assert shapely.geometry.shape(feature["geometry"]).is_valid
    if name == "patches":
        far = ["classification" in feature["properties"] for feature in found["features"]]
        assert far == (written.distance > 1).tolist()


def test_outlines_cover_the_tissue(written):
    area = sum(piece.area for piece in geojson.read(written.folder / "tissue.geojson"))
    found = written.found
    assert area == pytest.approx(found.tissue.sum() / found.scale**2, rel=0.03)


def test_a_slide_is_unlike_the_training_if_most_patches_are(written):
    for share, unlike in ((0.5, False), (0.51, True)):
        distance = np.where(np.arange(len(written.laid)) < share * len(written.laid), 2, 0)
        adata = results.annotated(
            "s", written.folder / "s.tif", written.laid, written.model, distance
        )
        assert bool(adata.uns["spotrank"]["remark"]) == unlike


def test_pictures_are_drawn(written):
    far, genes = written.distance > 1, ["G0", "G1"]
    path, values = written.folder / "s.tif", results.columns(written.folder / "p.h5ad", genes)
    pieces = geojson.read(written.folder / "tissue.geojson")
    expected = results.expected(written.model.genes.loc[genes])
    style.save(predictions.overview("s", path, written.laid, far, pieces), path.with_suffix(".png"))
    figure = predictions.maps("s", path, written.laid, far, values, expected)
    assert [axis.get_title() for axis in figure.axes[:2]] == [
        "G0\nSpearman 0.50 on held-out slides",
        "G1\nSpearman 0.50 on held-out slides",
    ]


def test_weights_of_another_hash_are_refused(written, tmp_path):
    spec = {"model": "test_resnet", "weights": "random", "pooling": "", "precision": "fp32"}
    about = written.model.about | {
        "encoder": {"name": "tiny", "spec": spec, "about": {"weights_sha256": "0" * 64}}
    }
    other = SimpleNamespace(about=about, spec=spec, sees="embeddings")
    with pytest.raises(InputError, match=r"has the SHA-256 random…, but the bundle .* of 'tiny'"):
        predict.encoder(other)
    about["encoder"]["about"]["weights_sha256"] = "random"
    assert predict.encoder(other).about["weights_sha256"] == "random"
