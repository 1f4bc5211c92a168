"""The losses equal the published code's, in value and gradient."""

import numpy as np
import pytest
import torch

from spotrank.fitting.losses import LOSSES, Batch

CASES = {  # the published name: ours, its options
    "mse": ("mse", {}),
    "poisson": ("poisson", {}),
    "nb": ("negative_binomial", {}),
    "pcc": ("pearson", {}),
    "rank": ("margin_rank", {}),
    "list": ("strank_list", {}),
    "list_unnormalised": ("strank_list", {"library_size": False}),
    "pair": ("strank_pair", {"entropy": True}),
    "pair_global": ("strank_pair", {"entropy": True, "within_tissue": False}),
    "pair_unnormalised": ("strank_pair", {"entropy": True, "library_size": False}),
    "pair_weighted": ("strank_pair", {"entropy": True, "gene_weights": True}),
}


@pytest.mark.parametrize("published", CASES)
@pytest.mark.parametrize("batch", ["dense", "sparse", "her2st"])
def test_equals_published(reference, batch, published):
    with np.load(reference / "strank_losses.npz") as file:
        case = {
            key.removeprefix(f"{batch}."): torch.as_tensor(value)[None]
            for key, value in file.items()
            if key.startswith(f"{batch}.")
        }
    name, options = CASES[published]
    permutations = case.get(f"{published}.permutations")
    if name == "strank_pair":
        options = options | {"pairs": permutations.unbind(1)}
    elif name == "margin_rank":
        options = options | {"permutations": permutations}
    score = case["pred"].requires_grad_()
    value = LOSSES[name](
        score,
        Batch(
            counts=case["count"],
            target=case["exp"],
            rank=None,
            size=case["count"].mean(2),
            tissue=case["groups"],
            n_tissues=int(case["groups"].max()) + 1,
            log_theta=case["nb_log_theta"],
        ),
        **options,
    ).mean(1)
    value.sum().backward()
    assert value.item() == pytest.approx(case[f"{published}.value"].item(), rel=1e-5)
    expected = case[f"{published}.grad"]
    assert (score.grad - expected).abs().max() <= 1e-4 * expected.abs().max()
