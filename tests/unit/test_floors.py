"""Floors: their features, their heads, their cells in a study and their rows in tables."""

from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from test_fit import TRAINING, predictions
from test_fit import spots as drawn
from test_tables import scores, table_of

from spotrank.base.store import InputError
from spotrank.fitting import fit, heads
from spotrank.report import figures, style, tables
from spotrank.report.drawn import runs as drawn_runs
from spotrank.scoring import metrics
from spotrank.spots import expression, floors
from spotrank.study.files import Files
from spotrank.study.made_by import MadeBy
from spotrank.study.study import Study
from spotrank.verdicts.floors import floors_of, is_floor
from spotrank.verdicts.slides import of_slides
from spotrank.verdicts.summary import summarise

ALL = ["depth", "stain", "place"]


def square(n):
    return np.stack(np.meshgrid(range(n), range(n)), -1).reshape(-1, 2) * 100.0


def hexagon(rings):
    """Centres of a hexagon of hexagons, 100 µm apart, and the ring of each."""
    q, r = (axis.ravel() for axis in np.meshgrid(*[np.arange(-rings, rings + 1)] * 2))
    ring = np.max([abs(q), abs(r), abs(q + r)], 0)
    place = np.stack((q + r / 2, r * 3**0.5 / 2), 1) * 100.0
    return place[ring <= rings], ring[ring <= rings]


def test_border_of_a_square_grid():
    rows, columns = (square(5) / 100).T
    from_edge = np.min([rows, columns, 4 - rows, 4 - columns], 0)
    assert floors.border_distance(square(5)) == pytest.approx(100 * from_edge)


def test_border_of_a_hexagonal_grid():
    place, ring = hexagon(3)
    found = floors.border_distance(place)
    assert (found[ring == 3] == 0).all()
    assert found[ring == 2] == pytest.approx(100)
    assert found[ring == 0] == pytest.approx(300 * 3**0.5 / 2, rel=0.1)
    turned = place @ np.array([[0.6, 0.8], [-0.8, 0.6]]) + 5000
    assert floors.border_distance(turned) == pytest.approx(found, abs=1e-6)


def test_a_lost_spot_is_no_border_and_a_hole_is():
    place, ring = hexagon(6)
    whole = floors.border_distance(place)
    assert floors.border_distance(place[ring > 0]) == pytest.approx(whole[ring > 0])
    holed = floors.border_distance(place[ring > 3])
    assert (holed[(ring == 4)[ring > 3]] <= 100).all()
    assert (whole[ring == 4] > 170).all()


def test_border_of_parts_apart_and_of_hardly_anything():
    one = floors.border_distance(square(5))
    two = floors.border_distance(np.concatenate((square(5), square(5) + np.array([3000, 0]))))
    assert two == pytest.approx(np.tile(one, 2))
    for few in (square(1), np.array([[0, 0], [1, 0], [2, 0.0]]), np.zeros((5, 2))):
        assert (floors.border_distance(few) == 0).all()


def test_border_of_scattered_spots():
    """About a disc's: the radius less the distance from its middle."""
    rng = np.random.default_rng(0)
    place = rng.uniform(-1, 1, (3000, 2))
    place = place[np.hypot(*place.T) < 1] * 1000
    found = floors.border_distance(place)
    from_edge = 1000 - np.hypot(*place.T)
    assert np.corrcoef(found, from_edge)[0, 1] > 0.97


def sample(seed=0, n=8):
    """Spots on a square grid at 0.5 µm/px: gene 'deep' is the library, 'right' grows to the right,
    'blue' with haematoxylin."""
    rng = np.random.default_rng(seed)
    place = square(n) * 2
    library = rng.permutation(np.arange(50, 50 + n * n)).astype(float)
    blue = rng.permutation(n * n).astype("f4")
    counts = np.stack((library, 1 + place[:, 0], 1 + blue), 1)
    names = [f"{seed}-{i}" for i in range(n * n)]
    adata = anndata.AnnData(
        counts.astype("f4"), pd.DataFrame({"library": library}, index=names),
        pd.DataFrame(index=["deep", "right", "blue"]), obsm={"spatial": place},
        uns={"pixel_size_um": 0.5},
    )  # fmt: skip
    return adata, (names, np.stack((blue, 0 * blue), 1))


def test_features_by_hand():
    adata, (names, stains) = sample(n=3)
    shuffled = names[::-1][:-1], stains[::-1][:-1]  # the first spot has no embedding
    barcodes, x = floors.features(ALL, adata, shuffled)
    assert barcodes == names[1:]
    assert x[:, 0] == pytest.approx(np.log(adata.obs["library"][1:]))
    assert x[:, 1] == pytest.approx(stains[1:, 0])
    places = square(3)[1:]
    assert x[:, 2:4] == pytest.approx(places - places.mean(0), rel=1e-5)
    assert floors.features(["place", "depth"], adata)[1].shape == (9, 4)


