"""Stores of SpatialData: real ones of zarr 2 and 3, and made-up ones of what these lack."""

import json
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
import zarr
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from stores import add_raster, add_shapes, add_table, step, write_store

from spotrank.base.store import InputError
from spotrank.cohorts.sources import elements, spatialdata, transforms

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # of anndata, as it writes

SIDE = 112
WIDTH, HEIGHT = 31, 23  # px of the picture of made-up stores
PICTURE = np.random.default_rng(0).integers(0, 256, (3, HEIGHT, WIDTH), np.uint8)
CENTRES = np.array([[3.0, 4.0], [10.5, 8.25], [20.0, 15.0]])
COUNTS = np.array([[1.0, 0, 2], [0, 3, 0], [4, 0, 5]])
HERE = [step("identity", "xy")]  # shapes in the px of the picture
GOLDEN = ROOT / "tests/golden/spatialdata.json"


@pytest.fixture
def xenium(layouts):
    return {
        "folder": str(layouts / "spatialdata_xenium_segtraq/xenium_sp_subset.zarr"),
        "image": "he_image",
        "gene_names": "index",
    }


def visium(layouts, version):
    return str(layouts / f"spatialdata_visium_written/visium_{version}.zarr")


def squares(centres, side=2):
    return shapely.box(*(centres - side / 2).T, *(centres + side / 2).T)


def made_up(path, zarr_format=3, *, shapes=HERE, picture=None, encoding="WKB", **table):
    """A store of three polygons in another order than the table's rows; its row."""
    root = write_store(path, zarr_format)
    add_raster(root, "images", "he", PICTURE, picture or [step("identity", "cyx")])
    add_shapes(root, "cells", squares(CENTRES[::-1]), [30, 20, 10], shapes, encoding)
    add_table(root, COUNTS, [10, 20, 30], "cells", **table)
    return {"folder": str(path), "um_per_px": "0.5"}


def read(row, size=(WIDTH, HEIGHT)):
    return spatialdata.read(row | {"slide_size": size}, SIDE)


def refused(row, size=(WIDTH, HEIGHT)):
    """The sentence with which a row is refused."""
    with pytest.raises(InputError) as error:
        read(row, size)
    said = str(error.value)
    assert said.endswith(".")
    assert "\n" not in said
    return said


# the real stores


def test_a_xenium_store_gives_what_the_readme_of_the_layouts_says(xenium, tmp_path):
    sample = read(xenium, (527, 448))
    assert sample.counts.shape == (122, 313)
    assert sample.counts.sum() == 17_803
    assert sample.barcodes[0] == "4613"  # the cell's id, not the row's number, which is 4612
    assert sample.places[0] == pytest.approx([362.3522, 85.6731], abs=5e-5)
    assert sample.counts[0].sum() == 210
    assert sample.um_per_px == pytest.approx(0.36391080, abs=5e-9)
    assert sample.pitch_um is None
    assert sample.found["shapes without a row"] == 36
    assert sample.found["without a shape"] == 0
    sample.write(tmp_path / "st.h5ad", tmp_path / "st.json", {})
    assert json.loads((tmp_path / "st.json").read_text())["found"] == sample.found


def test_nuclei_of_xenium_are_dark(xenium):
    """An alignment the wrong way round would not find them."""
    (height, width), strips = spatialdata.image_blocks(xenium)
    picture = np.concatenate(list(strips))
    assert picture.shape == (height, width, 3) == (448, 527, 3)
    store = elements.Store(xenium["folder"])
    to_px = np.linalg.inv(store.raster("images", "he_image").systems["global"])
    of_nuclei = store.systems("shapes", "nucleus_boundaries")["global"]
    centres = store.centres("nucleus_boundaries")[["x", "y"]].to_numpy()
    x, y = transforms.apply(to_px @ of_nuclei, centres).T.astype(int)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    assert picture[y[inside], x[inside]].mean() < 130
    assert picture.mean() == pytest.approx(196.7, abs=0.05)


def test_numbers_for_names_of_genes_are_refused(xenium):
    said = refused({key: xenium[key] for key in ("folder", "image")}, (527, 448))
    assert "numbers where genes have names ('0', …)" in said
    assert "'gene_names'" in said


def test_several_pictures_are_asked_for_by_name(xenium):
    del xenium["image"]
    assert "he_image, if_image, morphology_focus, morphology_mip" in refused(xenium)
    assert "did you mean 'he_image'?" in refused(xenium | {"image": "he_imag"})


