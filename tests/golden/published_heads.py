"""Write `published_heads.npz`: what the published code of heads computes from given weights.

    python tests/golden/published_heads.py FOLDER

FOLDER holds checkouts of HisToGene, BLEEP, DeepSpot, Hist2ST and TRIPLEX under these names; their
code needs `pytorch-lightning`, `lightning`, `torchmetrics`, `einops` and `wget`. Nothing of it is
in this repository: weights and inputs are drawn by name (`drawn`), and the file holds what came
out, with the commits.
"""

import importlib
import subprocess
import sys
import types
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow"))
from test_published_heads import CASES, N, drawn, lattice, waves_of

FOLDER, OUTPUT = Path(sys.argv[1]), Path(__file__).with_suffix(".npz")


@contextmanager
def code_of(name, *below):
    """The modules of a checkout can be imported, and are forgotten after."""
    before, path = set(sys.modules), str(FOLDER.joinpath(name, *below))
    sys.path.insert(0, path)
    yield
    sys.path.remove(path)
    for module in set(sys.modules) - before:
        if str(getattr(sys.modules[module], "__file__", "")).startswith(str(FOLDER)):
            del sys.modules[module]


def filled(module, prefix):
    """A module whose weights are drawn, by their names; constants of norms stay."""
    with torch.no_grad():
        for key, value in module.named_parameters():
            if value.ndim > 1 or key.endswith("bias"):
                value.copy_(drawn(f"{prefix}.{key}", *value.shape))
    return module.eval()


def histogene():
    with code_of("HisToGene"):
        model = importlib.import_module("vis_model").HisToGene(
            patch_size=4, n_layers=1, n_genes=5, dropout=0.1
        )
    filled(model, "histogene")
    # their tables of rows and columns hold what our waves of the same places come to
    of_waves = drawn("histogene.waves", 1024, 64)
    centres = lattice()
    for axis, table in enumerate((model.x_embed, model.y_embed)):
        table.weight.data[: len(centres)] = waves_of(centres, axis) @ of_waves.T
    return model(drawn("histogene.x", N, 48)[None], centres[None])[0]


def retrieval():
    with code_of("BLEEP"):
        models = importlib.import_module("models")
        models.ImageEncoder = nn.Identity  # embeddings come in
        model = models.CLIPModel(image_embedding=7, spot_embedding=5)
    # the halves are drawn apart, and named as ours are
    filled(model.image_projection, "image"), filled(model.spot_projection, "expression")
    batch = {"image": drawn("retrieval.x", N, 7), "reduced_expression": drawn("retrieval.y", N, 5)}
    return {
        "image": model.image_projection(batch["image"]),
        "expression": model.spot_projection(batch["reduced_expression"]),
        "loss": model.eval()(batch),
    }


def context():
    with code_of("DeepSpot"):
        module = importlib.import_module("deepspot.spot.model")
        model = module.DeepSpot(7, 5, n_ensemble=1, phi2rho_size=8, spot_context="spot_neighbors")
    filled(model, "context")
    spots, near = drawn("context.x", N, 7), drawn("context.near", N, 4, 7)
    own = model._apply_phi(spots[:, None], model.phi_spot)
    mean = model._apply_phi(near, model.phi_spot, module.Operation.MEAN)
    return {
        "one": model([spots[:, None], near[:, :1]]),  # the largest of one, as published
        "mean": model._apply_rho(torch.cat((own, mean), 1)),
    }


def graph():
    with code_of("Hist2ST"):
        block = importlib.import_module("gcn").gs_block(6, 6)
    filled(block, "graph")
    places = lattice().float()
    beside = (torch.cdist(places, places) < 1.1).float()  # and itself, which they take out
    return {
        "mean": block.aggregate(drawn("graph.x", N, 6), beside),
        "layer": block(drawn("graph.x", N, 6), beside),
    }


def triplex():
    absent = types.ModuleType("flash_attn")  # not taken on a CPU
    absent.flash_attn_qkvpacked_func = absent.flash_attn_func = None
    sys.modules["flash_attn"] = absent
    with code_of("TRIPLEX", "src"):
        sys.modules["model"] = types.ModuleType("model")
        sys.modules["model"].__path__ = [str(FOLDER / "TRIPLEX/src/model")]
        module = importlib.import_module("model.TRIPLEX.module")
        theirs = importlib.import_module("model.TRIPLEX.TRIPLEX").TRIPLEX
    encoder = module.TransformerEncoder(16, 2, 4, 32, attn_bias=True, resolution=(3, 3))
    filled(encoder, "triplex")
    for attention, _ in encoder.layers:
        attention.fn.attention_biases.data.zero_()  # of a grid, which ours has none of
    encoder.eval()
    there = drawn("triplex.there", N, 9) > 0
    there[:, 0] = True
    preds = drawn("triplex.preds", 4, N, 5).requires_grad_()
    loss = theirs.calculate_loss(types.SimpleNamespace(alpha=0.3), preds, drawn("triplex.y", N, 5))
    loss.backward()
    return {
        "near": encoder(drawn("triplex.x", N, 9, 16), there[:, None, None]),
        "loss": loss,
        "gradient": preds.grad[1:],
    }


def main():
    found = {}
    for name in CASES:
        made = globals()[name]()
        made = made if isinstance(made, dict) else {"score": made}
        found |= {f"{name}.{key}": value.detach().numpy() for key, value in made.items()}
    for name in sorted(path.name for path in FOLDER.iterdir()):
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607
            cwd=FOLDER / name,
            capture_output=True,
            text=True,
        )
        found[f"commit.{name}"] = head.stdout.strip()
    np.savez_compressed(OUTPUT, **found)


if __name__ == "__main__":
    main()