def of_fold():
    """Training, validation and test spots of three samples, with the features of all floors."""
    parts = []
    for seed in range(3):
        adata, embedded = sample(seed)
        part = drawn(seed, n=adata.n_obs, tissues=1)
        part.x = floors.features(ALL, adata, embedded)[1]
        part.counts, part.library = adata.X, adata.obs["library"].to_numpy("f4")
        parts.append(part)
    return parts


@pytest.mark.parametrize("monitor", ["loss", "spearman"])
def test_each_floor_finds_what_is_its_own(monitor):
    train, validation, test = of_fold()
    head = "floor", {"floors": ALL}
    runs, parameters, history = fit.fit(
        train, validation, {}, [7], head, TRAINING | {"monitor": monitor}, "none"
    )
    assert runs["loss"].tolist() == ALL
    assert runs["seed"].eq(7).all()
    assert history.empty
    assert parameters["weight"].shape == (3, 5, 3)
    used = (parameters["weight"] != 0).any(2).int().tolist()
    assert used == [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 1, 1]]
    truth = torch.as_tensor(expression.target(test.counts, None))
    found = metrics.spearman(predictions(parameters, head, test), truth)
    assert found[0, 0] == pytest.approx(1)  # depth tells 'deep'
    assert found[1, 2] == pytest.approx(1)  # stain tells 'blue'
    assert found[2, 1] > 0.95  # place tells 'right'
    assert found[0, 2].abs() < 0.5


def test_a_floor_that_is_constant_is_undefined_not_zero():
    train, validation, test = of_fold()
    for part in (train, validation, test):
        part.x[:, 1] = 0
    head = "floor", {"floors": ALL}
    _, parameters, _ = fit.fit(train, validation, {}, [0], head, TRAINING, "none")
    truth = torch.as_tensor(expression.target(test.counts, None))
    found = metrics.spearman(predictions(parameters, head, test), truth)
    assert found[1].isnan().all()
    assert found[[0, 2]].isfinite().all()


def test_nearest_of_three_points():
    head = heads.HEADS["nearest"](1, 2, k=2)
    x = torch.tensor([[0.0], [1.0], [5.0]])
    target = torch.tensor([[1.0, 10.0], [3.0, 20.0], [9.0, 60.0]])
    parameters = head.solve(SimpleNamespace(x=x, target=target), None, None)
    found = head.score(parameters, torch.tensor([[0.4], [9.0]]), None)
    assert found.tolist() == [[[2.0, 15.0], [6.0, 40.0]]]
    every = heads.HEADS["nearest"](1, 2, k=9).score(parameters, x, None)
    torch.testing.assert_close(every[0, 0], target.mean(0))


def test_nearest_is_that_of_sklearn_in_standardised_embeddings():
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.preprocessing import StandardScaler

    train, validation, test = (drawn(seed) for seed in range(3))
    for part in (train, validation, test):
        part.x = part.x * np.float32([1, 10, 100, 1, 1, 1])
    head = "nearest", {"k": 7}
    runs, parameters, _ = fit.fit(train, validation, {}, [0], head, TRAINING, "library")
    assert runs["loss"].tolist() == ["nearest"]
    scaler = StandardScaler().fit(train.x)
    target = expression.target(train.counts, train.library)
    theirs = KNeighborsRegressor(7).fit(scaler.transform(train.x), target)
    expected = theirs.predict(scaler.transform(test.x))
    np.testing.assert_allclose(predictions(parameters, head, test)[0], expected, rtol=1e-4)


def cells_of(study):
    return {(cell["encoder"], cell["head"], cell["auxiliary"]) for cell in study.cells}


FLOORS = {("none", "floor", "none"), ("stain_statistics", "nearest", "none")}


def test_floors_have_cells_of_their_own(study):
    """They do not multiply with heads, losses and strategies."""
    study |= {"heads": ["linear", "mlp", {"head": "mlp", "width": 8}], "auxiliary": ["none", "all"]}
    found = Study(study)
    assert cells_of(found) - FLOORS == set(found.fits)
    assert cells_of(found) > FLOORS
    without = Study(study | {"floors": []})
    assert cells_of(without) == set(without.fits)
    rows = {key[5]: n for key, n in found.n_folds.items() if key[4] in heads.OF_FLOORS}
    assert rows == dict.fromkeys([*ALL, "nearest"], 4)
    assert not {"none"} & set(found.encoders)
    assert [found.fit_uses_gpu(head) for head in ("floor", "nearest", "mlp")] == [0, 0, 1]


def test_some_floors(study):
    found = Study(study | {"floors": ["place", "depth"]})
    assert cells_of(found) - set(found.fits) == {("none", "floor", "none")}
    cell = next(cell for cell in found.cells if cell["head"] == "floor")
    made_by = MadeBy(found, Files(found)).fit(**cell)
    assert made_by["head"]["options"] == {"floors": ["place", "depth"]}
    assert made_by["embeddings"] is None
    assert cells_of(Study(study | {"floors": ["nearest"]})) - set(found.fits) == {
        ("stain_statistics", "nearest", "none")
    }


