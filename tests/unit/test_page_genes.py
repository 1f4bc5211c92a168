"""Genes and slides of the page: what it holds is what was measured and predicted, in a budget."""

import base64
import io
import json
from tempfile import NamedTemporaryFile

import h5py
import numpy as np
import openslide
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from spotrank.report.page import chosen, genes, packed, slides, tested
from spotrank.scoring import CEILINGS, score
from spotrank.spots import pair
from spotrank.verdicts.slides import of_slides
from spotrank.verdicts.summary import summarise

GEOMETRY = {"size": 112, "um_per_px": 0.5, "source": "wsis"}
FIT = {"split": "s", "encoder": "e", "panel": "p", "head": "linear", "auxiliary": "none"}
LOSSES, SEEDS = ["mse", "pearson", "poisson"], [3, 4]
SAMPLES = ["SIM1", "SIM3", "SIM4"]


@pytest.fixture(scope="module")
def made(cohort, tmp_path_factory):
    """`(scores, cells, files)` of a fit of three losses and two seeds, made up, of real slides;
    'pearson' is the best, and the encoder 'e' better than 'other'."""
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    spots, files = {}, {}
    for sample in SAMPLES:
        own, metadata = cohort / f"st/{sample}.h5ad", cohort / f"metadata/{sample}.json"
        wsi = str(cohort / f"wsis/{sample}.tif")
        qc = {"min_genes": 25, "min_spots": 1, "max_mito": 0.3}
        spots[sample] = pair.pair(own, metadata, qc, GEOMETRY, wsi)
        files[f"c/{sample}"] = {"spots": str(folder / f"{sample}.h5ad"), "wsi": wsi}
        spots[sample].write_h5ad(folder / f"{sample}.h5ad")
    names = list(spots["SIM1"].var_names[5:45])
    truth = np.concatenate([of_spots(own, names) for own in spots.values()])
    tables, cells = [], {}
    for encoder, more in (("other", 3), ("e", 0)):
        path = folder / f"{encoder}.h5"
        with h5py.File(path, "w") as file:
            noise = np.repeat([1.5, 0.5, 4], 2)[:, None, None] + more
            noisy = truth + noise * rng.normal(size=(6, *truth.shape))
            file["predictions"] = (noisy * 2 - 1).astype("f4")
            file["slope"], file["intercept"] = np.full((6, 40), 0.5), np.full((6, 40), 0.5)
            file["gene"], file["loss"] = names, np.repeat(LOSSES, 2).astype(object)
            file["seed"], file["n_auxiliary"] = SEEDS * 3, [0] * 6
            file["sample"] = [sample for sample, own in spots.items() for _ in own.obs_names]
            file["barcode"] = [name for own in spots.values() for name in own.obs_names]
            file["train_pearson"] = rng.uniform(size=(6, 40))
        cell = {"cohort": "c"} | FIT | {"encoder": encoder, "fold": 0}
        scores = pd.concat(score.score(path, spots, "library"))
        tables.append(scores.assign(**cell, leak="", patient=scores["sample"]))
        cells[str(path)] = cell
    empty = dict.fromkeys(CEILINGS, 0.5) | {"ceiling_flag": ""}
    return pd.concat(tables).assign(**empty), cells, files


def choose(scores, cells, files):
    with NamedTemporaryFile(suffix=".parquet") as file:
        scores.to_parquet(file.name)
        return chosen.choose(summarise(of_slides(scores)), file.name, cells, files, "library")


def of_spots(own, names):
    """log1p of counts a 10,000 of a spot."""
    return np.log1p(own[:, names].X.toarray() / own.obs["library"].to_numpy()[:, None] * 1e4)


def whole_numbers(text, kind=np.uint8):
    return np.frombuffer(base64.b64decode(text), np.dtype(kind).newbyteorder("<"))


@given(
    arrays.arrays(float, 12, elements=st.floats(-1e6, 1e6) | st.just(np.nan)),
    st.sampled_from(list(packed.LEVELS)),
)
def test_what_is_packed_is_off_by_half_a_level(values, kind):
    levels = packed.LEVELS[kind]
    steps, (low, high) = packed.quantised(values, kind)
    back = whole_numbers(packed.text_of(steps), kind)
    assert (back == steps).all()
    assert ((back == levels + 1) == np.isnan(values)).all()
    off = np.abs(low + (high - low) * back / levels - values)
    assert np.nanmax(off, initial=0) <= (high - low) / levels / 2 * (1 + 1e-6) + 1e-9