def test_a_slide_that_is_no_picture_of_the_store_is_refused(xenium, tmp_path):
    slide = tmp_path / "slide.tif"
    slide.touch()
    assert "he_image has 527 × 448 px" in refused(xenium, (528, 448))
    sizes = refused(xenium | {"image": str(slide)}, (1054, 896))
    assert "the slide has 1054 × 896 px" in sizes
    assert "morphology_mip has 899 × 763 px" in sizes
    same = read(xenium | {"image": str(slide)}, (527, 448))
    np.testing.assert_array_equal(same.places, read(xenium, (527, 448)).places)


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_a_visium_store_gives_what_the_readme_of_the_layouts_says(layouts, tmp_path, version):
    slide = tmp_path / "slide.tif"
    slide.touch()
    row = {"folder": visium(layouts, version), "image": str(slide)}
    sample = read(row, (11_620, 11_608))
    assert sample.counts.shape == (2695, 100)
    assert sample.counts.sum() == 132_231
    assert sample.barcodes[0] == "AAACAAGTATCTCCCA-1"
    assert sample.places[0].tolist() == [8501, 7475]
    assert sample.counts[0].sum() == 34
    assert sample.um_per_px == pytest.approx(0.72648, abs=5e-6)
    assert sample.pitch_um == 100
    assert sample.genes.loc["Xkr4"].tolist() == ["ENSMUSG00000051951", "Gene Expression"]
    assert "the slide has 11620 × 11500 px" in refused(row, (11_620, 11_500))
    assert "the slide has 11608 × 11620 px" in refused(row, (11_608, 11_620))  # turned


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_small_copies_are_refused_by_name(layouts, version):
    said = refused({"folder": visium(layouts, version)}, (600, 599))
    assert "'mouse_brain_lowres_image' is a small copy" in said
    with pytest.raises(InputError, match="small copy"):
        spatialdata.image_blocks({"folder": visium(layouts, version)})


@pytest.mark.parametrize("name", ["blobs", "blobs_v3"])
def test_what_is_no_count_is_refused(layouts, name):
    row = {"folder": str(layouts / f"spatialdata_blobs/{name}.zarr"), "um_per_px": "0.5"}
    said = refused(row | {"image": "blobs_image"}, (64, 64))
    assert "X holds 25.0537, but raw counts are needed; raw and layers hold none either" in said
    _, strips = spatialdata.image_blocks(row | {"image": "blobs_image"})
    with pytest.raises(InputError, match="float64, not bytes"):
        next(strips)


# the same numbers as the library's


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text())


def test_transformations_are_the_librarys(golden):
    """Each as the library read it from JSON; see tests/library."""
    for case in golden["transformations"]:
        (found,) = transforms.systems([case["step"]], case["axes"]).values()
        np.testing.assert_allclose(found, case["matrix"], rtol=1e-12, atol=1e-9)
    kinds = {case["step"]["type"] for case in golden["transformations"]}
    assert kinds == {*transforms.KINDS, "sequence"}


def test_centres_are_the_librarys(golden, layouts):
    for store, wanted in golden["centres"].items():
        found = elements.Store(layouts / store)
        for name, systems in wanted.items():
            kind = "shapes" if name in found.names("shapes") else "labels"
            if kind == "shapes":
                centres, own = found.centres(name), found.systems(kind, name)
            else:
                centres, own = found.raster(kind, name).centres(), found.raster(kind, name).systems
            assert own.keys() == systems.keys()
            for system_name, matrix in own.items():
                there = transforms.apply(matrix, centres[["x", "y"]].to_numpy())
                index, places = systems[system_name]
                there = pd.DataFrame(there, centres.index).loc[index]
                np.testing.assert_allclose(there, places, rtol=1e-9, atol=1e-6)


# composition


