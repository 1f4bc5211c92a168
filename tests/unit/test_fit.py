import numpy as np
import pytest
import torch

from spotrank.base.store import InputError
from spotrank.fitting import fit, predict
from spotrank.fitting.batches import BATCHES, Side, Spots, parts_of
from spotrank.fitting.losses import LOSSES
from spotrank.scoring import metrics
from spotrank.spots import expression

TRAINING = {
    "learning_rate": 1e-2,
    "weight_decay": 0.01,
    "batch_size": 32,
    "max_epochs": 40,
    "patience": 5,
    "monitor": "loss",
    "standardise": True,
    "batches": "random",
}
LINEAR = ("linear", {})
ALL = {name: (name, {}) for name in LOSSES}


def spots(seed, n=120, d=6, genes=4, tissues=2):
    """Counts that depend on the embeddings: of gene g on embedding g."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)).astype("f4")
    depth = rng.lognormal(0, 0.3, n)
    counts = rng.poisson(np.exp(1.5 + x[:, :genes]) * depth[:, None]).astype("f4")
    return Spots(
        x=x,
        counts=counts,
        library=(counts.sum(1) + rng.poisson(100 * depth)).astype("f4"),
        tissue=np.sort(rng.integers(tissues, size=n)),
        place=rng.uniform(size=(n, 2)),
        part=np.full(n, "train"),
        sample=np.full(n, "a", object),
        barcode=np.arange(n).astype(str).astype(object),
    )


def predictions(parameters, head, test):
    """`(runs, n_spots, n_genes)`."""
    parts = {}
    for run, _, score in predict.predict(parameters, head, test):
        parts.setdefault(run, []).append(score)
    return torch.as_tensor(np.stack([np.concatenate(part) for part in parts.values()]))


@pytest.fixture(scope="module")
def together():
    return fit.fit(spots(0), spots(1), ALL, [0, 1], LINEAR, TRAINING, "library")


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_learns(together, name):
    runs, parameters, _ = together
    test = spots(2)
    predicted = predictions(parameters, LINEAR, test)[runs["loss"] == name]
    truth = expression.target(test.counts, test.library)
    assert metrics.spearman(predicted, torch.as_tensor(truth)).mean() > 0.6


@pytest.mark.parametrize("name", LOSSES)
def test_a_run_alone_is_the_run_in_company(together, name):
    alone = fit.fit(spots(0), spots(1), {name: (name, {})}, [1], LINEAR, TRAINING, "library")
    runs, parameters, _ = together
    row = runs.index[(runs["loss"] == name) & (runs["seed"] == 1)][0]
    np.testing.assert_allclose(alone[1]["weight"][0], parameters["weight"][row], atol=1e-5)
    assert alone[0]["best_epoch"][0] == runs["best_epoch"][row]


def test_runs_stop_by_themselves_and_keep_their_best(together):
    runs, _, history = together
    assert runs["epochs"].nunique() > 1
    assert ((runs["epochs"] - runs["best_epoch"] == 5) | (runs["epochs"] == 40)).all()
    for (loss, seed), run in history.groupby(["loss", "seed"]):
        best = run.loc[run["monitored"].idxmin(), "epoch"]
        mine = (runs["loss"] == loss) & (runs["seed"] == seed)
        assert best == runs.loc[mine, "best_epoch"].item()


def test_monitor_spearman(together):
    training = TRAINING | {"monitor": "spearman"}
    _, _, history = fit.fit(
        spots(0), spots(1), {"mse": ("mse", {})}, [0], LINEAR, training, "library"
    )
    assert history["monitored"].between(-1, 0).all()


def test_a_run_that_diverges_is_undefined_not_zero():
    broken = spots(0)
    broken.counts[0, 0] = np.inf
    training = TRAINING | {"standardise": False}
    _, parameters, _ = fit.fit(
        broken, spots(1), {"mse": ("mse", {})}, [0], LINEAR, training, "library"
    )
    assert np.isnan(predictions(parameters, LINEAR, spots(2))).all()


def test_calibration_is_least_squares():
    rng = np.random.default_rng(0)
    score, target = rng.normal(size=(2, 30, 3)), rng.normal(size=(30, 3))
    blocks = [
        (run, block, score[run, block]) for run in (0, 1) for block in (slice(0, 20), slice(20, 30))
    ]
    slope, intercept, pearson = predict.calibrate(blocks, target, 2)
    expected = np.polyfit(score[1, :, 2], target[:, 2], 1)
    assert (slope[1, 2], intercept[1, 2]) == pytest.approx(tuple(expected))
    assert pearson[1, 2] == pytest.approx(np.corrcoef(score[1, :, 2], target[:, 2])[0, 1])


def test_correlation_in_training_is_undefined_where_constant():
    score, target = np.arange(12.0).reshape(2, 6, 1) * np.ones(3), np.eye(6)[:, :3]
    score[0, :, 0], target[:, 1] = 3, 0.1
    blocks = [(run, slice(None), score[run]) for run in (0, 1)]
    pearson = predict.calibrate(blocks, target, 2)[2]
    np.testing.assert_array_equal(np.isnan(pearson), [[True, True, False], [False, True, False]])


@pytest.mark.parametrize("name", BATCHES)
def test_batches(name):
    side = Side(spots(0, n=90, tissues=3), spots(0, n=90).x, 4, "library", 1, "cpu")
    orders = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
    batches = BATCHES[name](side, 20, orders, torch.Generator())
    tissues = [side.tissue[spots] for spots in batches]
    for seed in (0, 1):
        seen = torch.cat([spots[seed] for spots in batches])
        if name == "balanced":
            for own in tissues:
                assert own[seed].bincount().tolist() == [6, 6, 6]  # 20 / 3, rounded down
        else:
            assert sorted(seen.tolist()) == list(range(90))
    if name == "tissue":
        assert all((own == own[:, :1]).all() for own in tissues)
        assert max(map(len, (spots[0] for spots in batches))) <= 20
    assert not torch.cat(batches, 1)[0].equal(torch.cat(batches, 1)[1])


def test_balanced_batches_begin_small_tissues_again():
    part = spots(0, n=60)
    part.tissue[:] = np.repeat([0, 1], [50, 10])
    side = Side(part, part.x, 4, "library", 1, "cpu")
    batches = BATCHES["balanced"](side, 20, [torch.Generator().manual_seed(0)], None)
    small = torch.cat([spots[0] for spots in batches])
    small = small[small >= 50]
    assert sorted(small.tolist()) == sorted([*range(50, 60)] * 3)


@pytest.mark.parametrize("name", BATCHES)
def test_losses_within_tissues_learn_from_all_batches(name):
    losses = {"strank_list": ("strank_list", {}), "spearman_within": ("spearman_within", {})}
    _, parameters, _ = fit.fit(
        spots(0), spots(1), losses, [0], LINEAR, TRAINING | {"batches": name}, "library"
    )
    test = spots(2)
    truth = torch.as_tensor(expression.target(test.counts, test.library))
    assert (metrics.spearman(predictions(parameters, LINEAR, test), truth).mean(-1) > 0.6).all()


def test_hardly_a_spot_left():
    found = spots(0, n=5)
    found.part = np.array(["train", "train", "validation", "test", "test"])
    with pytest.raises(InputError, match="a fold's validation part has 1 spots and needs two"):
        parts_of(found)
