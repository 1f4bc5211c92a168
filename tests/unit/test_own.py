"""Heads and losses of one's own, from their files to scores."""

from pathlib import Path

import pytest
import torch
from test_fit import TRAINING, predictions, spots

from spotrank.base.store import InputError
from spotrank.fitting import fit
from spotrank.study import grids

EXAMPLES = Path(__file__).parents[2] / "config/examples"
HEAD = """
import torch
class Mine(torch.nn.Module):
    def __init__(self, dimension, n_genes, width=4):
        super().__init__()
        self.register_buffer("offset", torch.ones(1, dtype=torch.long))
        self.norm = torch.nn.BatchNorm1d(dimension)
        self.out = torch.nn.Linear(dimension, n_genes)
    def forward(self, x, place, neighbours=None):
        assert neighbours is None and place.shape == (len(x), 2)
        return self.out(torch.nn.functional.dropout(self.norm(x), 0.1, self.training))
"""
LOSS = """
def mine(score, batch):
    return (score - batch.target).square().mean(1)
"""


def head_of(path, text, **options):
    path.write_text(text)
    entry = {"head": "own", "file": str(path), "class": "Mine", **options}
    (head,) = grids.heads({"heads": [entry], "training": TRAINING}, {}).values()
    return head["head"], head["options"]


def loss_of(path, text):
    path.write_text(text)
    return grids.losses({"losses": [{"loss": "own", "file": str(path), "function": "mine"}]})


def train(head, losses, **options):
    training = TRAINING | {"max_epochs": 4}
    return fit.fit(spots(0), spots(1), losses, [0, 1], head, training, "library", **options)


MSE = {"mse": ("mse", {})}


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


FORWARD = "        return self.out(torch.nn.functional.dropout(self.norm(x), 0.1, self.training))"
BAD_HEADS = {
    "syntax": (HEAD + "def (", "line 12: is no Python"),
    "no class": ("import torch\nclass Other: pass", "line 1: has no class 'Mine', but Other"),
    "no module": ("class Mine:\n    def __init__(self, *a): pass", "line 1: 'Mine' is no torch"),
    "exception": (
        HEAD.replace(FORWARD, "        return x.nothing"),
        "line 11: 'Mine' fails with",
    ),
    "import": ("import nothing_here\n" + HEAD, "line 1: 'Mine' fails with ModuleNotFoundError"),
    "shape": (HEAD.replace(FORWARD, "        return x"), "line 3: 'Mine' gives (32, 6), but must"),
    "NaN": (HEAD.replace(FORWARD, FORWARD + " * float('nan')"), "line 3: 'Mine' gives NaN"),
}


@pytest.mark.parametrize("case", BAD_HEADS)
def test_a_bad_head_is_told_with_file_and_line(case, tmp_path):
    text, words = BAD_HEADS[case]
    with pytest.raises(InputError) as error:
        train(head_of(tmp_path / "a.py", text), MSE)
    assert str(error.value).startswith(f"{tmp_path}/a.py, {words}")
    assert "\n" not in str(error.value)


def test_an_option_that_the_class_lacks_is_told(tmp_path):
    with pytest.raises(InputError, match=r"a.py, line 3: 'Mine' fails with TypeError .*'widht'"):
        train(head_of(tmp_path / "a.py", HEAD, widht=3), MSE)


BAD_LOSSES = {
    "syntax": (LOSS + ")", "line 4: is no Python"),
    "no function": ("mine = 3", "line 1: has no function 'mine'"),
    "shape": (LOSS.replace(".mean(1)", ".mean()"), "line 2: 'mine' gives"),
    "no tensor": (LOSS.replace("return", "return 3 #"), "line 2: 'mine' gives int"),
    "NaN": (LOSS.replace(".square()", ".sub(1e9).sqrt()"), "line 2: 'mine' gives NaN"),
    "no derivative": (LOSS.replace("score -", "score.detach() -"), "line 2: 'mine' has no deriv"),
    "exception": (LOSS.replace("target", "goal"), "line 3: 'mine' fails with AttributeError"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_LOSSES)
def test_a_bad_loss_is_told_with_file_and_line(case, tmp_path):
    text, words = BAD_LOSSES[case]
    with pytest.raises(InputError) as error:
        train(("linear", {}), loss_of(tmp_path / "b.py", text))
    assert str(error.value).startswith(f"{tmp_path}/b.py, {words}")


@pytest.mark.parametrize(
    ("entry", "words"),
    [("own", "'own' needs 'file'"), ({"head": "own", "file": "a.py"}, "'own' needs 'class'"),
     ({"head": "own", "file": "none.py", "class": "A"}, "none.py: No such file")],
)  # fmt: skip
def test_what_an_entry_lacks_is_told(entry, words):
    with pytest.raises(InputError, match=words):
        grids.heads({"heads": [entry], "training": TRAINING}, {})