NUMBERS = st.floats(-50, 50).filter(lambda value: abs(value) > 0.1)
STEPS = st.one_of(
    st.just(("identity", {})),
    st.tuples(NUMBERS, NUMBERS).map(lambda pair: ("scale", {"scale": list(pair)})),
    st.tuples(NUMBERS, NUMBERS).map(lambda pair: ("translation", {"translation": list(pair)})),
    st.floats(0, 6).map(
        lambda t: ("rotation", {"rotation": [np.cos(t), -np.sin(t), np.sin(t), np.cos(t)]})
    ),
    st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
    .filter(lambda v: abs(v[0] * 60 + 7) > 1)
    .map(lambda v: ("affine", {"affine": [[v[0], 7, v[2]], [-1, 60, v[3]]]})),
    st.just(("mapAxis", {"mapAxis": {"x": "y", "y": "x"}})),
)
BY_HAND = {  # what each kind does to a point whose coordinates are in the order of the axes
    "identity": lambda point, values: point,
    "scale": lambda point, values: point * values["scale"],
    "translation": lambda point, values: point + values["translation"],
    "rotation": lambda point, values: np.reshape(values["rotation"], (2, 2)) @ point,
    "affine": lambda point, values: np.array(values["affine"]) @ [*point, 1],
    "mapAxis": lambda point, values: point[::-1],
}


@settings(deadline=None)
@given(st.lists(st.tuples(STEPS, st.permutations("xy")), min_size=1, max_size=5), st.data())
def test_a_sequence_does_one_after_the_other(steps, data):
    """Each step may write the axes in an order of its own."""
    point = {axis: data.draw(NUMBERS) for axis in "xy"}
    parts, there = [], dict(point)
    for (kind, values), axes in steps:
        parts.append(step(kind, "".join(axes), **values))
        moved = BY_HAND[kind](np.array([there[axis] for axis in axes]), values)
        there = dict(zip(axes, moved, strict=True))
    whole = step("sequence", "xy", transformations=parts)
    (matrix,) = transforms.systems([whole], "xy").values()
    found = transforms.apply(matrix, np.array([[point["x"], point["y"]]]))[0]
    scale = max(np.abs(matrix).max(), 1) * 100
    np.testing.assert_allclose(found, [there["x"], there["y"]], atol=1e-12 * scale)


def test_axes_that_come_out_in_another_order_keep_their_names():
    swapped = step("affine", "cyx", "cxy", affine=[[1, 0, 0, 0], [0, 2, 3, 4], [0, 5, 6, 7]])
    (matrix,) = transforms.systems([swapped], "cyx").values()
    # x' = 2 y + 3 x + 4, y' = 5 y + 6 x + 7
    assert matrix.tolist() == [[3, 2, 4], [6, 5, 7], [0, 0, 1]]


def test_steps_of_a_sequence_need_not_say_their_axes():
    bare = [{"type": "scale", "scale": [2, 3]}, {"type": "translation", "translation": [10, 20]}]
    whole = step("sequence", "yx", transformations=bare)
    (matrix,) = transforms.systems([whole], "yx").values()
    assert matrix.tolist() == [[3, 0, 20], [0, 2, 10], [0, 0, 1]]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (step("displacements", "xy"), "no affine transformation that is known"),
        (step("scale", "xy", "yx", scale=[1, 2]), "a scale that renames axes"),
        (step("scale", "xy", scale=[1, 0]), "squeezed to a line"),
        (step("scale", "xy", scale=[1, np.nan]), "not finite"),
        (step("translation", "xy", translation=[1]), ""),
        (step("scale", "xy", scale=[1, 2, 3]), ""),
        (step("affine", "xyz", affine=[[1, 0, 2, 0], [0, 1, 0, 0], [0, 0, 1, 0]]), "other axes"),
        (step("identity", "zy"), "not x, y"),
        (step("sequence", "xy", transformations=[step("identity", "xyz")]), "go where"),
    ],
)
def test_what_is_no_map_of_the_plane_is_refused(tmp_path, bad, why):
    said = refused(made_up(tmp_path / "s.zarr", shapes=[bad]))
    assert re.search(rf"where 'cells' lies can't be told \(.*{why}.*\); write", said)


# made-up stores


