from functools import partial

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_fit import ALL, TRAINING, predictions, spots

from spotrank.encoders import loading
from spotrank.fitting import auxiliary, fit, heads, predict
from spotrank.fitting.batches import Side, Spots
from spotrank.scoring import metrics
from spotrank.spots import expression

SMALL = {
    "linear": {},
    "low_rank": {"rank": 4},
    "mlp": {"width": 32, "layers": 1, "dropout": 0.2},
    "ridge": {},
    "histogene": {"width": 32, "layers": 1, "heads": 2, "dropout": 0.0},
}
TWO = {name: (name, {}) for name in ("mse", "strank_list")}


def train_with(head, training=TRAINING, losses=TWO, seeds=(0, 1), **options):
    return fit.fit(spots(0), spots(1), losses, list(seeds), head, training, "library", **options)


def spearman(parameters, head, test):
    truth = expression.target(test.counts, test.library)
    return metrics.spearman(predictions(parameters, head, test), torch.as_tensor(truth)).mean(-1)


@pytest.mark.parametrize("name", SMALL)
def test_every_head_learns(name):
    head = name, SMALL[name]
    _, parameters, _ = train_with(head)
    assert (spearman(parameters, head, spots(2)) > 0.5).all()


@pytest.mark.parametrize("name", ["linear", "low_rank", "mlp"])
def test_chunks_and_company_change_nothing(name):
    head = name, SMALL[name]
    together = train_with(head, losses=ALL)
    in_chunks = train_with(head, losses=ALL, budget=1)  # a run at a time
    assert together[0].equals(in_chunks[0])
    ours, theirs = (calibrated(parameters, head) for _, parameters, _ in (together, in_chunks))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def calibrated(parameters, head):
    """Predictions in log1p units: what a loss leaves free, shift and scale, is gone."""
    train, test = spots(0), spots(2)
    slope, intercept, _ = predict.calibrate(
        predict.predict(parameters, head, train), target(train), 18
    )
    return predictions(parameters, head, test).numpy() * slope[:, None] + intercept[:, None]


EQUAL = auxiliary.Equal(4, 0)


def test_budget_decides_the_chunks():
    train, validation = (Side(spots(i), spots(i).x, 4, "library", 1, "cpu") for i in (0, 1))
    head = heads.HEADS["linear"](6, 4)
    # 6 copies of (6 weights and 1 bias) × 4 genes, and 120 spots × 12 × 4 genes, in 4 bytes
    per_run = 4 * (6 * 28 + 120 * 12 * 4)
    runs = list(range(7))
    for budget, sizes in ((7, [7]), (6.9, [4, 3]), (3, [3, 2, 2]), (0.1, [1] * 7)):
        chunks = fit.chunks_of(runs, head, EQUAL, train, validation, TRAINING, budget * per_run)
        assert [len(chunk) for chunk in chunks] == sizes
        assert [run for chunk in chunks for run in chunk] == runs


def target(part):
    return np.float32(expression.target(part.counts, part.library)).astype(float)


def joined(*parts):
    x = np.concatenate([part.x for part in parts]).astype(float)
    return x, np.concatenate([target(part) for part in parts])


def test_hest_bench_is_scikit_learns():
    """StandardScaler, PCA, ridge without intercept, alpha = 100 / (components × genes)."""
    train, validation, test = (spots(i, d=40, genes=7) for i in range(3))
    runs, parameters, history = fit.fit(
        train, validation, ALL, [3, 4], ("hest_bench", {"pca": 16}), TRAINING, "library"
    )
    assert runs[["loss", "seed"]].to_numpy().tolist() == [["mse", 3]]
    assert history.empty
    theirs = make_pipeline(
        StandardScaler(),
        PCA(16, svd_solver="full"),
        Ridge(alpha=100 / (16 * 7), fit_intercept=False, solver="lsqr", tol=1e-12),
    ).fit(*joined(train, validation))
    ours = predictions(parameters, ("hest_bench", {}), test)[0]
    np.testing.assert_allclose(ours, theirs.predict(test.x.astype(float)), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 1e4])
def test_ridge_is_scikit_learns(alpha):
    train, validation, test = (spots(i) for i in range(3))
    head = "ridge", {"alpha": alpha}
    _, parameters, _ = fit.fit(train, validation, ALL, [0], head, TRAINING, "library")
    theirs = make_pipeline(StandardScaler(), Ridge(alpha)).fit(*joined(train, validation))
    ours = predictions(parameters, head, test)[0]
    np.testing.assert_allclose(ours, theirs.predict(test.x.astype(float)), atol=1e-6)


@pytest.mark.parametrize("monitor", ["loss", "spearman"])
def test_alpha_chosen_on_validation_spots_is_the_best(monitor):
    train, validation = spots(0, n=30, d=20, tissues=1), spots(1, d=20, tissues=1)
    _, parameters, _ = fit.fit(
        train, validation, ALL, [0], ("ridge", {}), TRAINING | {"monitor": monitor}, "library"
    )
    scaler = StandardScaler().fit(train.x)
    x = scaler.transform(train.x)
    scale = (np.linalg.svd(x)[1] ** 2).mean()
    theirs = [
        make_pipeline(scaler, Ridge(alpha * scale)).fit(train.x, target(train))
        for alpha in heads.Ridge.ALPHAS
    ]

    def worth(predicted):
        predicted, truth = torch.as_tensor(predicted), torch.as_tensor(target(validation))
        if monitor == "loss":
            return -metrics.mse(predicted, truth).mean()
        return metrics.spearman(predicted, truth).mean()

    best = max(worth(model.predict(validation.x)) for model in theirs)
    ours = worth(predictions(parameters, ("ridge", {}), validation)[0])
    assert ours.item() == pytest.approx(best.item(), abs=1e-5)