def test_patches_have_no_nearest(study):
    study |= {
        "encoders": ["pixels", {"model": "test_resnet", "weights": "random", "name": "tiny"}],
        "heads": ["histogene", "finetune"],
    }
    assert cells_of(Study(study)) - set(Study(study).fits) == {
        ("none", "floor", "none"),
        ("tiny", "nearest", "none"),
    }
    study["heads"] = [{"head": "histogene", "width": 16, "heads": 2}]
    study["encoders"] = ["pixels"]
    assert cells_of(Study(study)) - set(Study(study).fits) == {("none", "floor", "none")}


def test_nearest_may_be_a_head_too(study):
    found = Study(study | {"heads": ["linear", "nearest", {"head": "nearest", "k": 3}]})
    assert len(found.cells) == len({tuple(cell.values()) for cell in found.cells})
    assert ("stain_statistics", "nearest-k=3", "none") in cells_of(found)


def given(study, own_cohort):
    """A study of given embeddings, of a folder without slides."""
    (own_cohort / "given").mkdir()
    for path in (own_cohort / "st").iterdir():
        (own_cohort / f"given/{path.stem}.h5").touch()
    study["cohorts"]["c"]["embeddings"] = {"official": str(own_cohort / "given")}
    return study


def test_given_embeddings_have_no_stain(study, own_cohort):
    found = Study(given(study, own_cohort))
    assert sum("no floor 'stain', for no slide of it is read" in own for own in found.remarks) == 1
    assert {key[5] for key in found.n_folds} == {"mse", "strank_list", "depth", "place", "nearest"}
    assert Files(found).images("c", "SIM1") == {}
    none = Study(study | {"floors": ["depth"]})
    assert not any("stain" in own for own in none.remarks)
    seen = Study(study | {"encoders": ["official", "stain_statistics"]})
    assert "stain" in {key[5] for key in seen.n_folds}


@pytest.mark.parametrize(
    ("key", "entry"),
    [
        ("heads", {"head": "nearest", "k": 5, "name": "nearest"}),
        ("encoders", {"model": "resnet18", "weights": "random", "name": "none"}),
    ],
)
def test_names_of_floors_are_their_own(study, key, entry):
    with pytest.raises(InputError, match=f"{key}: '{entry['name']}' is a name of the floors' own"):
        Study(study | {key: [entry]})


def with_floors(frame):
    """Scores of `test_tables`, and depth and nearest beside them, the latter better than all."""
    own = frame[frame["loss"] == "mse"]
    depth = own.assign(encoder="none", head="floor", loss="depth")
    nearest = own.assign(head="nearest", loss="nearest", spearman=own["spearman"] + 0.5)
    return pd.concat([frame, depth, nearest])


def test_floors_stand_below_the_losses_and_are_never_best():
    text_of, numbers, _ = table_of(with_floors(scores()))
    assert numbers.index.tolist() == [
        *("mse", "strank_list"), "depth (floor)", "nearest (floor)",
    ]  # fmt: skip
    plain, *_ = tables.wide(summarise(of_slides(scores())))
    pd.testing.assert_frame_equal(numbers.iloc[:2], plain)
    lines = [" ".join(line.split()) for line in tables.markdown(text_of, []).splitlines()]
    assert "| strank_list | **0.350** | **0.550** | **0.450** |" in lines
    assert "| nearest (floor) | 0.650 | 0.850 | 0.750 |" in lines


def test_what_a_floor_has_not_is_a_dash():
    frame = with_floors(scores())
    other = frame[frame["head"] != "floor"].assign(encoder="e_2")
    frame = pd.concat([frame, other, other[~is_floor(other)].assign(head="mlp")])
    numbers, *_ = tables.wide(summarise(of_slides(frame)))
    assert numbers.index.names == ["encoder", "head", "loss"]
    assert numbers.index.tolist()[-3:] == [
        ("–", "–", "depth (floor)"),
        ("e_1", "–", "nearest (floor)"),
        ("e_2", "–", "nearest (floor)"),
    ]


def test_floors_of_a_setting():
    frame = with_floors(scores())
    frame = pd.concat([frame, frame[frame["head"] != "floor"].assign(encoder="e_2")])
    rows = frame[(frame["cohort"] == "a") & (frame["encoder"] == "e_2") & ~is_floor(frame)]
    found = floors_of(frame, rows)
    assert set(found["loss"]) == {"depth", "nearest"}
    assert set(found["encoder"]) == {"none", "e_2"}
    assert set(found["cohort"]) == {"a"}
    alone = frame[frame["head"] == "nearest"]
    assert not is_floor(alone).any()


def test_floors_are_drawn_in_the_panels_of_others():
    frame = with_floors(scores())
    runs = drawn_runs([frame])
    figure = figures.scores_by_loss(runs, *style.panels_of(runs))
    assert len(figure.axes) == 2  # cohorts
    for axis in figure.axes:
        labels = [label.get_text() for label in axis.get_yticklabels()]
        assert labels == ["mse", "strank_list", "depth", "nearest"]
        bars = [line.get_color() for line in axis.lines if line.get_linewidth() == 2]
        assert bars == ["black", "black", "#999999", "#999999"]