ROTATED = [0.6, -0.8, 0.8, 0.6]
PLACED = {  # transformations of shapes and picture that put shapes at 2 × CENTRES in the picture
    "scale": ([step("scale", "xy", scale=[2, 2])], None),
    "of the picture": (HERE, [step("scale", "cyx", scale=[1, 0.5, 0.5])]),
    "rotation": (
        [step("sequence", "xy", transformations=[
            step("scale", "xy", scale=[2, 2]), step("rotation", "xy", rotation=ROTATED),
        ])],
        [step("rotation", "xyc", rotation=[0.6, -0.8, 0, 0.8, 0.6, 0, 0, 0, 1])],
    ),
    "mapAxis": (
        [step("sequence", "xy", transformations=[
            step("mapAxis", "xy", mapAxis={"x": "y", "y": "x"}),
            step("scale", "xy", scale=[2, 2]),
        ])],
        [step("mapAxis", "cyx", "cxy", mapAxis={"c": "c", "x": "y", "y": "x"})],
    ),
    "two systems that agree": (
        [step("scale", "xy", scale=[2, 2]), step("scale", "xy", to="other", scale=[6, 6])],
        [step("identity", "cyx"), step("scale", "cyx", to="other", scale=[1, 3, 3])],
    ),
}  # fmt: skip


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("name", PLACED)
def test_places_come_through_the_system_that_both_share(tmp_path, name, zarr_format):
    shapes, picture = PLACED[name]
    sample = read(made_up(tmp_path / "s.zarr", zarr_format, shapes=shapes, picture=picture))
    np.testing.assert_allclose(sample.places, 2 * CENTRES, atol=1e-9)
    np.testing.assert_array_equal(sample.counts.toarray(), COUNTS)
    assert sample.barcodes.tolist() == ["barcode0", "barcode1", "barcode2"]
    assert sample.genes.index.tolist() == ["GENE0", "GENE1", "GENE2"]
    assert sample.um_per_px == 0.5


def test_systems_that_disagree_are_asked_for_by_name(tmp_path):
    shapes = [step("identity", "xy"), step("translation", "xy", to="aligned", translation=[0, 5])]
    picture = [step("identity", "cyx"), step("identity", "cyx", to="aligned")]
    row = made_up(tmp_path / "s.zarr", shapes=shapes, picture=picture)
    assert "spots lie up to 5 px apart by he in 'global' and by he in 'aligned'" in refused(row)
    np.testing.assert_allclose(read(row | {"system": "global"}).places, CENTRES)
    np.testing.assert_allclose(read(row | {"system": "aligned"}).places, np.add(CENTRES, (0, 5)))
    assert "he not in elsewhere" in refused(row | {"system": "elsewhere"})


def test_no_system_in_common_is_refused(tmp_path):
    row = made_up(tmp_path / "s.zarr", shapes=[step("identity", "xy", to="elsewhere")])
    assert "'cells' is placed in elsewhere, but he not in any of these" in refused(row)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("encoding", ["WKB", "geoarrow", "arrays"])
@pytest.mark.parametrize("shape", ["circles", "polygons", "multipolygons"])
def test_shapes_of_every_encoding(tmp_path, zarr_format, encoding, shape):
    root = write_store(tmp_path / "s.zarr", zarr_format)
    geometries = {
        "circles": shapely.points(CENTRES),
        "polygons": squares(CENTRES),
        # two squares, of which the second has four times the area
        "multipolygons": [
            shapely.multipolygons([small, large])
            for small, large in zip(squares(CENTRES - (5, 0)), squares(CENTRES, 4), strict=True)
        ],
    }[shape]
    add_shapes(root, "cells", geometries, [10, 20, 30], HERE, encoding)
    found = elements.Store(tmp_path / "s.zarr").centres("cells")
    assert found.index.tolist() == [10, 20, 30]
    wanted = CENTRES - (1, 0) if shape == "multipolygons" else CENTRES
    np.testing.assert_allclose(found[["x", "y"]], wanted)


def test_names_of_instances_that_are_text(tmp_path):
    root = write_store(tmp_path / "s.zarr")
    add_raster(root, "images", "he", PICTURE, [step("identity", "cyx")])
    add_shapes(root, "cells", shapely.points(CENTRES), ["aa-1", "bb-1", "cc-1"], HERE)
    add_table(root, COUNTS[[2, 0]], ["cc-1", "aa-1"], "cells")
    sample = read({"folder": str(tmp_path / "s.zarr"), "um_per_px": "1"})
    np.testing.assert_allclose(sample.places, CENTRES[[2, 0]])


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_table_that_annotates_labels(tmp_path, zarr_format, monkeypatch):
    """Centres of labels are of the pixels' middles, whatever the strips."""
    labels = np.zeros((HEIGHT, WIDTH), np.uint32)
    labels[2:12, 4:6], labels[0, 0], labels[20:, 30] = 7, 4_000_000_000, 9
    root = write_store(tmp_path / "s.zarr", zarr_format)
    add_raster(root, "images", "he", PICTURE, [step("identity", "cyx")])
    add_raster(root, "labels", "cells", labels, [step("scale", "yx", scale=[0.5, 2])], axes="yx")
    add_table(root, COUNTS, [9, 7, 4_000_000_000], "cells")
    row = {"folder": str(tmp_path / "s.zarr"), "um_per_px": "1"}
    wanted = [[30.5 * 2, 21.5 / 2], [5 * 2, 7 / 2], [0.5 * 2, 0.5 / 2]]
    np.testing.assert_allclose(read(row).places, wanted)
    monkeypatch.setattr(elements, "STRIP", 1)
    np.testing.assert_allclose(read(row).places, wanted)


