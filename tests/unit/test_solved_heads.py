"""Heads that are solved at once, against the libraries that they come from."""

import lightgbm
import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_fit import TRAINING, predictions, spots
from test_heads import joined, spearman, target

from spotrank.fitting import fit, heads
from spotrank.scoring import metrics

FOREST = ("forest", {"trees": 12, "min_leaf": 3, "features": 0.5})
BOOSTING = ("boosting", {"trees": 23, "depth": 4, "learning_rate": 0.2})


def solved(head, train, validation, lengths=None, training=TRAINING):
    return fit.fit(train, validation, {}, [0], head, training, "library", lengths=lengths)[1]


def stored(parameters):
    """Through a file."""
    return load(save({key: own.contiguous() for key, own in parameters.items()}))


def test_forest_is_scikit_learns():
    train, validation, test = (spots(i) for i in range(3))
    ours = predictions(stored(solved(FOREST, train, validation)), FOREST, test)[0]
    x, y = joined(train, validation)
    theirs = RandomForestRegressor(12, min_samples_leaf=3, max_features=0.5, random_state=0)
    theirs = theirs.fit(x, np.float32(y)).predict(test.x)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_boosting_is_lightgbms():
    train, validation, test = (spots(i) for i in range(3))
    parameters = stored(solved(BOOSTING, train, validation))
    ours = predictions(parameters, BOOSTING, test)[0]
    settings = heads.HEADS["boosting"](6, 4, **BOOSTING[1]).settings()
    models = [
        lightgbm.train(settings, lightgbm.Dataset(train.x, y), 23)
        for y in np.float32(target(train)).T.copy()
    ]
    # the number of trees whose mean squared error on validation spots is the least
    worth = {
        n: np.mean(
            [
                (model.predict(validation.x, num_iteration=n) - y) ** 2
                for model, y in zip(models, target(validation).T, strict=True)
            ]
        )
        for n in (5, 10, 15, 20, 23)
    }
    best = min(worth, key=worth.get)
    assert parameters["penalty"].item() == best
    theirs = [model.predict(test.x, num_iteration=best) for model in models]
    np.testing.assert_allclose(ours, np.transpose(theirs), rtol=1e-5)


def test_boosting_of_all_samples_has_as_many_trees_as_the_folds():
    parameters = solved(BOOSTING, spots(0), None, ({}, np.array([8.4])))
    assert parameters["penalty"].item() == 8
    assert parameters["gene"][0].bincount().tolist() == [8] * 4


@pytest.mark.parametrize("head", [FOREST, BOOSTING], ids=lambda head: head[0])
def test_trees_learn_the_same_twice(head):
    train, validation, test = (spots(i) for i in range(3))
    once, again = (solved(head, train, validation) for _ in range(2))
    assert (spearman(once, head, test) > 0.5).all()
    for key, value in once.items():
        assert value.equal(again[key])


def test_a_gene_without_a_split_is_predicted_by_its_mean():
    train, validation = spots(0), spots(1)
    for part in (train, validation):
        part.counts[:, 1] = 0
    for head in (FOREST, BOOSTING):
        score = predictions(solved(head, train, validation), head, validation)[0]
        assert (score[:, 1] == 0).all()
        assert (score[:, 0].std() > 0).all()


def of_patients(seed, n_samples, n_patients, n=40):
    """Spots of some samples, whose patients differ in how they depend on the embeddings."""
    part = spots(seed, n=n * n_samples, d=20, tissues=1)
    part.tissue[:] = np.repeat(range(n_samples), n)
    part.sample[:] = [f"{seed}-{number}" for number in part.tissue]
    patients = {sample: f"p{seed}-{int(sample[2:]) % n_patients}" for sample in set(part.sample)}
    return part, patients


@pytest.mark.parametrize("n_patients", [1, 3])
@pytest.mark.parametrize("monitor", ["loss", "spearman"])
def test_inner_folds_are_scikit_learns(n_patients, monitor):
    (train, of_train), (validation, of_validation) = (
        of_patients(seed, n_samples, min(n_samples, n_patients))
        for seed, n_samples in ((0, 5), (1, 2))
    )
    validation.tissue += 5
    patients = of_train | of_validation
    if n_patients == 1:
        patients = dict.fromkeys(patients, "p")
    head = ("ridge", {"alpha": "inner", "patients": patients})
    training = TRAINING | {"monitor": monitor}
    ours = solved(head, train, validation, training=training)
    x, y = joined(train, validation)
    sample = np.concatenate((train.sample, validation.sample))
    group = sample if n_patients == 1 else np.array([patients[one] for one in sample])
    folds = GroupKFold(5).split(x, groups=group)
    worth = [0] * len(heads.Ridge.ALPHAS)
    for part, held_out in folds:
        unit = (np.linalg.svd(StandardScaler().fit_transform(x[part]))[1] ** 2).mean()
        for i, alpha in enumerate(heads.Ridge.ALPHAS):
            model = make_pipeline(StandardScaler(), Ridge(alpha * unit)).fit(x[part], y[part])
            worth[i] += lower_is_better(monitor, model.predict(x[held_out]), y[held_out],
                                        sample[held_out])  # fmt: skip
    best = heads.Ridge.ALPHAS[int(np.argmin(worth))]
    assert ours["penalty"].item() == pytest.approx(best)
    unit = (np.linalg.svd(StandardScaler().fit_transform(x))[1] ** 2).mean()
    theirs = make_pipeline(StandardScaler(), Ridge(best * unit)).fit(x, y)
    score = predictions(ours, head, train)[0]
    np.testing.assert_allclose(score, theirs.predict(train.x.astype(float)), atol=1e-6)


def lower_is_better(monitor, predicted, truth, sample):
    if monitor == "loss":
        return np.mean((predicted - truth) ** 2)
    return -sum(
        metrics.spearman(*(torch.as_tensor(one[sample == own]) for one in (predicted, truth)))
        .mean()
        .item()
        * np.mean(sample == own)
        for own in set(sample)
    )


def test_inner_folds_of_one_sample_are_strips():
    """Five across its longer side, each held out, none in between."""
    train = spots(0, n=100, d=20, tissues=1)
    train.place[:] = np.random.default_rng(0).permutation(100)[:, None] * np.array([10.0, 1.0])
    head = heads.HEADS["ridge"](20, 4, alpha="inner", patients=dict.fromkeys(train.sample, "p"))
    side = fit.Side(train, train.x, 4, "library", 1, "cpu")
    held_out = []
    for found, strip in head._inner(side):
        held_out.append(sorted(strip.place[:, 0].tolist()))
        rest = train.x[~np.isin(train.place[:, 0], held_out[-1])]
        np.testing.assert_allclose(found.centre, rest.mean(0), atol=1e-6)
    assert sorted(held_out) == [[10.0 * (20 * i + j) for j in range(20)] for i in range(5)]


def test_inner_folds_of_all_samples_take_the_penalty_of_the_folds():
    part, patients = of_patients(0, 3, 3)
    head = ("ridge", {"alpha": "inner", "patients": patients})
    assert solved(head, part, None, ({}, np.array([0.25])))["penalty"].item() == 0.25
