"""Heads that see what lies around a spot: who is a neighbour, and whether they make use of it."""

import bad_bundles
import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from test_fit import TRAINING, predictions, spots

from spotrank.bundles import bundle
from spotrank.cohorts import simulate, tissue
from spotrank.fitting import auxiliary, fit, heads, predict, surroundings
from spotrank.fitting.batches import Side, Spots
from spotrank.fitting.grid import Grid
from spotrank.scoring import metrics
from spotrank.spots import expression

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = {
    "context": {"width": 16, "neighbours": 6},
    "triplex": {"width": 16, "heads": 2, "neighbours": 6},
}


def test_neighbours_are_the_nearest_others_of_the_slide_within_the_radius():
    rng = np.random.default_rng(0)
    of_all, tissue_of_all = rng.uniform(0, 500, (60, 2)), np.repeat([0, 1], 30)
    of_all[1] = of_all[0]  # two at one place are no neighbours
    mine = rng.permutation(60)[:25]
    index, place = surroundings.nearest(
        of_all[mine], tissue_of_all[mine], of_all, tissue_of_all, 5, 120
    )
    distance = cdist(of_all[mine], of_all)
    distance[tissue_of_all[mine][:, None] != tissue_of_all] = np.inf
    distance[(distance == 0) | (distance > 120)] = np.inf
    for own, row, where, spot in zip(distance, index, place, mine, strict=True):
        n = min(5, np.isfinite(own).sum())
        assert own[row[:n]].tolist() == np.sort(own)[:n].tolist()
        assert len(set(row[:n])) == n
        assert (row[n:] == -1).all()
        np.testing.assert_allclose(where[:n], of_all[row[:n]] - of_all[spot], atol=1e-3)
        assert (where[n:] == 0).all()
    assert (index == -1).any()


def test_a_slide_of_one_spot_has_no_neighbours():
    index, place = surroundings.nearest(*[np.zeros((1, 2)), np.zeros(1)] * 2, 3, 100)
    assert index.tolist() == [[-1] * 3]
    assert not place.any()