def test_the_tables_own_centres_count_where_they_lie_in_the_polygons(tmp_path):
    """Of Xenium's cells they are those of the masks; another's, or moved ones, lie elsewhere."""
    near, far = np.add(CENTRES, (0.5, -0.5)), CENTRES * 3
    row = made_up(tmp_path / "near.zarr", obsm={"spatial": near})
    np.testing.assert_allclose(read(row).places, near)
    row = made_up(tmp_path / "far.zarr", obsm={"spatial": far})
    np.testing.assert_allclose(read(row).places, CENTRES)


def test_tables_and_regions_are_asked_for_by_name(tmp_path):
    row = made_up(tmp_path / "s.zarr")
    root = zarr.open_group(row["folder"], mode="r+")
    add_shapes(root, "spots", shapely.points(CENTRES[:2]), [1, 2], HERE)
    add_table(root, COUNTS, [10, 1, 2], np.array(["cells", "spots", "spots"]), "both")
    assert "its tables are both, table; name one in the column 'table'" in refused(row)
    assert "annotates cells, spots; name one in the column 'region'" in refused(
        row | {"table": "both"}
    )
    sample = read(row | {"table": "both", "region": "spots"})
    np.testing.assert_allclose(sample.places, CENTRES[:2])
    np.testing.assert_array_equal(sample.counts.toarray(), COUNTS[1:])
    said = refused(row | {"table": "both", "region": "spot"})
    assert "not 'spot', did you mean 'spots'? but cells, spots" in said


def test_a_single_old_table(tmp_path):
    row = made_up(tmp_path / "s.zarr", 2)
    (tmp_path / "s.zarr/tables").rename(tmp_path / "s.zarr/table")
    np.testing.assert_allclose(read(row).places, CENTRES)


def test_rows_without_a_shape_are_counted_or_refused(tmp_path):
    root = write_store(tmp_path / "s.zarr")
    centres = np.random.default_rng(0).uniform(0, 20, (40, 2))
    add_raster(root, "images", "he", PICTURE, [step("identity", "cyx")])
    add_shapes(root, "cells", shapely.points(centres), range(40), HERE)
    add_table(root, np.eye(40), [*range(39), 99], "cells", "one")
    add_table(root, np.eye(40), range(20, 60), "cells", "half")
    row = {"folder": str(tmp_path / "s.zarr"), "um_per_px": "1"}
    sample = read(row | {"table": "one"})
    np.testing.assert_allclose(sample.places, centres[:39])
    assert sample.counts.shape == (39, 40)
    assert sample.found["without a shape"] == 1
    assert sample.found["shapes without a row"] == 1
    assert "20 of its 40 rows have no shape in 'cells'" in refused(row | {"table": "half"})


def test_counts_in_a_layer_are_told_and_taken(tmp_path):
    logged = {"X": np.log1p(COUNTS)}
    row = made_up(tmp_path / "s.zarr")
    root = zarr.open_group(row["folder"], mode="r+")
    add_table(root, logged["X"], [10, 20, 30], "cells", layers={"counts": COUNTS})
    assert "layers/counts holds counts: name 'counts' as 'layer'" in refused(row)
    assert "has no layers/count; layers/counts holds counts" in refused(row | {"layer": "count"})
    np.testing.assert_array_equal(read(row | {"layer": "counts"}).counts.toarray(), COUNTS)


@pytest.mark.parametrize(("value", "said"), [(-1, "-1"), (0.5, "0.5"), (np.nan, "nan")])
def test_what_is_negative_fractional_or_missing_is_no_count(tmp_path, value, said):
    row = made_up(tmp_path / "s.zarr")
    counts = COUNTS.copy()
    counts[1, 1] = value
    add_table(zarr.open_group(row["folder"], mode="r+"), counts, [10, 20, 30], "cells")
    assert f"X holds {said}, but raw counts are needed" in refused(row)


