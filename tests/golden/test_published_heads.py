"""Heads equal the published code's at equal weights, in what they share with it.

`published_heads.npz` was written by `published_heads.py` from the code of HisToGene, BLEEP,
DeepSpot, Hist2ST and TRIPLEX; weights and inputs are drawn anew here.
"""

import math
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import layer_norm, mse_loss, normalize

from spotrank.fitting import heads
from spotrank.fitting.heads.places import around, averaging
from spotrank.fitting.surroundings import Neighbours

CASES = ("histogene", "retrieval", "context", "graph", "triplex")
SIDE, PITCH_UM = 4, 200.0
N = SIDE**2  # spots of a slide


def drawn(name, *shape):
    """Numbers that follow from a name; a weight's are of a spread that keeps what it maps."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return torch.tensor(rng.standard_normal(shape, "f4") / max(shape[-1], 1) ** 0.5)


def lattice():
    """Columns and rows `(N, 2)`."""
    return torch.cartesian_prod(torch.arange(SIDE), torch.arange(SIDE))


def waves_of(centres, axis):
    """Sines and cosines of the columns, or rows, 0 to N − 1 of a lattice, where the other axis
    has 0: what a linear map of `(N, 64)` makes of one axis."""
    lengths = torch.logspace(math.log10(200), math.log10(20_000), 16)
    places = torch.arange(len(centres)) * PITCH_UM - centres[:, axis].float().mean() * PITCH_UM
    angle = 2 * math.pi * places[:, None] / lengths
    waves = torch.zeros(len(centres), 2, 2, 16)  # sine or cosine, axis
    waves[:, 0, axis], waves[:, 1, axis] = angle.sin(), angle.cos()
    return waves.flatten(1)


@pytest.fixture(scope="module")
def published():
    with np.load(Path(__file__).with_name("published_heads.npz")) as file:
        return {key: torch.tensor(file[key]) for key in file if not key.startswith("commit")}


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def attention(prefix, inner, width):
    """Ours of a layer of attention and two maps, as theirs is drawn."""
    return {
        "self_attn.in_proj_weight": drawn(f"{prefix}.0.fn.to_qkv.weight", 3 * inner, width),
        "self_attn.in_proj_bias": torch.zeros(3 * inner),
        "self_attn.out_proj.weight": drawn(f"{prefix}.0.fn.to_out.0.weight", width, inner),
        "self_attn.out_proj.bias": drawn(f"{prefix}.0.fn.to_out.0.bias", width),
        "norm1.weight": torch.ones(width),
        "norm1.bias": drawn(f"{prefix}.0.norm.bias", width),
        "linear1.weight": drawn(f"{prefix}.1.fn.net.0.weight", 2 * width, width),
        "linear1.bias": drawn(f"{prefix}.1.fn.net.0.bias", 2 * width),
        "linear2.weight": drawn(f"{prefix}.1.fn.net.3.weight", width, 2 * width),
        "linear2.bias": drawn(f"{prefix}.1.fn.net.3.bias", width),
        "norm2.weight": torch.ones(width),
        "norm2.bias": drawn(f"{prefix}.1.norm.bias", width),
    }


def test_histogene(published):
    """The whole of it; columns and rows are places of a lattice of 200 µm."""
    own = {
        "0.weight": torch.cat(
            (
                drawn("histogene.patch_embedding.weight", 1024, 48),
                drawn("histogene.waves", 1024, 64),
            ),
            1,
        ),
        "0.bias": drawn("histogene.patch_embedding.bias", 1024),
        "2.weight": torch.ones(1024),
        "2.bias": drawn("histogene.gene_head.0.bias", 1024),
        "3.weight": drawn("histogene.gene_head.1.weight", 5, 1024),
        "3.bias": drawn("histogene.gene_head.1.bias", 5),
    }
    layer = attention("histogene.vit.transformer.layers.0", 1024, 1024)
    own |= {f"1.layers.0.{key}": value for key, value in layer.items()}
    head = heads.HEADS["histogene"](48, 5, layers=1)
    score = head.score(
        {key: value[None] for key, value in own.items()},
        drawn("histogene.x", N, 48), lattice() * PITCH_UM,
    )  # fmt: skip
    close(score[0], published["histogene.score"])


def test_retrieval(published):
    """BLEEP's projections and its loss."""
    own = {}
    for of, dimension in (("image", 7), ("expression", 5)):
        for ours, theirs, shape in (("", "projection", dimension), ("second_", "fc", 256)):
            weight = drawn(f"{of}.{theirs}.weight", 256, shape)
            own[f"{of}_{ours}weight"] = weight.T[None].contiguous()
            own[f"{of}_{ours}bias"] = drawn(f"{of}.{theirs}.bias", 256)[None, None]
        own[f"{of}_scale"] = torch.ones(1, 1, 256)
        own[f"{of}_shift"] = drawn(f"{of}.layer_norm.bias", 256)[None, None]
    head = heads.HEADS["retrieval"](7, 5, dropout=0.0)
    x, y = drawn("retrieval.x", N, 7), drawn("retrieval.y", N, 5)
    close(head.projected(own, "image_", x[None])[0], published["retrieval.image"])
    close(head.projected(own, "expression_", y[None])[0], published["retrieval.expression"])
    side = type("Side", (), {"x": x, "target": y})
    loss = head.objective(own, side, torch.arange(N), None)
    close(loss[0], published["retrieval.loss"])


