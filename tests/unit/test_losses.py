"""What must hold of the losses whatever the data."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spotrank.fitting.losses import LOSSES, Batch

WITHIN = ["pearson_within", "spearman_within", "strank_pair", "strank_list"]


def case(seed, n=12, genes=3, tissues=3, runs=2, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    counts = torch.poisson(torch.full((runs, n, genes), 3.0), generator=generator).to(dtype)
    counts[:, 0] = 0  # a spot without a count
    tissue = torch.randint(tissues, (runs, n), generator=generator)
    score = torch.randn(runs, n, genes, generator=generator, dtype=dtype)
    return score, Batch(
        counts=counts,
        target=counts.log1p(),
        rank=counts,
        size=counts.mean(2),
        tissue=tissue,
        n_tissues=tissues,
        log_theta=torch.zeros(runs, genes, dtype=dtype),
        uniform=lambda k: torch.rand(
            runs, k, n, generator=torch.Generator().manual_seed(seed), dtype=dtype
        ),
    )


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_finite_with_finite_gradient(name, seed):
    score, batch = case(seed)
    score.requires_grad_()
    value = LOSSES[name](score, batch)
    value.sum().backward()
    assert value.shape == (2, 3)
    assert value.isfinite().all()
    assert score.grad.isfinite().all()


@pytest.mark.parametrize("name", WITHIN)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_shift_of_a_tissue_changes_nothing(name, seed):
    score, batch = case(seed)
    shift = torch.randn(2, 3, 3, dtype=score.dtype).gather(
        1, batch.tissue[:, :, None].expand(-1, -1, 3)
    )
    torch.testing.assert_close(
        LOSSES[name](score, batch), LOSSES[name](score + 5 * shift, batch), rtol=1e-8, atol=1e-8
    )


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"margin_rank", "strank_pair"}))
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_order_of_spots_changes_nothing(name, seed):
    score, batch = case(seed)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(seed))
    shuffled = Batch(
        *(x[:, order] for x in (batch.counts, batch.target, batch.rank, batch.size, batch.tissue)),
        batch.n_tissues,
        batch.log_theta,
    )
    torch.testing.assert_close(LOSSES[name](score, batch), LOSSES[name](score[:, order], shuffled))


@pytest.mark.parametrize("name", LOSSES)
def test_runs_do_not_mix(name):
    score, batch = case(1)
    first = Batch(
        *(x[:1] for x in (batch.counts, batch.target, batch.rank, batch.size, batch.tissue)),
        batch.n_tissues,
        batch.log_theta[:1],
        lambda k: batch.uniform(k)[:1],
    )
    torch.testing.assert_close(LOSSES[name](score, batch)[:1], LOSSES[name](score[:1], first))


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_is_that_of_the_value(name):
    score, batch = case(3, runs=1)
    torch.autograd.gradcheck(lambda x: LOSSES[name](x, batch), score.requires_grad_())


def test_list_by_hand():
    # two spots, one gene, counts 1 and 3, equal scores, no depth: −(1 + 3) log ½ / 2
    _, batch = case(0, n=2, genes=1, tissues=1, runs=1)
    batch.counts = torch.tensor([[[1.0], [3.0]]]).double()
    value = LOSSES["strank_list"](batch.counts * 0, batch, library_size=False)
    assert value.item() == pytest.approx(2 * math.log(2))


def test_pairs_stay_in_their_tissue_and_never_meet_themselves():
    from spotrank.fitting.losses import _ring

    tissue = torch.tensor([[0, 1, 0, 1, 1, 2, 0, 2]])
    for seed in range(20):
        noise = torch.rand(1, 8, generator=torch.Generator().manual_seed(seed))
        first, second = _ring(tissue, noise)
        assert (tissue.gather(1, first) == tissue.gather(1, second)).all()
        assert (first != second).all()
        assert sorted(first[0].tolist()) == sorted(second[0].tolist()) == list(range(8))


def list_case(counts, scores, tissue):
    """Scores and a batch of one gene, one run."""
    _, batch = case(0, n=len(counts), genes=1, tissues=max(tissue) + 1, runs=1)
    batch.counts = torch.tensor(counts).double()[None, :, None]
    batch.tissue = torch.tensor(tissue)[None]
    return torch.tensor(scores).double()[None, :, None], batch


def test_lists_by_hand():
    # tissue 0: spots 0, 2, 3 in lists (0, 2) and (3); tissue 1: spots 1, 4 in one list
    score, batch = list_case([1, 2, 3, 5, 4], [0.0, 0.0, math.log(3), 7.0, 0.0], [0, 1, 0, 0, 1])
    value = LOSSES["strank_list"](score, batch, library_size=False, list_size=2)
    by_hand = math.log(4) + 3 * math.log(4 / 3) + 0 + 6 * math.log(2)
    assert value.item() == pytest.approx(by_hand / 5)


@pytest.mark.parametrize("within_tissue", [True, False])
@pytest.mark.parametrize("list_size", [1, 2, 3, 5, 7])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_lists_are_the_plain_loop_over_lists(within_tissue, list_size, seed):
    score, batch = case(seed)
    options = {"list_size": list_size, "within_tissue": within_tissue}
    value = LOSSES["strank_list"](score, batch, **options)
    logit = score + (batch.size + 1e-6).log()[:, :, None]
    for run in range(2):
        tissue = batch.tissue[run] if within_tissue else batch.tissue[run] * 0
        total = 0
        for own in range(3):
            for spots in (tissue == own).nonzero()[:, 0].split(list_size):
                log_p = logit[run, spots].log_softmax(0)
                total = total - (batch.counts[run, spots] * log_p).sum(0)
        torch.testing.assert_close(value[run], total / 12)


@pytest.mark.parametrize("list_size", [2, 5])
def test_lists_have_the_gradient_of_their_value(list_size):
    score, batch = case(3, runs=2)
    torch.autograd.gradcheck(
        lambda x: LOSSES["strank_list"](x, batch, list_size=list_size), score.requires_grad_()
    )


@pytest.mark.parametrize("list_size", [12, 256])
@pytest.mark.parametrize("within_tissue", [True, False])
def test_a_list_that_holds_the_tissue_is_the_tissue(list_size, within_tissue):
    score, batch = case(4)
    options = {"within_tissue": within_tissue}
    cut = LOSSES["strank_list"](score, batch, list_size=list_size, **options)
    assert torch.equal(cut, LOSSES["strank_list"](score, batch, **options))


def test_lists_of_two_are_the_pairs():
    score, batch = list_case(
        [3, 0, 1, 4, 2, 9], [0.3, 1.0, -2.0, 0.1, 0.5, 0.7], [0, 0, 1, 1, 0, 0]
    )
    pairs = torch.tensor([[0, 2, 4]]), torch.tensor([[1, 3, 5]])
    torch.testing.assert_close(
        LOSSES["strank_list"](score, batch, list_size=2),
        LOSSES["strank_pair"](score, batch, pairs=pairs),
    )


def test_rank_within_a_tissue_is_the_mean_over_its_pairs():
    score, batch = case(5)
    score.requires_grad_()
    LOSSES["margin_rank"](score, batch, within_tissue=True).sum().backward()
    pairs = 0
    for run in range(2):
        for own in range(3):
            mine = (batch.tissue[run] == own).nonzero()[:, 0]
            for i in mine:
                for j in mine:
                    sign = torch.where(batch.target[run, i] > batch.target[run, j], 1, -1)
                    hinge = (-sign * (score[run, i] - score[run, j])).clamp(min=0)
                    pairs = pairs + hinge.sum() / len(mine)
    (gradient,) = torch.autograd.grad(pairs / 12, score)
    torch.testing.assert_close(score.grad, gradient)


def test_random_partners_stay_in_their_tissue():
    from spotrank.fitting.losses import _permutations

    tissue = torch.tensor([[0, 1, 0, 1, 1, 2, 0, 2]])
    noise = torch.rand(1, 50, 8, generator=torch.Generator().manual_seed(0))
    partners = _permutations(tissue, noise)
    assert (tissue[0][partners[0]] == tissue).all()
    assert (partners.sort(-1).values == torch.arange(8)).all()