def test_names_of_genes_from_a_column(tmp_path):
    row = made_up(tmp_path / "s.zarr", var={"symbol": ["A", "B", "C"]})
    assert read(row | {"gene_names": "symbol"}).genes.index.tolist() == ["A", "B", "C"]
    assert "did you mean 'symbol'?" in refused(row | {"gene_names": "symbols"})


def test_other_features_than_genes_are_left_out(tmp_path):
    types = ["Gene Expression", "Negative Control Probe", "Gene Expression"]
    sample = read(made_up(tmp_path / "s.zarr", var={"feature_types": types}))
    assert sample.genes.index.tolist() == ["GENE0", "GENE2"]
    np.testing.assert_array_equal(sample.counts.toarray(), COUNTS[:, [0, 2]])
    assert sample.found["left out as 'Negative Control Probe'"] == "1 features, 3 counts"


def test_spots_off_tissue_are_left_out(tmp_path):
    sample = read(made_up(tmp_path / "s.zarr", obs={"in_tissue": [1, 0, 1]}))
    assert sample.barcodes.tolist() == ["barcode0", "barcode2"]
    np.testing.assert_allclose(sample.places, CENTRES[[0, 2]])


# µm/px


def test_what_tells_um_per_px(tmp_path):
    row = made_up(tmp_path / "s.zarr")
    del row["um_per_px"]
    assert "nothing tells µm/px of he" in refused(row)
    assert "'um_per_px' is half" in refused(row | {"um_per_px": "half"})
    assert "5 µm/px, too coarse for patches" in refused(row | {"um_per_px": "5"})


def test_spots_of_visium_tell_um_per_px_by_their_distance(tmp_path):
    """In a row, whose columns are two apart; rows and columns may run either way."""
    grid = {"array_row": [4, 4, 5], "array_col": [6, 2, 3]}
    centres = np.array([[2.0, 3.0], [402.0, 303.0], [300.0, 0.0]])  # the first two are 200 µm apart
    root = write_store(tmp_path / "s.zarr")
    add_raster(root, "images", "he", PICTURE, [step("identity", "cyx")])
    add_shapes(root, "spots", shapely.points(centres), [0, 1, 2], HERE)
    add_table(root, COUNTS, [0, 1, 2], "spots", obs=grid)
    row = {"folder": str(tmp_path / "s.zarr")}
    sample = read(row)
    assert sample.um_per_px == pytest.approx(200 / 500)
    assert sample.pitch_um == 100
    assert read(row | {"um_per_px": "0.401"}).um_per_px == pytest.approx(200 / 500)
    said = refused(row | {"um_per_px": "0.25"})
    assert "0.25 by um_per_px of the table of samples, 0.4 by the distance of spots" in said


XENIUM = {"transcript_counts": [3, 3, 9], "control_probe_counts": [0, 0, 0]}


def of_xenium(path, in_um):
    """A store as of Xenium, its cells as labels; in_um: transformations of its transcripts."""
    labels = np.arange(WIDTH * HEIGHT).reshape(HEIGHT, WIDTH)
    root = write_store(path)
    add_raster(root, "images", "he", PICTURE, [step("scale", "cyx", scale=[1, 1.5, 1.5])])
    add_raster(root, "labels", "cell_labels", labels, [step("identity", "yx")], axes="yx")
    points = root.require_group("points").create_group("transcripts")
    points.attrs.update({"axes": ["x", "y", "z"], "coordinateTransformations": [in_um]})
    add_table(root, COUNTS, [1, 2, 3], "cell_labels", obs=XENIUM)
    return {"folder": str(path)}


def test_elements_of_xenium_that_are_in_um_tell_um_per_px(tmp_path):
    scale = 1 / 0.2125
    row = of_xenium(tmp_path / "a.zarr", step("scale", "xyz", scale=[scale, scale, 1]))
    assert read(row).um_per_px == pytest.approx(0.2125 * 1.5)
    # transcripts that somebody moved to px tell nothing
    assert "nothing tells µm/px" in refused(of_xenium(tmp_path / "b.zarr", step("identity", "xyz")))