def neighbours_of(n, k, there, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x, place = (torch.randn(n, k, m, generator=generator) for m in (5, 2))
    there = torch.arange(k) < torch.tensor(there)[:, None]
    return surroundings.Neighbours(x * there[..., None], 100 * place * there[..., None], there)


@pytest.mark.parametrize("name", SMALL)
def test_neighbours_have_no_order_and_those_that_are_not_there_no_say(name):
    head = heads.HEADS[name](5, 3, **SMALL[name])
    start = head.start(torch.Generator().manual_seed(0))
    parameters = {key: value[None] for key, value in start.items()}
    x, place, around = torch.randn(4, 5), 500 * torch.rand(4, 2), neighbours_of(4, 6, [6, 3, 1, 0])
    score = head.score(parameters, x, place, around=around)
    assert torch.isfinite(score).all()
    parts = around.x, around.place, around.there
    turned = surroundings.Neighbours(*(own[:, [3, 0, 5, 1, 4, 2]] for own in parts))
    padded = surroundings.Neighbours(
        *(torch.cat((own, torch.zeros_like(own[:, :2])), 1) for own in parts)
    )
    for other in (turned, padded):
        again = head.score(parameters, x, place, around=other)
        torch.testing.assert_close(again, score, rtol=1e-4, atol=1e-5)
    around.place[0] = around.place[0].flip(0)
    assert not torch.allclose(head.score(parameters, x, place, around=around)[0, 0], score[0, 0])


@pytest.mark.parametrize("name", SMALL)
def test_parts_of_a_slide_see_all_of_it_and_runs_are_the_same_again(name):
    whole, head = spots(0), (name, SMALL[name])
    even = np.arange(len(whole.x)) % 2 == 0
    losses = {loss: (loss, {}) for loss in ("mse", "strank_list")}

    def run(**options):
        training = TRAINING | {"max_epochs": 3}
        return fit.fit(
            whole[even], whole[~even], losses, [0], head, training, "library", **options
        )[1]

    parameters = run()
    for key, value in run().items():
        assert value.equal(parameters[key])
    for key, value in run(budget=1).items():
        torch.testing.assert_close(value, parameters[key], rtol=1e-3, atol=1e-4)
    score = predictions(parameters, head, whole)[:, even]
    if name == "context":  # a slide is what a batch holds for triplex
        torch.testing.assert_close(predictions(parameters, head, whole[even]), score)
    alone = whole[even]
    alone.whole = None
    assert not torch.allclose(predictions(parameters, head, alone), score, atol=1e-3)


def test_branches_of_triplex_take_loss_and_distance():
    """One step of the grid, on some spots of a slide that all are seen of, against the sum of both,
    differentiated by torch."""
    part, options = spots(0, n=20, tissues=1), SMALL["triplex"] | {"dropout": 0.0}
    head = heads.HEADS["triplex"](part.x.shape[1], 4, **options, distillation=0.25)
    around = surroundings.around(head, part, lambda x: x, "cpu")
    side = Side(part, part.x, 4, "library", 1, "cpu", around)
    losses = {"mse": ("mse", {})}
    grid = Grid([("mse", 0)], losses, head, auxiliary.Equal(4, 0), TRAINING, "cpu")
    grid.optimiser.step = lambda tensors: None
    some = torch.tensor([[3, 17, 5, 11, 0, 8]])
    grid.batches = lambda *_: [some]
    before = {key: value.detach().clone() for key, value in grid.parameters.items()}
    grid.epoch(side)
    theirs = {key: value.requires_grad_() for key, value in before.items()}
    fused = head.score(theirs, side.x, side.place, torch.Generator(), around=around[:])
    fused, target = fused[:, some[0]], side.target[some[0]]
    total = (fused - target).square().mean()
    for branch, *_ in head.asides():
        branch = branch[:, some[0]]
        total = total + 0.75 * (branch - target).square().mean()
        total = total + 0.25 * (branch - fused.detach()).square().mean()
    total.backward()
    for key in grid.trained:
        ours = grid.parameters[key].grad
        if ours is not None:
            torch.testing.assert_close(ours, theirs[key].grad, rtol=1e-3, atol=1e-6)


def test_a_bundle_finds_the_neighbours_of_a_slide_by_itself(tmp_path):
    head, seen = heads.HEADS["context"](4, 3, **SMALL["context"]), spots(0, d=4)
    starts = [head.start(torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    parameters = {key: torch.stack([start[key] for start in starts]) for key in starts[0]}
    bad_bundles.write(tmp_path, parameters)
    of_head = {"head": "context", "options": SMALL["context"], "sees": "embeddings", "n_genes": 3}
    bad_bundles.changed(head=of_head)(tmp_path)
    known = bundle.read(tmp_path)
    found = [own for _, own in known.predict(seen.x, seen.place, seen.tissue)]
    assert len(found) == len(np.unique(seen.tissue)) > 1
    expected = 0
    for seed, _, own in predict.scores(parameters, head, seen):
        expected = expected + (own * known._slope[seed] + known._intercept[seed]) / 2
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def cohort():
    """Spots of seven slides of which some genes depend on the surroundings, whose embeddings are
    the composition of their patches; and which genes these are. docs/heads.md has more cohorts."""
    seed, parts = 22, [*["train"] * 4, "validation", *["test"] * 2]
    made, table = [], simulate.cohort_genes(40, seed, context=True)
    for number, part in enumerate(parts):
        rngs = [simulate._rng(seed, number), simulate._rng(seed, number, 1)]
        traits, n = simulate._traits(rngs[0]), 200
        slide = tissue.lay_out(rngs, traits, simulate._side(n), n)
        x = tissue.measure(slide)
        counts = simulate._sequence(rngs[1], x, tissue.surroundings(slide, x), table).X.toarray()
        n = len(x)
        made.append(
            {"x": x.astype("f4"), "counts": counts, "library": counts.sum(1),
             "tissue": np.full(n, number), "place": slide.spots[["x", "y"]].to_numpy(),
             "part": np.full(n, part),
             "sample": np.full(n, str(number), object), "barcode": np.arange(n).astype(object)}
        )  # fmt: skip
    whole = Spots(**{key: np.concatenate([own[key] for own in made]) for key in made[0]})
    parts = [whole[whole.part == part] for part in ("train", "validation", "test")]
    return *parts, table["context"].to_numpy() != 0


def reached(cohort, name, options, **training):
    """Mean Spearman over genes that need the surroundings, and over the others."""
    train, validation, test, needs = cohort
    losses, head = {"pearson_within": ("pearson_within", {})}, (name, options)
    training = TRAINING | {"max_epochs": 25, "patience": 8, **training}
    _, parameters, _ = fit.fit(train, validation, losses, [0], head, training, "library")
    found = []
    for slide in np.unique(test.tissue):
        one = test[test.tissue == slide]
        truth = torch.as_tensor(expression.target(one.counts, one.library))
        score = [torch.as_tensor(own) for _, _, own in predict.predict(parameters, head, one)]
        found.append(metrics.spearman(torch.cat(score), truth).nan_to_num())
    found = torch.stack(found).mean(0)
    return found[needs].mean().item(), found[~needs].mean().item()


@pytest.fixture(scope="module")
def of_linear(cohort):
    return reached(cohort, "linear", {})


@pytest.mark.parametrize(
    ("name", "options", "training", "lost"),
    [
        ("context", {"neighbours": 60, "width": 32}, {"learning_rate": 3e-3}, 0.02),
        ("triplex", {"neighbours": 36, "width": 32, "heads": 2},
         {"learning_rate": 1e-3, "max_epochs": 40, "patience": 5}, 0.03),
    ],
)  # fmt: skip
def test_genes_that_need_the_surroundings_are_found(
    name, options, training, lost, cohort, of_linear
):
    needs, others = reached(cohort, name, options, **training)
    assert needs > 2 * max(of_linear[0], 0.1)
    assert others > of_linear[1] - lost