@pytest.mark.parametrize(("case", "k"), [("one", 1), ("mean", 4)])
def test_context(published, case, k):
    """DeepSpot's φ and ρ of spot and neighbours, which are ours where the second layer of φ and the
    first of ρ pass on, and nothing knows of places or goes past: the published pooling, the
    largest, of one neighbour, and its mean of four."""
    # 8 of 16 features are used, for ρ takes 16
    wide = torch.nn.functional.pad(drawn("context.phi_spot.0.model.0.weight", 8, 7).T, (0, 8))
    bias = torch.nn.functional.pad(drawn("context.phi_spot.0.model.0.bias", 8), (0, 8))
    pass_on = torch.zeros(32, 16)
    pass_on[:8, :8] = pass_on[16:24, 8:] = torch.eye(8)
    last = drawn("context.rho.0.model.2.weight", 5, 16)
    own = {
        "spot_weight": wide,
        "spot_bias": bias,
        "phi0_weight": torch.cat((wide, torch.zeros(7, 16))),
        "phi0_bias": bias,
        "phi1_weight": torch.eye(16),
        "phi1_bias": torch.zeros(16),
        "rho_weight": pass_on,
        "rho_bias": torch.zeros(16),
        "weight": torch.cat((torch.zeros(7, 5), last.T)),
        "bias": drawn("context.rho.0.model.2.bias", 5),
    }
    own = {key: x[None] if x.ndim == 2 else x[None, None] for key, x in own.items()}
    near = Neighbours(
        drawn("context.near", N, 4, 7)[:, :k],
        drawn("context.place", N, k, 2),
        torch.ones(N, k, dtype=bool),
    )
    head = heads.HEADS["context"](7, 5, width=16)
    score = head.score(own, drawn("context.x", N, 7), None, around=near)
    close(score[0], published[f"context.{case}"])


def test_graph(published):
    """A layer of Hist2ST's GraphSAGE: the mean over neighbours, and what comes of spot and mean."""
    x, weight = drawn("graph.x", N, 6), drawn("graph.weight", 6, 12)
    place = lattice() * PITCH_UM
    close(averaging(around(place, 4, 1.1 * PITCH_UM)) @ x, published["graph.mean"])
    own = {
        "in_weight": torch.eye(6),
        "in_bias": torch.zeros(6),
        "layer0_weight": weight.T,
        "layer0_bias": torch.zeros(6),
        "weight": torch.cat((torch.zeros(12, 6), torch.eye(6))),
        "bias": torch.zeros(6),
    }
    own = {key: value[None] if value.ndim == 2 else value[None, None] for key, value in own.items()}
    head = heads.HEADS["graph"](6, 6, width=6, layers=1, neighbours=4, radius_um=1.1 * PITCH_UM)
    message = (torch.cat((x, published["graph.mean"]), 1) @ weight.T).relu()
    close(normalize(message), published["graph.layer"])
    close(head.score(own, x, place)[0], layer_norm(x + message, (6,)))


def test_triplex(published):
    """The transformer over neighbours, some of which are not there, and the loss of four scores."""
    head = heads.HEADS["triplex"](7, 5, width=16, layers=2, heads=4)
    network = head.build().eval()
    layers = [attention(f"triplex.layers.{layer}", 16, 16) for layer in range(2)]
    network.near.load_state_dict(
        {f"layers.{i}.{key}": value for i, own in enumerate(layers) for key, value in own.items()}
    )
    away = drawn("triplex.there", N, 9) <= 0
    away[:, 0] = False
    near = network.near(drawn("triplex.x", N, 9, 16), src_key_padding_mask=away)
    there = ~away
    close(near[there], published["triplex.near"][there])
    scores = drawn("triplex.preds", 4, N, 5).requires_grad_()
    target = drawn("triplex.y", N, 5)
    head.branches = scores[1:, None]
    loss = mse_loss(scores[0], target)
    for own, of_loss, of_distance in head.asides():
        loss = loss + of_loss * mse_loss(own[0], target)
        loss = loss + of_distance * mse_loss(own[0], scores[0].detach())
    loss.backward()
    close(loss, published["triplex.loss"])
    close(scores.grad[1:], published["triplex.gradient"])
