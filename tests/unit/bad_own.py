"""Heads and losses of one's own that are wrong, and what must be said of them."""

from test_fit import TRAINING, spots

from spotrank.fitting import fit
from spotrank.study import grids

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
FORWARD = "        return self.out(torch.nn.functional.dropout(self.norm(x), 0.1, self.training))"
MSE = {"mse": ("mse", {})}


def head_of(path, text, **options):
    path.write_text(text)
    return named_head({"head": "own", "file": str(path), "class": "Mine", **options})


def named_head(entry):
    (head,) = grids.heads({"heads": [entry], "training": TRAINING}, {}).values()
    return head["head"], head["options"]


def loss_of(path, text, **options):
    path.write_text(text)
    return named_loss({"loss": "own", "file": str(path), "function": "mine", **options})


def named_loss(entry):
    return grids.losses({"losses": [entry]})


def train(head, losses):
    training = TRAINING | {"max_epochs": 4}
    return fit.fit(spots(0), spots(1), losses, [0, 1], head, training, "library")


def written(text, **options):
    """A head or a loss of a file with this text."""
    return lambda of, path: of(path, text, **options)


def named(entry):
    """What a config names without writing a file."""
    return lambda of, path: (named_head if of is head_of else named_loss)(entry)


HEADS = {
    "no file named": (named("own"), "'own' needs 'file'"),
    "no class named": (named({"head": "own", "file": "a.py"}), "'own' needs 'class'"),
    "file that is not there": (
        named({"head": "own", "file": "none.py", "class": "Mine"}),
        "none.py: No such file",
    ),
    "syntax error": (written(HEAD + "def ("), "line 12: is no Python"),
    "class that is not there": (
        written("import torch\nclass Other: pass"),
        "line 1: has no class 'Mine', but Other",
    ),
    "class that is no module": (
        written("class Mine:\n    def __init__(self, *a): pass"),
        "line 1: 'Mine' is no torch",
    ),
    "__init__ of other arguments": (
        written(HEAD.replace("dimension, n_genes, width=4", "dimension")),
        "line 3: 'Mine' fails with TypeError",
    ),
    "option that it lacks": (
        written(HEAD, widht=3),
        "line 3: 'Mine' fails with TypeError .*'widht'",
    ),
    "forward of other arguments": (
        written(HEAD.replace("x, place, neighbours=None", "x")),
        "line 3: 'Mine' fails with TypeError",
    ),
    "exception": (
        written(HEAD.replace(FORWARD, "        return x.nothing")),
        "line 11: 'Mine' fails with",
    ),
    "import that is not there": (
        written("import nothing_here\n" + HEAD),
        "line 1: 'Mine' fails with ModuleNotFoundError",
    ),
    "wrong shape": (
        written(HEAD.replace(FORWARD, "        return x")),
        r"line 3: 'Mine' gives \(32, 6\), but must",
    ),
    "NaN": (
        written(HEAD.replace(FORWARD, FORWARD + " * float('nan')")),
        "line 3: 'Mine' gives NaN",
    ),
}

LOSSES = {
    "no file named": (named("own"), "'own' needs 'file'"),
    "no function named": (named({"loss": "own", "file": "a.py"}), "'own' needs 'function'"),
    "file that is not there": (
        named({"loss": "own", "file": "none.py", "function": "mine"}),
        "none.py: No such file",
    ),
    "syntax error": (written(LOSS + ")"), "line 4: is no Python"),
    "function that is not there": (written("mine = 3"), "line 1: has no function 'mine'"),
    "other arguments": (
        written(LOSS.replace("score, batch", "score")),
        "line 2: 'mine' fails with TypeError",
    ),
    "option that it lacks": (
        written(LOSS, detla=3),
        "line 2: 'mine' fails with TypeError .*'detla'",
    ),
    "exception": (
        written(LOSS.replace("target", "goal")),
        "line 3: 'mine' fails with AttributeError",
    ),
    "wrong shape": (written(LOSS.replace(".mean(1)", ".mean()")), "line 2: 'mine' gives"),
    "no tensor": (written(LOSS.replace("return", "return 3 #")), "line 2: 'mine' gives int"),
    "NaN": (written(LOSS.replace(".square()", ".sub(1e9).sqrt()")), "line 2: 'mine' gives NaN"),
    "no derivative": (
        written(LOSS.replace("score -", "score.detach() -")),
        "line 2: 'mine' has no deriv",
    ),
}


def check_head(write, own_cohort, study):
    train(write(head_of, own_cohort / "my_head.py"), MSE)


def check_loss(write, own_cohort, study):
    train(("linear", {}), write(loss_of, own_cohort / "my_loss.py"))