# pictures


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("strip", [1, 2**26])
def test_a_picture_is_read_by_strips(tmp_path, zarr_format, strip, monkeypatch):
    monkeypatch.setattr(elements, "STRIP", strip)
    size, strips = spatialdata.image_blocks(made_up(tmp_path / "s.zarr", zarr_format))
    strips = list(strips)
    assert size == (HEIGHT, WIDTH)
    assert max(map(len, strips)) == (1 if strip == 1 else 7)
    np.testing.assert_array_equal(np.concatenate(strips), PICTURE.transpose(1, 2, 0))


@pytest.mark.parametrize(
    ("values", "axes", "channels"),
    [
        (PICTURE[::-1], "cyx", ["blue", "green", "red"]),
        (PICTURE.transpose(1, 2, 0), "yxc", ["R", "G", "B"]),
        (PICTURE[:, None], "czyx", None),
        (PICTURE.astype(np.uint16) * 257, "cyx", None),
        (np.concatenate([PICTURE, np.full_like(PICTURE[:1], 255)]), "cyx", ["r", "g", "b", "a"]),
    ],
)
def test_colours_by_the_names_of_axes_and_channels(tmp_path, values, axes, channels):
    root = write_store(tmp_path / "s.zarr")
    add_raster(root, "images", "he", values, [step("identity", axes)], axes, channels)
    _, strips = spatialdata.image_blocks({"folder": str(tmp_path / "s.zarr")})
    np.testing.assert_array_equal(np.concatenate(list(strips)), PICTURE.transpose(1, 2, 0))


def test_what_is_transparent_is_white(tmp_path):
    values = np.zeros((4, 2, 2), np.uint8)
    values[3] = [[0, 255], [128, 255]]
    root = write_store(tmp_path / "s.zarr")
    add_raster(root, "images", "he", values, [step("identity", "cyx")], channels="rgba")
    _, strips = spatialdata.image_blocks({"folder": str(tmp_path / "s.zarr")})
    assert next(strips)[..., 0].tolist() == [[255, 0], [127, 0]]


@pytest.mark.parametrize(
    ("values", "axes", "channels", "why"),
    [
        (PICTURE, "cyx", ["DAPI", "CD45", "CD3"], "has the channels DAPI, CD45, CD3, not red"),
        (PICTURE[:1], "cyx", None, "has the channels 0, not red"),
        (PICTURE[0], "yx", None, "has the channels 0, not red"),
        (PICTURE[:, None].repeat(2, 1), "czyx", None, "more axes than x, y and c"),
        (PICTURE / 255, "cyx", None, "float64, not bytes"),
    ],
)
def test_what_is_no_picture_in_colours_is_refused(tmp_path, values, axes, channels, why):
    root = write_store(tmp_path / "s.zarr")
    add_raster(root, "images", "he", values, [step("identity", axes)], axes, channels)
    _, strips = spatialdata.image_blocks({"folder": str(tmp_path / "s.zarr")})
    with pytest.raises(InputError, match=why):
        list(strips)


# damaged and hostile stores


def test_what_is_no_store_is_refused(tmp_path):
    assert "is no folder" in refused({"folder": str(tmp_path / "none.zarr")})
    assert "not a readable store of SpatialData" in refused({"folder": str(tmp_path)})


def damage(path):
    """Ways to spoil a made-up store, `{what: function}`."""
    return {
        "indices of X": lambda: (path / "tables/table/X/indices/c/0").write_bytes(bytes(9)),
        "shapes": lambda: (path / "shapes/cells/shapes.parquet").write_bytes(b"PAR1"),
        "obs": lambda: shutil.rmtree(path / "tables/table/obs"),
        "the picture": lambda: (path / "images/he/zarr.json").write_text("{"),
    }


@pytest.mark.parametrize("what", damage(Path()))
def test_a_damaged_store_ends_in_a_sentence(tmp_path, what):
    row = made_up(tmp_path / "s.zarr")
    damage(tmp_path / "s.zarr")[what]()
    refused(row)


