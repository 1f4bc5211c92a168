"""What each stage makes of fixed input, as arrays: the golden vectors of `test_numbers`."""

import json
from dataclasses import replace
from functools import partial

import anndata
import h5py
import numpy as np
import pandas as pd
from scipy import sparse
from test_fit import TRAINING, spots
from torch.nn.functional import interpolate

from spotrank.cohorts import simulate, slide_files
from spotrank.encoders import embed, loading, registry, stored
from spotrank.fitting import fit, predict, synthetic
from spotrank.fitting.auxiliary import STRATEGIES
from spotrank.fitting.batches import BATCHES
from spotrank.fitting.heads import HEADS
from spotrank.fitting.losses import LOSSES
from spotrank.genes import panel
from spotrank.genes.selections import SELECTIONS
from spotrank.scoring import ceiling, score
from spotrank.spots import expression, pair
from spotrank.spots.split import SHARES, parts

PX = 0.5  # µm a pixel of the slide below
GEOMETRY = {"size": 128, "um_per_px": 0.4, "source": "wsis"}


def simulate_(folder):
    """A slide of a simulated cohort."""
    paths = [folder / name for name in ("st/a.h5ad", "wsis/a.tif", "metadata/a.json")]
    simulate.write_sample(*paths, "SIM2", patients=2, spots=40, genes=20, seed=0)
    adata = anndata.read_h5ad(paths[0])
    thumbnail, extent = slide_files.overview(paths[1], 64)
    return {
        "counts": adata.X.toarray(),
        "noise_free": np.asarray(adata.layers["noise_free"]),
        "places": adata.obsm["spatial"],
        "slide": thumbnail.mean(2),
        "extent": extent,
    }


