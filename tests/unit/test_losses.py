"""What must hold of the losses whatever the data."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spotrank.losses import LOSSES, Batch

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
    from spotrank.losses import _ring

    tissue = torch.tensor([[0, 1, 0, 1, 1, 2, 0, 2]])
    for seed in range(20):
        noise = torch.rand(1, 8, generator=torch.Generator().manual_seed(seed))
        first, second = _ring(tissue, noise)
        assert (tissue.gather(1, first) == tissue.gather(1, second)).all()
        assert (first != second).all()
        assert sorted(first[0].tolist()) == sorted(second[0].tolist()) == list(range(8))