def test_mlp_is_torchs():
    """Forward in training and after it, against BatchNorm1d and Linear of torch."""
    head = heads.HEADS["mlp"](6, 4, width=8, layers=2, dropout=0.0)
    own = head.start(torch.Generator().manual_seed(0))
    layers = []
    for layer, dimension in ((0, 6), (1, 8)):
        affine, norm = torch.nn.Linear(dimension, 8, bias=False), torch.nn.BatchNorm1d(8)
        affine.weight.data = own[f"layer{layer}_weight"].mT
        layers += [affine, norm, torch.nn.ReLU()]
    last = torch.nn.Linear(8, 4)
    last.weight.data, last.bias.data = own["weight"].mT, own["bias"][0]
    theirs = torch.nn.Sequential(*layers, last)
    parameters = {key: value[None].clone() for key, value in own.items()}
    x = torch.randn(30, 6)
    for _ in range(3):
        ours = head.score(parameters, x, None, torch.Generator())[0]
        torch.testing.assert_close(ours, theirs(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        head.score(parameters, x, None)[0], theirs.eval()(x), rtol=1e-5, atol=1e-5
    )


def test_dropout_keeps_the_mean_and_is_off_after_training():
    head = heads.HEADS["mlp"](6, 4, width=4000, layers=1, dropout=0.5)
    parameters = {
        key: value[None] for key, value in head.start(torch.Generator().manual_seed(0)).items()
    }
    x = torch.randn(50, 6)
    after = head.score(parameters, x, None)
    assert after.equal(head.score(parameters, x, None))
    generator = torch.Generator().manual_seed(0)
    first, second = (head.score(parameters, x, None, generator) for _ in range(2))
    assert not first.equal(second)


def test_histogene_sees_neighbours_and_where_they_are():
    head = heads.HEADS["histogene"](6, 4, width=32, layers=1, heads=2)
    parameters = {
        key: value[None] for key, value in head.start(torch.Generator().manual_seed(0)).items()
    }
    x, place = torch.randn(20, 6), torch.rand(20, 2) * 1000
    score = head.score(parameters, x, place)
    order = torch.randperm(20)
    torch.testing.assert_close(
        head.score(parameters, x[order], place[order]), score[:, order], rtol=1e-4, atol=1e-5
    )
    # where a slide's origin lies does not matter, where its spots lie does
    moved = head.score(parameters, x, place + 5000)
    torch.testing.assert_close(moved, score, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(head.score(parameters, x, place.flip(0)), score, atol=1e-3)
    other = torch.cat((x[:-1], x[-1:] + 3))
    assert not torch.allclose(head.score(parameters, other, place)[:, :-1], score[:, :-1])


NETWORK = partial(loading.network, "test_resnet")


def painted(seed, n=96, px=32):
    """Patches whose redness, which no turn of them changes, is the rate of both genes."""
    rng = np.random.default_rng(seed)
    red = rng.uniform(size=n)
    x = rng.integers(0, 60, (n, px, px, 3), dtype="u1")
    x[..., 0] += (180 * red).astype("u1")[:, None, None]
    counts = rng.poisson(np.exp(3 * red)[:, None], (n, 2)).astype("f4")
    return Spots(
        x=x,
        counts=counts,
        library=np.full(n, 100, "f4"),
        tissue=np.zeros(n, int),
        place=rng.uniform(size=(n, 2)) * 1000,
        part=np.full(n, "train"),
        sample=np.full(n, "a", object),
        barcode=np.arange(n).astype(str).astype(object),
    )


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("finetune", {"network": NETWORK}),
        ("histogene", {"width": 16, "layers": 1, "heads": 2}),
    ],
)
def test_heads_that_see_patches_learn(name, options):
    head = name, options
    training = TRAINING | {"max_epochs": 12, "learning_rate": 3e-3}
    losses = {"pearson_within": ("pearson_within", {})}

    def run():
        return fit.fit(painted(0), painted(1), losses, [0], head, training, "library")[1]

    parameters = run()
    assert (spearman(parameters, head, painted(2)) > 0.5).all()
    for key, value in run().items():
        assert value.equal(parameters[key])


def test_augmentation_is_the_symmetry_of_a_square():
    head = heads.HEADS["finetune"](1, 1, network=NETWORK)
    head.config = {"mean": (0, 0, 0), "std": (1, 1, 1)}
    patch = torch.arange(12, dtype=torch.uint8).view(1, 2, 2, 3)
    fed = head.fed(patch.expand(200, -1, -1, -1), None, torch.Generator().manual_seed(0))
    ways = {tuple(one.flatten().tolist()) for one in (fed * 255).round()}
    # the four corners in eight orders; a patch's channels stay together
    assert len(ways) == 8
    assert all(sorted(way) == list(range(12)) for way in ways)
    plain = head.fed(patch, None, None) * 255
    torch.testing.assert_close(plain[0], patch[0].permute(2, 0, 1).float())


def test_auxiliary_genes_train_a_network_end_to_end():
    head, training = ("finetune", {"network": NETWORK}), TRAINING | {"max_epochs": 3}
    losses = {"pearson": ("pearson", {})}
    train, validation = painted(0, n=40), painted(1, n=40)
    for part in (train, validation):
        part.counts = np.tile(part.counts, 3)  # a panel of one, five auxiliary
    runs, parameters, _ = fit.fit(
        train, validation, losses, [0], head, training, "library",
        ("dkgsb", {}), n_panel=1,
    )  # fmt: skip
    assert runs["n_auxiliary"].between(0, 5).all()
    assert runs["best_epoch"][0] == 1 or parameters["threshold"][0] != 0.5