def sample(folder):
    """Paths of a sample's counts, pixel size and slide, made here and not by `simulate`."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.lognormal(0, 1, 12), (50, 12)).astype("f4")
    names = [*(f"G{i}" for i in range(10)), "MT-ND1", "BLANK_1"]
    adata = anndata.AnnData(sparse.csr_matrix(counts), var=pd.DataFrame(index=names))
    adata.obsm["spatial"] = rng.uniform(60, 740, (50, 2))
    adata.write_h5ad(folder / "a.h5ad")
    (folder / "a.json").write_text(json.dumps({"pixel_size_um_estimated": PX}))
    coarse = rng.integers(60, 255, (1, 3, 50, 50)).astype("f4")
    smooth = interpolate(_tensor(coarse), size=(800, 800), mode="bilinear")[0]
    simulate.write_pyramid(folder / "a.tif", smooth.byte().permute(1, 2, 0).numpy(), PX)
    return folder / "a.h5ad", folder / "a.json", folder / "a.tif"


def pair_(folder):
    st, metadata, wsi = sample(folder)
    qc = {"min_genes": 5, "min_spots": 5, "max_mito": 0.2}
    found = pair.pair(st, metadata, qc, GEOMETRY, wsi)
    known = found.uns["quality"]
    return {
        "counts": found.X.toarray(),
        **{f"obs {key}": found.obs[key].to_numpy() for key in found.obs},
        **{f"var {key}": found.var[key].to_numpy() for key in found.var},
        **{f"obsm {key}": found.obsm[key] for key in found.obsm},
        "qc": known["measured"] - np.cumsum([0, *(known[key] for key in known if "lost" in key)]),
        "kept": found.obs_names.astype(int),
    }


def embed_(folder):
    """By statistics and by a network, of patches of a slide between its pixels."""
    st, metadata, wsi = sample(folder)
    found = {}
    tiny = {"model": "test_vit", "weights": "random", "pooling": "token", "precision": "fp32"}
    for name, spec in (("stain_statistics", "stain_statistics"), ("network", tiny)):
        spec = spec if isinstance(spec, str) else registry.resolve(spec)[1]
        encoder = loading.load(spec, GEOMETRY["size"])
        patches, barcodes, places = embed.patches_of(
            encoder.size, encoder.interpolation, GEOMETRY, st, metadata, wsi
        )
        embed.embed(encoder, patches, barcodes, places, folder / name, {}, 16, 1)
        found[name] = stored.read(folder / name)[1]
        found[f"{name}: patches"] = np.stack([patches[i] for i in (0, 1)])[:, ::8, ::8]
    return found


def panel_(folder):
    st, metadata, _ = sample(folder)
    qc = {"min_genes": 1, "min_spots": 5, "max_mito": 1.1}
    found = {"a": pair.pair(st, metadata, qc, GEOMETRY)}
    all_genes = {"a": set(found["a"].var_names)}
    fold = {"train": ["a"], "validation": [], "test": []}
    scores = {}
    for name in SELECTIONS:
        for samples in ("all", "train"):
            within = {"by": "end", "share": 0.3} if samples == "train" else {}
            looked_at = panel.looked_at(found, fold | {"within": within}, samples, 50, 5)
            chosen = panel.choose(looked_at, name, "all", all_genes).sort_values("gene")
            scores[f"{name}, {samples}"] = chosen["score"].to_numpy()
    return scores


def fit_(folder):
    """A few epochs of every loss, head, strategy, order of batches and monitor; shares of spots."""
    train, validation, test = (spots(seed, genes=6, d=5) for seed in range(3))
    short = TRAINING | {"max_epochs": 3}
    every, one = {name: (name, {}) for name in LOSSES}, {"mse": ("mse", {})}
    small = {
        "histogene": {"width": 8, "layers": 1, "heads": 2},
        "mlp": {"width": 8},
        "retrieval": {"width": 8, "k": 5},
        "graph": {"width": 8},
        "flow": {"width": 8},
        "forest": {"trees": 5},
        "boosting": {"trees": 10},
        "floor": {"floors": ["stain", "place", "depth"]},  # five columns, as the embeddings have
    }
    cases = {
        "losses": (every, "linear", short, "library", "none"),
        "panel": (every, "linear", short, "panel", "none"),
        "unscaled": (one, "linear", short | {"standardise": False}, "none", "none"),
        "spearman": (one, "linear", short | {"monitor": "spearman"}, "library", "none"),
        **{f"head {head}": (one, head, short, "library", "none") for head in HEADS},
        **{
            f"batches {batches}": (one, "linear", short | {"batches": batches}, "library", "none")
            for batches in BATCHES
        },
        **{f"genes {name}": (one, "low_rank", short, "library", name) for name in STRATEGIES},
    }
    del cases["head finetune"]
    cases["head floor"] = (one, "floor", short, "library", "none")
    found = _finetuned()
    for case, (losses, head, training, scaling, strategy) in cases.items():
        head, n_panel = (head, small.get(head, {})), 4
        runs, parameters, history = fit.fit(
            train, validation, losses, [0], head, training, scaling, (strategy, {}), n_panel
        )
        scores = [own[:3] for _, _, own in predict.predict(parameters, head, test, n_panel)]
        found[f"{case}: scores"] = np.stack(scores)
        found[f"{case}: validation"] = history["monitored"].to_numpy(float)
        target = expression.target(train.counts[:, :n_panel], train.library)
        line = predict.calibrate(
            predict.predict(parameters, head, train, n_panel), target, len(runs)
        )
        found[f"{case}: line"] = np.stack(line)
    for by, options in (
        ("end", {"share": 0.2}),
        *((by, {"folds": 4, "fold": 1, "seed": 0}) for by in SHARES if by != "end"),
    ):
        fold = {"train": ["a"], "validation": [], "test": [], "within": {"by": by, **options}}
        shared = parts(fold, "a", train.place, 0.05)
        found[f"share {by}"] = np.unique(shared, return_inverse=True)[1]
    return found


def final_(folder):
    """Trained and solved heads, with nothing held out."""
    train, test = (spots(seed, genes=6, d=5) for seed in range(2))
    found = {}
    for head, lengths in (("low_rank", ({"mse": 3, "pearson": 2}, None)), ("ridge", ({}, [0.01]))):
        losses = {name: (name, {}) for name in lengths[0]}
        runs, parameters, _ = fit.fit(
            train, None, losses, [0], (head, {}), TRAINING, "library", lengths=lengths
        )
        scores = [own[:3] for _, _, own in predict.predict(parameters, (head, {}), test)]
        found |= {f"{head}: scores": np.stack(scores), f"{head}: epochs": runs["epochs"].to_numpy()}
    return found


def _finetuned():
    """A network of timm trained end to end on patches."""
    rng = np.random.default_rng(0)
    parts = [spots(seed, n=16, d=5) for seed in range(3)]
    parts = [replace(own, x=rng.integers(0, 256, (16, 64, 64, 3), "u1")) for own in parts]
    network = partial(loading.network, model="test_resnet", weights="random")
    head, training = (
        ("finetune", {"network": network}),
        TRAINING | {"max_epochs": 2, "batch_size": 8},
    )
    one = {"mse": ("mse", {})}
    _, parameters, _ = fit.fit(parts[0], parts[1], one, [0], head, training, "library")
    return {"finetune": next(predict.predict(parameters, head, parts[2]))[2]}


def ceiling_(folder):
    """Of sparse and dense genes, scaled and not."""
    rng = np.random.default_rng(0)
    library = rng.lognormal(7, 0.7, 80).round()
    mean = np.geomspace(0.05, 50, 6) * rng.lognormal(0, [0, 0.1, 0.3, 0.5, 1, 2], (80, 6))
    counts = sparse.csr_matrix(rng.poisson(mean * library[:, None] / library.mean()))
    found = {}
    for scaling in ("library", "none"):
        table = ceiling.ceilings(counts, expression.total(counts, library, scaling))
        table["flagged"] = table["ceiling_flag"] != ""
        found |= {
            f"{scaling}: {key}": table[key].to_numpy(float)
            for key in table
            if key != "ceiling_flag"
        }
    return found


def score_(folder):
    rng = np.random.default_rng(0)
    genes, made = ["g", "h", "i"], {}
    for name, n in (("A", 30), ("B", 20)):
        counts = sparse.csr_matrix(rng.poisson([0.5, 4, 20], (n, 3)).astype("f4"))
        obs = pd.DataFrame(
            {"library": rng.poisson(80.0, n) + 1.0}, [f"{name}{i}" for i in range(n)]
        )
        made[name] = anndata.AnnData(counts, obs, pd.DataFrame(index=genes))
        made[name].layers["noise_free"] = rng.uniform(size=(n, 3))
    with h5py.File(folder / "predictions.h5", "w") as file:
        file["predictions"] = rng.normal(size=(2, 50, 3)).astype("f4").round(1)  # with ties
        file["gene"], file["loss"], file["seed"] = genes, ["mse", "pearson"], [0, 0]
        file["sample"] = ["A"] * 30 + ["B"] * 20
        file["barcode"] = [name for adata in made.values() for name in adata.obs_names]
        file["slope"], file["intercept"] = rng.uniform(size=(2, 2, 3))
        file["n_auxiliary"], file["train_pearson"] = [0, 0], rng.uniform(size=(2, 3))
    for adata in made.values():
        adata.obsm["spatial"] = rng.uniform(size=(adata.n_obs, 2))
    found = {}
    for scaling in ("library", "panel", "none"):
        table = pd.concat(score.score(folder / "predictions.h5", made, scaling))
        numbers = table.select_dtypes("number")
        found |= {f"{scaling}: {key}": numbers[key].to_numpy(float) for key in numbers}
    return found


def synthetic_(folder):
    found = {}
    for sampling, select_on in (("uniform", "noisy"), ("imbalanced", "noise_free")):
        scores, curves = synthetic.fit(
            [(name, {}) for name in LOSSES], [0], 8, 1, 2, 10, sampling, spots=300,
            select_on=select_on,
        )  # fmt: skip
        found[f"{sampling}: spearman"] = scores["spearman"].to_numpy()
        found[f"{sampling}: curves"] = curves["score"].to_numpy()[::50]
    return found


def _tensor(array):
    import torch

    return torch.as_tensor(array)


STAGES = {
    "simulate": simulate_,
    "pair": pair_,
    "embed": embed_,
    "panel": panel_,
    "fit": fit_,
    "final": final_,
    "ceiling": ceiling_,
    "score": score_,
    "synthetic": synthetic_,
}
