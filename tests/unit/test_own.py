"""Heads and losses of one's own, from their files to scores."""

from pathlib import Path

import torch
from bad_own import HEAD, LOSS, MSE, head_of, loss_of, train
from test_fit import TRAINING, predictions, spots

from spotrank.study import grids

EXAMPLES = Path(__file__).parents[2] / "config/examples"


def test_a_head_trains_keeps_its_buffers_and_comes_out_the_same(tmp_path):
    head = head_of(tmp_path / "a.py", HEAD)
    _, parameters, history = train(head, MSE)
    assert history.groupby("seed")["train_loss"].agg(lambda own: own.iloc[-1] < own.iloc[0]).all()
    means = parameters["running_own.norm.running_mean"]
    assert means.abs().sum() > 0
    assert (parameters["running_own.offset"] == 1).all()
    for key, value in train(head, MSE)[1].items():
        assert value.equal(parameters[key])
    again = [predictions(parameters, head, spots(2)) for _ in range(2)]
    assert again[0].equal(again[1])


def test_a_loss_is_what_it_says(tmp_path):
    losses = loss_of(tmp_path / "b.py", LOSS)
    assert list(losses) == ["mine"]
    ours, theirs = (train(("mlp", {"width": 8}), own)[1] for own in (losses, MSE))
    for key, value in ours.items():
        assert value.equal(theirs[key])


def test_a_changed_line_is_another_head_and_another_loss(tmp_path):
    path = tmp_path / "a.py"
    assert head_of(path, HEAD) == head_of(path, HEAD)
    assert head_of(path, HEAD) != head_of(path, HEAD + "# more\n")
    assert loss_of(path, LOSS) != loss_of(path, LOSS.replace("mean(1)", "median(1).values"))


def test_the_examples_train(monkeypatch):
    monkeypatch.chdir(EXAMPLES.parents[1])
    import yaml

    config = yaml.safe_load((EXAMPLES / "your_own.yaml").read_text())
    losses = grids.losses(config)
    head = grids.heads(config | {"training": TRAINING}, {})["mine"]
    assert head["options"]["arguments"] == {"width": 32}
    runs, parameters, _ = train((head["head"], head["options"]), losses)
    assert set(runs["loss"]) == {"mse", "huber"}
    assert torch.isfinite(predictions(parameters, (head["head"], head["options"]), spots(2))).all()
