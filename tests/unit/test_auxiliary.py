import numpy as np
import pytest
import torch
from spotrank import fit
from spotrank.auxiliary import STRATEGIES, DkGSB, Uncertainty, adam
from spotrank.losses import LOSSES
from test_fit import TRAINING, spots

LOW_RANK = "low_rank", {"rank": 2}


def train_with(name, losses=("mse", "strank_list"), seeds=(0, 1), head=LOW_RANK, **options):
    training = TRAINING | {"max_epochs": 8}
    losses = {loss: (loss, {}) for loss in losses}
    return fit.fit(
        spots(0, genes=6), spots(1, genes=6), losses, list(seeds), head, training, "library",
        (name, options), n_panel=2,
    )  # fmt: skip


def test_adam_is_torchs():
    theta = torch.randn(5, dtype=torch.float64)
    theirs = theta.clone().requires_grad_()
    optimiser = torch.optim.Adam([theirs], lr=0.1)
    ours, first, second = {"x": theta}, {"x": 0}, {"x": 0}
    for step in range(1, 5):
        gradient = torch.randn(5, dtype=torch.float64)
        theirs.grad = gradient
        optimiser.step()
        ours, first, second = adam(ours, {"x": gradient}, first, second, step, 0.1)
    # but for where the tiny number stands
    torch.testing.assert_close(ours["x"], theirs.detach(), rtol=1e-4, atol=1e-5)


def test_weights_by_hand():
    # ranks 0, ½, 1; softmax([½, r] / ½)₁ is σ(1), σ(0), σ(−1)
    weights = DkGSB(2, 3, temperature=0.5).weights(torch.tensor([0.5]))
    expected = torch.tensor([[1, 1, 0.731059, 0.5, 0.268941]])
    torch.testing.assert_close(weights, expected, rtol=0, atol=1e-6)


def test_uncertainty_by_hand():
    strategy = Uncertainty(1, 1)
    loss = torch.tensor([[2.0, 1.0]])
    log_variance = {"log_variance": torch.tensor([[0.0, np.log(2)]])}
    # (2 − (−1)) and ½ (1 − (−1)) + log 2
    assert strategy.combine(loss, log_variance, lowest=-1).item() == pytest.approx(
        (3 + 1 + np.log(2)) / 2
    )


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("head", [LOW_RANK, ("mlp", {"width": 8}), ("histogene", {
    "width": 8, "layers": 1, "heads": 2})], ids=lambda head: head[0])  # fmt: skip
def test_every_strategy_with_every_trunk(name, head):
    runs, parameters, history = train_with(name, head=head)
    assert len(runs) == 4
    assert parameters["weight" if "weight" in parameters else "3.weight"].isfinite().all()
    expected = {"none": 4, "all": 4, "uncertainty": 4}.get(name)
    if expected:  # of 6 genes 2 are the panel
        assert history["n_auxiliary"].eq(expected).all()
    else:
        assert history["n_auxiliary"].between(0, 4).all()
        assert (parameters["threshold"] != 0.5).all()


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"poisson", "negative_binomial"}))
def test_dkgsb_learns_a_threshold_with_every_loss(name):
    _, parameters, _ = train_with("dkgsb", losses=[name])
    assert ((parameters["threshold"] >= 0) & (parameters["threshold"] <= 1)).all()
    assert (parameters["threshold"] != 0.5).all()


@pytest.mark.parametrize("name", ["dkgsb", "uncertainty"])
def test_a_run_alone_is_the_run_in_company(name):
    together = train_with(name, losses=("mse", "pearson_within", "strank_pair"))[1]
    alone = train_with(name, losses=("mse",), seeds=(1,))[1]
    for key in ("trunk_weight", "weight", "threshold", "log_variance"):
        if key in alone:
            torch.testing.assert_close(alone[key][0], together[key][3], rtol=0, atol=1e-5)
