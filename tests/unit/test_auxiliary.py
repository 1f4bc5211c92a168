import numpy as np
import pytest
import torch
from test_fit import TRAINING, predictions, spots

from spotrank.fitting import fit
from spotrank.fitting.auxiliary import STRATEGIES, DkGSB, Uncertainty, adam
from spotrank.fitting.batches import Spots
from spotrank.fitting.losses import LOSSES
from spotrank.scoring import metrics
from spotrank.spots import expression

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


PANEL, INFORMATIVE, OTHERS = 10, 50, 150


def cohort(seed, n):
    """Spots whose faint panel follows three factors of the picture, as do 50 strong genes.

    150 more are as strong and as variable, for reasons of their own. The prior knows the 50, but
    not well. Returns the spots and which auxiliary genes are informative.
    """
    rng, fixed = np.random.default_rng(seed), np.random.default_rng(0)
    genes, d, rank = PANEL + INFORMATIVE + OTHERS, 60, 3
    factors = fixed.normal(size=(d, rank)) / d**0.5
    loadings = fixed.normal(size=(rank, genes))
    loadings[:, PANEL + INFORMATIVE :] = 0
    x = rng.normal(size=(n, d))
    own = rng.normal(size=(n, genes)) * (np.arange(genes) >= PANEL + INFORMATIVE)
    abundance = np.where(np.arange(genes) < PANEL, 0.3, 8)
    counts = rng.poisson(abundance * np.exp(0.7 * (x @ factors @ loadings + own)))
    prior = np.arange(genes - PANEL) + fixed.normal(0, 25, genes - PANEL)
    order = np.r_[:PANEL, PANEL + prior.argsort()]
    part = Spots(
        x=x.astype("f4"),
        counts=counts[:, order].astype("f4"),
        library=np.full(n, 1000, "f4"),
        tissue=np.zeros(n, int),
        place=np.zeros((n, 2)),
        part=np.full(n, "train"),
        sample=np.full(n, "a", object),
        barcode=np.arange(n).astype(str).astype(object),
    )
    return part, order[PANEL:] < PANEL + INFORMATIVE


@pytest.fixture(scope="module")
def strategies():
    """`{strategy: (mean Spearman of the panel, genes in use of each run)}` of three seeds."""
    (train, informative), (validation, _), (test, _) = (
        cohort(seed, n) for seed, n in ((1, 150), (2, 150), (3, 1000))
    )
    truth = expression.target(test.counts[:, :PANEL], test.library)
    training = TRAINING | {"learning_rate": 5e-3, "batch_size": 128, "max_epochs": 60}
    head = "low_rank", {"rank": 6}
    found = {}
    for name, options in (("none", {}), ("all", {}), ("dkgsb", {"threshold_rate": 0.03})):
        genes = slice(PANEL if name == "none" else None)
        parts = [
            Spots(**vars(part) | {"counts": part.counts[:, genes]})
            for part in (train, validation, test)
        ]
        runs, parameters, _ = fit.fit(
            *parts[:2], {"pearson": ("pearson", {})}, [0, 1, 2], head, training, "library",
            (name, options), PANEL,
        )  # fmt: skip
        scores = predictions(parameters, head, parts[2])[..., :PANEL]
        rho = metrics.spearman(scores, torch.as_tensor(truth)).mean().item()
        found[name] = rho, [informative[:k] for k in runs["n_auxiliary"]]
    return found


def test_auxiliary_genes_help_where_they_carry_the_signal(strategies):
    assert strategies["all"][0] > strategies["none"][0] + 0.03
    assert strategies["dkgsb"][0] > strategies["none"][0] + 0.03


def test_dkgsb_finds_the_informative_genes(strategies):
    """A quarter are; among those that it keeps they must be twice as many."""
    kept = np.concatenate(strategies["dkgsb"][1])
    assert kept.mean() > 2 * INFORMATIVE / (INFORMATIVE + OTHERS)