def test_maps_are_what_was_measured_and_predicted(made):
    scores, cells, files = made
    (shown,) = choose(scores, cells, files)
    found = json.loads(json.dumps(genes.data([shown]), allow_nan=False))
    (own,) = found["cohorts"]
    assert own["fit"] == FIT
    assert own["losses"] == ["pearson", "mse", "poisson"]
    assert own["mapped_losses"] == 3
    assert [map_["sample"] for map_ in own["maps"]] == SAMPLES
    assert sorted(own["mapped"]) == list(range(40))
    (path,) = (path for path, cell in cells.items() if cell["encoder"] == "e")
    with h5py.File(path) as file:
        names = list(file["gene"].asstr())
        run = {loss: i for i, loss in enumerate(file["loss"].asstr()) if file["seed"][i] == 3}
        predicted, sample = file["predictions"][:] / 2 + 0.5, file["sample"].asstr()[:]
    for map_ in own["maps"]:
        spots = tested.read_h5ad(files[f"c/{map_['sample']}"]["spots"])
        order = [names.index(own["genes"][own["mapped"][i]]) for i in map_["genes"]]
        mine = [of_spots(spots, names)]
        mine += [predicted[run[loss]][sample == map_["sample"]] for loss in own["losses"]]
        for kind, truth in enumerate(mine):
            steps = whole_numbers(map_["values"][kind]).reshape(len(order), -1)
            low, high = np.array(map_["ends"][kind]).T[:, :, None]
            back = low + (high - low) * steps / 254
            assert np.abs(back - truth[:, order].T).max() <= ((high - low) / 500).max()
    rows = scores[(scores["encoder"] == "e") & (scores["loss"] == "mse")]
    gene = own["genes"].index("SIM010")
    expected = rows.loc[rows["gene"] == "SIM010", "spearman"].mean()
    assert own["scores"]["spearman"][1][gene] == pytest.approx(expected, rel=6e-3)
    drawn = rows[(rows["gene"] == "SIM010") & (rows["seed"] == 3) & (rows["sample"] == "SIM3")]
    place = own["maps"][1]["genes"].index(own["mapped"].index(gene))
    assert own["maps"][1]["spearman"][1][place] == pytest.approx(drawn["spearman"].item(), rel=6e-3)


@pytest.mark.parametrize("budget", [3_000, 9_000, 16_000])
def test_a_small_budget_is_kept_and_what_is_left_out_is_said(made, monkeypatch, budget):
    monkeypatch.setattr(chosen, "MAPS", budget)
    (shown,) = choose(*made)
    (own,) = genes.data([shown])["cohorts"]
    assert sum(len(text) for map_ in own["maps"] for text in map_["values"]) <= budget
    said = own["notes"][-1]
    for there, n, what in (
        (len(own["maps"]), 3, "test slides"),
        (own["mapped_losses"], 3, "losses"),
        (len(own["mapped"]), 40, "genes"),
    ):
        assert (f"{there} of {n} {what}" in said) == (there < n)
    assert len(own["genes"]) == len(own["scores"]["mse"][2]) == 40  # points are of all


@given(
    st.integers(0, 10**6),
    st.lists(st.integers(1, 10_000), min_size=1, max_size=6),
    st.integers(1, 9),
    st.integers(1, 3000),
)
def test_as_much_as_fits(budget, spots, losses, n_genes):
    def size(slides, losses, genes):
        return sum(chosen.as_text(n * genes) for n in spots[:slides]) * (1 + losses)

    found = chosen.fitting(budget, spots, losses, n_genes)
    assert all(
        1 <= own <= most for own, most in zip(found, (len(spots), losses, n_genes), strict=True)
    )
    assert size(*found) <= budget or found == (1, 1, 1)
    if size(len(spots), losses, n_genes) <= budget:
        assert found == (len(spots), losses, n_genes)
    elif found[2] < n_genes:
        assert size(found[0], found[1], found[2] + 1) > budget


def test_the_most_telling_come_first():
    values = pd.Series({"a": 0.1, "b": 0.5, "c": np.nan, "d": 0.9, "e": 0.3})
    assert chosen.ends(values) == ["d", "a", "b", "e", "c"]
    spearman = pd.DataFrame(
        {"best": [0.9, 0.8, 0.5, 0.2, 0.1, np.nan], "other": [0.9, 0.8, -0.5, 0.2, 0.1, 0.0]},
        list("ghijkl"),
    )
    assert chosen.telling(spearman)[:4] == ["g", "k", "i", "h"]
    assert sorted(chosen.telling(spearman)) == list("ghijkl")


