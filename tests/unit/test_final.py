import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from sklearn.linear_model import Ridge
from test_fit import LINEAR, TRAINING, spots

from spotrank.base.store import InputError
from spotrank.fitting import final, fit, predict

LOSSES = {name: (name, {}) for name in ("mse", "pearson")}


def test_nothing_but_validation_is_missing():
    """As long as a fold's best epoch, the same spots give the same weights."""
    runs, parameters, _ = fit.fit(spots(0), spots(1), LOSSES, [0], LINEAR, TRAINING, "library")
    lengths = dict(zip(runs["loss"], runs["best_epoch"], strict=True))
    assert len(set(lengths.values())) == 2
    found, own, _ = fit.fit(
        spots(0), None, LOSSES, [0], LINEAR, TRAINING, "library", lengths=(lengths, None)
    )
    assert list(found["epochs"]) == list(lengths.values())
    for key, value in parameters.items():
        torch.testing.assert_close(own[key], value, rtol=0, atol=1e-6)


def test_ridge_takes_the_penalty_of_the_folds():
    train, head = spots(0), ("ridge", {})
    _, parameters, _ = fit.fit(
        train, None, {}, [0], head, TRAINING, "library", lengths=({}, np.array([0.1]))
    )
    x = (train.x - train.x.mean(0)) / train.x.std(0)
    unit = np.mean(np.linalg.svd(x.astype(float))[1] ** 2)
    found = predict.head_for(head, train)
    score = found.score({key: own[:1] for key, own in parameters.items()}, torch.as_tensor(train.x),
                        None)[0]  # fmt: skip
    side = fit.Side(train, train.x, 4, "library", 1, "cpu")
    theirs = Ridge(alpha=0.1 * unit).fit(x.astype(float), side.target.double())
    np.testing.assert_allclose(score, theirs.predict(x.astype(float)), atol=1e-6)


def fold(path, best_epochs, loss="mse", **tensors):
    runs = pd.DataFrame({"loss": loss, "seed": range(len(best_epochs)), "epochs": 9})
    runs["best_epoch"] = best_epochs
    save_file({"weight": torch.zeros(1)} | tensors, path, {"runs": runs.to_json()})
    return path


def test_epochs_are_the_median_of_runs_that_did_not_diverge(tmp_path):
    paths = [fold(tmp_path / "0", [3, 8]), fold(tmp_path / "1", [0, 5])]
    assert final.lengths(paths) == ({"mse": 5}, None)


def test_a_loss_that_always_diverged_is_refused(tmp_path):
    with pytest.raises(InputError, match="no fold of the loss 'mse' trained to a finite loss"):
        final.lengths([fold(tmp_path / "0", [0, 0])])


def test_what_was_written_is_read_and_damage_is_told(tmp_path):
    runs = pd.DataFrame({"loss": ["mse"], "seed": [0]})
    line, path = np.ones((3, 1, 2)), tmp_path / "model.safetensors"
    final.write(path, runs, {"weight": torch.ones(1, 4, 3)}, line, ["a", "b", "c"], 2, {"x": 1})
    found, parameters, own, genes, n_panel, record = final.load(path)
    assert found.equals(runs)
    assert parameters["weight"].shape == (1, 4, 3)
    assert np.array_equal(own, line)
    assert (genes, n_panel, record) == (["a", "b", "c"], 2, {"x": 1})
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match="is damaged"):
        final.load(path)
