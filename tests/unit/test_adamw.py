"""AdamW against PyTorch's own class, to the bit."""

import subprocess
import sys

import torch
from conftest import ROOT

from spotrank.fitting.adamw import AdamW

RATE, DECAY = 0.1, 0.01


def tensors():
    """Three rows of two tensors, of which a loss may use one only."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"weight": (3, 4, 2), "bias": (3, 5)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def train(step, own, steps):
    for i in steps:
        # no gradient of the bias in the first steps
        for name in ("weight", "bias") if i > 1 else ("weight",):
            own[name].grad = torch.cos(own[name].detach() * (i + 1))
        step()


def test_steps_are_torchs_and_a_row_alone_goes_on_as_in_company():
    theirs, ours = tensors(), tensors()
    optimiser = torch.optim.AdamW(theirs.values(), lr=RATE, weight_decay=DECAY, fused=True)
    mine, row = AdamW(RATE, DECAY), torch.tensor([1])
    train(optimiser.step, theirs, range(6))
    train(lambda: mine.step(ours), ours, range(4))
    assert all(own.grad is None for own in ours.values())
    mine.keep(row)
    kept = {name: own[row] for name, own in ours.items()}
    train(lambda: mine.step(kept), kept, range(4, 6))
    for name, own in kept.items():
        assert torch.equal(own, theirs[name][row]), name


def test_pytorchs_compiler_is_not_loaded():
    """Which would take longer than all else that a small fit does."""
    code = (
        "import sys, torch; from spotrank.fitting.adamw import AdamW\n"
        "x = torch.ones(2, requires_grad=True); x.sum().backward(); AdamW(0.1, 0).step({'x': x})\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT / "workflow", check=True)
