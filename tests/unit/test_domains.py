"""Clusters of spots, and how far two clusterings agree."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from spotrank.scoring import domains

labels = st.integers(2, 40).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 4), min_size=n, max_size=n)] * 2)
)


def tissue(genes, n=120):
    """Expression in three domains, and which is whose."""
    rng = np.random.default_rng(0)
    of = np.repeat([0, 1, 2], n // 3)
    return rng.normal(0, 3, (3, genes))[of] + rng.normal(size=(n, genes)), of


@pytest.mark.parametrize("genes", [10, 100])
def test_domains_are_found_again(genes):
    """With as many genes as are, and with their principal components."""
    expression, of = tissue(genes)
    found = domains.domains(expression)
    known = domains.agreement(of, found)
    assert known == {
        "n_domains_observed": 3, "n_domains_predicted": 3, "ari": 1, "nmi": pytest.approx(1)
    }  # fmt: skip
    assert domains.domains(expression) == found
    # neither the unit of a gene nor one that does not vary tells domains apart
    other = np.concatenate([expression * np.linspace(1, 9, genes) - 3, np.ones((120, 1))], 1)
    assert domains.agreement(found, domains.domains(other))["ari"] == 1


def test_of_noise_nothing_is_found_again():
    rng = np.random.default_rng(0)
    expression, of = tissue(10)
    noise = domains.domains(rng.normal(size=expression.shape))
    assert abs(domains.agreement(of, noise)["ari"]) < 0.1


@pytest.mark.parametrize("value", [3.0, np.nan, np.inf])
def test_where_nothing_varies_there_is_one_domain_and_no_agreement(value):
    found = domains.domains(np.full((20, 4), value))
    assert found == [0] * 20
    known = domains.agreement([0, 1] * 10, found)
    assert known["n_domains_predicted"] == 1
    assert np.isnan([known["ari"], known["nmi"]]).all()


@given(labels)
def test_agreement_is_that_of_scikit_learn(pair):
    assume(len(set(pair[0])) < len(pair[0]))  # else igraph says that nothing is told apart
    known = domains.agreement(*pair)
    if min(len(set(own)) for own in pair) > 1:
        assert known["ari"] == pytest.approx(adjusted_rand_score(*pair), abs=1e-9)
        assert known["nmi"] == pytest.approx(normalized_mutual_info_score(*pair), abs=1e-9)
        renamed = [4 - own for own in pair[1]]
        assert domains.agreement(pair[0], renamed)["ari"] == pytest.approx(known["ari"])
    else:
        assert np.isnan(known["ari"])


def test_few_spots():
    for n in (1, 2, 3):
        assert len(domains.domains(np.random.default_rng(0).normal(size=(n, 4)))) == n


@given(
    seed=st.integers(0, 999),
    n=st.sampled_from([5, 32, 33, 200]),
    grid=st.sampled_from([None, 1, 4]),
    away=st.sampled_from([0, 1e7]),
)
def test_neighbours_are_those_of_all_distances(seed, n, grid, away):
    """Spots that share places, at equal distances, or that products of matrices can't tell apart,
    too: the same are chosen as by sorting all distances."""
    x = np.random.default_rng(seed).normal(size=(n, 3))
    x = torch.as_tensor((x if grid is None else np.round(x * grid)) + away)
    k = min(16, n)
    apart = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    expected = apart.topk(k, largest=False).indices
    found = domains._nearest(x, k)
    assert torch.equal(found.sort().values, expected.sort().values)
