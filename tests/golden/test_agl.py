"""DkGSB equals the published code: mask, k, losses, inner steps and hypergradient."""

import numpy as np
import pytest
import torch
from torch.nn.functional import linear

from spotrank.fitting.auxiliary import DkGSB


@pytest.fixture(scope="module")
def case(reference):
    with np.load(reference / "agl_bilevel.npz") as file:
        case = {key: torch.as_tensor(value) for key, value in file.items()}
    auxiliary = case["auxiliary_index"]
    best_first = auxiliary[case["hvg_score"][auxiliary].argsort(descending=True)]
    return case | {"genes": torch.cat((case["target_index"], best_first))}


@pytest.fixture(scope="module")
def dkgsb(case):
    place = case["genes"].argsort()

    class InTheirOrder(DkGSB):
        """Sums run over the genes as in the published code: its single precision hangs on it."""

        def weights(self, threshold):
            return super().weights(threshold)[:, place]

    steps, temperature = int(case["inner_steps"]), case["tau"].item()
    return InTheirOrder(8, 32, inner_steps=steps, temperature=temperature)


def loss(theta, x, y):
    """1 − Pearson of each gene `(1, n_genes)`, of the net 16 → 12 → tanh → 40."""
    theta = {key: value[0] for key, value in theta.items()}
    hidden = linear(x, theta["0.weight"], theta["0.bias"]).tanh()
    a, b = (v - v.mean(0) for v in (linear(hidden, theta["2.weight"], theta["2.bias"]), y))
    norm = a.square().sum(0).sqrt() * b.square().sum(0).sqrt()
    return (1 - (a * b).sum(0) / norm)[None]


def start(case, dtype=torch.float32):
    prefix = "init."
    return {
        key.removeprefix(prefix): value[None].to(dtype)
        for key, value in case.items()
        if key.startswith(prefix)
    }


def hypergradient(case, dkgsb, threshold, dtype=torch.float32):
    """The hypergradient, the validation loss and the parameters after the inner steps."""
    x, y, x_val, y_val = (case[key].to(dtype) for key in ("x_train", "y_train", "x_val", "y_val"))
    seen = {}

    def outer(theta):
        seen.update(theta)
        return loss(theta, x_val, y_val)[:, case["target_index"]]

    gradient = dkgsb.hypergradient(
        torch.tensor([threshold], dtype=dtype),
        start(case, dtype),
        case["alpha"].item(),
        [lambda theta: loss(theta, x, y)] * dkgsb.inner_steps,
        outer,
    )
    return gradient.item(), outer(seen).mean().item(), seen


def test_mask_and_k(case, dkgsb):
    mask = dkgsb.weights(case["thresh"][None].float())[0]
    torch.testing.assert_close(mask, case["mask"], rtol=1e-4, atol=0)
    assert dkgsb.retained({"threshold": case["thresh"][None]}).item() == case["k"].item()


def test_loss(case):
    ours = loss(start(case), case["x_train"], case["y_train"])[0]
    torch.testing.assert_close(ours, case["pcc_loss"], rtol=1e-4, atol=1e-6)


def test_inner_steps_and_hypergradient(case, dkgsb):
    gradient, value, after = hypergradient(case, dkgsb, case["thresh"].item())
    assert value == pytest.approx(case["val_loss"].item(), rel=1e-6)
    for key in ("0.weight", "0.bias", "2.weight"):  # the last bias shifts scores, to no effect
        torch.testing.assert_close(after[key][0], case[f"after_inner.{key}"], rtol=1e-4, atol=1e-6)
    # (terms of order 1 cancel in it: another order of the genes moves it by 7e-4)
    assert gradient == pytest.approx(case["hypergradient"].item(), rel=1e-4)


def test_hypergradient_is_the_slope_of_the_validation_loss(case, dkgsb, monkeypatch):
    """In double precision, where a finite difference means something."""
    at, h = case["thresh"].item(), 1e-7
    gradient, _, _ = hypergradient(case, dkgsb, at, torch.float64)
    # the divisor is held fixed, as in the method
    divisor = dkgsb.weights(torch.tensor([at], dtype=torch.float64)).sum(1)
    monkeypatch.setattr(dkgsb, "weighted", lambda loss, weights: (loss * weights).sum(1) / divisor)
    above, below = (hypergradient(case, dkgsb, at + d, torch.float64)[1] for d in (h, -h))
    assert gradient == pytest.approx((above - below) / (2 * h), rel=1e-4)