def test_an_unfinished_copy_of_counts_is_refused(tmp_path):
    """Zarr reads what is not there as zeros; of a dense matrix that may be what was written."""
    row = made_up(tmp_path / "s.zarr")
    (tmp_path / "s.zarr/tables/table/X/data/c/0").unlink()
    assert "parts of X are missing" in refused(row)
    root = zarr.open_group(row["folder"], mode="r+")
    add_table(root, COUNTS, [10, 20, 30], "cells", dense=True)
    sample = read(row)
    np.testing.assert_array_equal(sample.counts.toarray(), COUNTS)
    assert sample.found["parts of X that are missing, and zero"] == 0
    (tmp_path / "s.zarr/tables/table/X/c/0/0").unlink()
    assert read(row).found["parts of X that are missing, and zero"] == 1


def test_stale_notes_of_a_store_are_not_believed(tmp_path):
    row = made_up(tmp_path / "s.zarr")
    zarr.consolidate_metadata(row["folder"])
    shutil.rmtree(tmp_path / "s.zarr/images/he")
    root = zarr.open_group(row["folder"], mode="r+", use_consolidated=False)
    add_raster(root, "images", "slide", PICTURE, [step("identity", "cyx")])
    assert read(row).found["picture"] == f"slide ({WIDTH} × {HEIGHT} px)"


class Hostile:
    """What makes a folder as it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.mkdir, (self.path,)


@pytest.mark.parametrize("filters", [["pickle"], ["vlen-utf8", "pickle"]])
def test_no_array_is_unpickled(tmp_path, filters):
    row = made_up(tmp_path / "s.zarr", 2)
    array = tmp_path / "s.zarr/images/he/s0"
    coded = {"dtype": "|O", "filters": [{"id": name} for name in filters], "compressor": None}
    about = json.loads((array / ".zarray").read_text()) | coded | {"fill_value": ""}
    (array / ".zarray").write_text(json.dumps(about))
    for chunk in array.glob("[0-9]*"):
        chunk.write_bytes(pickle.dumps(Hostile(tmp_path / "made")))
    with pytest.raises(InputError):
        list(spatialdata.image_blocks(row)[1])
    assert not (tmp_path / "made").exists()
    pickle.loads(chunk.read_bytes())  # noqa: S301
    assert (tmp_path / "made").exists()


def test_bins_of_visium_hd_are_pooled_to_patches(tmp_path):
    """Of 14 × 14 bins of 8 µm a square of 112 µm, kept if half of it is in tissue."""
    rows, columns = (part.ravel() for part in np.mgrid[14:35, 0:28])
    centres = np.column_stack([900 - 16.0 * columns, 5 + 16.0 * rows])  # mirrored, 16 px a bin
    counts = np.ones((len(rows), 2))
    counts[columns >= 14, 1] = 3
    root = write_store(tmp_path / "s.zarr")
    add_raster(root, "images", "he", PICTURE, [step("identity", "cyx")])
    add_shapes(root, "hd_square_008um", shapely.points(centres), range(len(rows)), HERE)
    grid = {"array_row": rows, "array_col": columns}
    add_table(root, counts, range(len(rows)), "hd_square_008um", "square_008um", obs=grid)
    row = {"folder": str(tmp_path / "s.zarr")}
    sample = read(row)
    names = [f"s_112um_0000{row}_0000{column}" for row, column in ((1, 0), (1, 1), (2, 0), (2, 1))]
    assert sample.barcodes.tolist() == names
    np.testing.assert_array_equal(
        sample.counts.toarray(), [[196, 196], [196, 588], [98, 98], [98, 294]]
    )
    whole = [900 - 16 * 6.5, 5 + 16 * 20.5]  # middle of the columns 0 to 13 and the rows 14 to 27
    np.testing.assert_allclose(sample.places[0], whole)
    np.testing.assert_allclose(sample.places[3], np.add(whole, (-224, 224)))  # of the whole square
    assert sample.um_per_px == pytest.approx(8 / 16)
    assert sample.pitch_um == 112
    with pytest.raises(InputError, match="patches of 100 µm are no whole number of bins of 8 µm"):
        spatialdata.read(row | {"slide_size": (WIDTH, HEIGHT)}, 100)


def test_files_that_make_an_import_stale_are_files(layouts):
    for store in layouts.glob("spatialdata_*/*.zarr"):
        found = {path for pattern in spatialdata.FILES for path in store.glob(pattern)}
        assert all(path.is_file() for path in found)
        parts = {path.relative_to(store).parts[0] for path in found}
        assert parts >= {"images", "shapes", "tables"}
        assert any("data" in path.parts for path in found)
        assert {path.name for path in found if "obs" in path.parts} & {"zarr.json", ".zarray"}