def test_spots_are_where_they_are_and_were_lost(made, cohort):
    scores, cells, files = made
    found = slides.data(choose(scores, cells, files), GEOMETRY)
    json.dumps(found, allow_nan=False)
    assert [own["sample"] for own in found["slides"]] == SAMPLES
    for own in found["slides"]:
        measured = tested.read_h5ad(cohort / f"st/{own['sample']}.h5ad")
        spots = tested.read_h5ad(files[f"c/{own['sample']}"]["spots"])
        lost = measured[~measured.obs_names.isin(spots.obs_names)]
        places = np.concatenate([spots.obsm["spatial"], lost.obsm["spatial"]])
        relative = np.stack(
            [
                low + (high - low) * whole_numbers(own[axis], np.uint16) / 65534
                for axis, (low, high) in zip("xy", own["ends"], strict=True)
            ],
            1,
        )
        assert own["kept"] == spots.n_obs
        for axis in range(2):  # the box is the same for all
            assert np.corrcoef(relative[:, axis], places[:, axis])[0, 1] > 0.999999
        steps = np.array(list(found["steps"]))[whole_numbers(own["lost"])]
        counts = dict(own["facts"])
        assert len(steps) == counts["spots measured"] - counts["spots kept"]
        few = np.asarray((lost.X > 0).sum(1)).ravel() < 25
        assert ((steps == "enough_genes") == few).all()
        assert len(steps) > 0


def test_patches_are_of_the_spots_with_the_least_and_the_most_error(made):
    scores, cells, files = made
    (own,) = choose(scores, cells, files)
    slide = slides.data([own], GEOMETRY)["slides"][0]
    spots = tested.read_h5ad(files["c/SIM1"]["spots"])
    with h5py.File(own.slides[0].predictions) as file:
        names, sample = list(file["gene"].asstr()), file["sample"].asstr()[:]
        run = list(file["loss"].asstr()).index("pearson")
        predicted = file["predictions"][run][sample == "SIM1"] / 2 + 0.5
    errors = ((predicted - of_spots(spots, names)) ** 2).mean(1)
    order = np.argsort(errors)
    for which, some in (("best", order[:4]), ("worst", order[::-1][:4])):
        assert [own["error"] for own in slide[which]] == pytest.approx(errors[some], rel=6e-3)
        assert [own["counts"] for own in slide[which]] == spots.obs["library"].iloc[some].tolist()
    spot, side = spots.obsm["spatial"][order[0]], spots.uns["patch_side_px"]
    with openslide.OpenSlide(files["c/SIM1"]["wsi"]) as wsi:
        corner = tuple(np.rint(spot - side / 2).astype(int))
        cut = wsi.read_region(corner, 0, (round(side),) * 2).convert("RGB").resize((96, 96))
    text = slide["best"][0]["image"].removeprefix("data:image/jpeg;base64,")
    shown = Image.open(io.BytesIO(base64.b64decode(text)))
    off = np.abs(np.asarray(shown, float) - np.asarray(cut, float)).mean()
    assert shown.size == (96, 96)
    assert off < 12


def test_without_a_slide_there_are_places_only(made):
    scores, cells, files = made
    files = {name: {"spots": own["spots"]} for name, own in files.items()}
    found = slides.data(choose(scores, cells, files), GEOMETRY)
    assert all(own["image"] is None and own["best"] == [] for own in found["slides"])


def test_patches_may_come_from_a_file(made, tmp_path):
    scores, cells, files = made
    spots = tested.read_h5ad(files["c/SIM1"]["spots"])
    colours = np.arange(spots.n_obs, dtype=np.uint8)[::-1, None, None, None]
    with h5py.File(tmp_path / "SIM1.h5", "w") as file:  # in an order of its own
        file["img"] = np.tile(colours, (1, 112, 112, 3)) + np.array([0, 60, 120], np.uint8)
        file["barcode"] = np.array(spots.obs_names[::-1], "S")[:, None]
        file["coords"] = np.zeros((spots.n_obs, 2))
    own = {"spots": files["c/SIM1"]["spots"], "patch_file": str(tmp_path / "SIM1.h5")}
    (slide,) = slides.data(choose(scores, cells, {"c/SIM1": own}), GEOMETRY)["slides"]
    assert slide["image"] is None
    for patch in slide["best"] + slide["worst"]:
        text = patch["image"].removeprefix("data:image/jpeg;base64,")
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(text))), int)
        place = shown[48, 48, 0]
        assert patch["counts"] in spots.obs["library"].iloc[place - 1 : place + 2].tolist()


def test_what_is_not_there_is_not_drawn(made):
    scores, cells, files = made
    assert choose(scores, {}, files) == []
    assert genes.data([]) is None
    assert slides.data([], GEOMETRY) is None
    (shown,) = choose(scores, cells, {"c/SIM3": files["c/SIM3"]})
    assert [slide.sample for slide in shown.slides] == ["SIM3"]
    assert shown.lacking == 2
