"""Encoders: patches in, one vector a patch out.

An encoder is `Encoder(embed, size, about)`: `embed` takes uint8 patches `(n, size, size, 3)` and
returns float32 `(n, dimension)`; `about` says what made the vectors, for the file's attributes.
An encoder without weights is a function and a row of `ENCODERS`; all others are timm models.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from spotrank.config import nearest
from spotrank.store import InputError

# optical densities of haematoxylin, eosin and residual in R, G, B (Ruifrok & Johnston 2001)
STAINS = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78))


@dataclass
class Encoder:
    embed: Callable
    size: int
    about: dict = field(default_factory=dict)


def stain_statistics(size):
    """Stain and texture statistics, 39 numbers a patch; no weights, the floor for all others.

    Of each stain (haematoxylin, eosin, residual; optical density unmixed after Ruifrok & Johnston
    2001): mean, standard deviation, 10, 50 and 90 % quantiles, standard deviation after averaging
    over 4, 8, 16 and 32 px, and mean absolute gradient. Mean and standard deviation of red, green
    and blue. Shares of tissue (mean colour below 0.9), dense haematoxylin and dense eosin.
    """
    import torch
    from torch.nn.functional import avg_pool2d, normalize

    unmix = torch.linalg.inv(normalize(torch.tensor(STAINS), dim=1))
    density = -np.log(np.maximum(np.arange(256), 1) / 255).astype(np.float32)
    dense = torch.tensor([1.0, 0.2])

    def halve(x):
        return avg_pool2d(x, 2)

    def embed(patches):
        optical, colour = (
            halve(torch.from_numpy(table[patches]).permute(0, 3, 1, 2))
            for table in (density, np.arange(256, dtype=np.float32) / 255)
        )
        # unmixing is linear, so it may come after averaging
        by_px = [torch.einsum("nchw,cs->nshw", optical, unmix)]
        while len(by_px) < 5:
            by_px.append(halve(by_px[-1]))
        stains, flat, colours = by_px[0], by_px[0].flatten(2), colour.flatten(2)
        ordered = by_px[1].flatten(2).sort(2).values
        at = [round(q * (ordered.shape[2] - 1)) for q in (0.1, 0.5, 0.9)]
        gradients = [stains.diff(dim=dim).abs().mean((2, 3)) for dim in (2, 3)]
        features = [
            flat.mean(2),
            flat.std(2),
            ordered[:, :, at].flatten(1),
            *(stain.flatten(2).std(2) for stain in by_px[1:]),
            sum(gradients) / 2,
            colours.mean(2),
            colours.std(2),
            (colours.mean(1) < 0.9).float().mean(1, keepdim=True),
            (flat[:, :2] > dense[:, None]).float().mean(2),
        ]
        return torch.cat(features, 1).numpy()

    return Encoder(embed, size, {"transform": "optical density, stains after Ruifrok & Johnston"})


ENCODERS = {"stain_statistics": stain_statistics}


def load(spec, size):
    """The encoder that a config's entry asks for.

    spec: name of a row of `ENCODERS`, or `{model, weights, precision, pooling}` of a timm model,
    weights being a local file or 'random'; size: side of a patch in px where the encoder has none.
    Raises `InputError` for a model that timm lacks or weights that don't fit it.
    """
    return ENCODERS[spec](size) if isinstance(spec, str) else timm_model(**spec)


def network(model, weights, pooling=""):
    """A timm model without its classifier, as `(torch module, timm's data config)`.

    The config tells `mean`, `std` and `input_size`. Raises `InputError` as `load` does.
    """
    import timm
    import torch

    if not timm.is_model(model.partition(".")[0]):
        raise InputError(
            f"config: encoders: timm has no model '{model}'{nearest(model, timm.list_models())}; "
            "timm.list_models() names all."
        )
    torch.manual_seed(0)  # for weights: random
    options = {"global_pool": pooling} if pooling else {}
    module = timm.create_model(model, num_classes=0, **options)
    if weights != "random":
        _load_weights(module, model, Path(weights))
    return module, timm.data.resolve_model_data_config(module)


def timm_model(model, weights, precision="fp32", pooling="", **_):
    """A timm model's vectors, on the GPU where there is one."""
    import torch

    module, config = network(model, weights, pooling)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]
    module = module.eval().to(device, dtype)
    mean, std = (torch.tensor(config[key], device=device) for key in ("mean", "std"))

    @torch.inference_mode()
    def embed(patches):
        rgb = torch.as_tensor(patches).to(device) / 255
        vectors = module(((rgb - mean) / std).permute(0, 3, 1, 2).to(dtype))
        if vectors.ndim != 2:
            raise InputError(
                f"config: encoders: '{model}' with pooling '{pooling}' gives no vector a patch "
                f"but {tuple(vectors.shape[1:])}; choose another pooling."
            )
        return vectors.float().cpu().numpy()

    return Encoder(
        embed,
        config["input_size"][1],
        {
            "weights_sha256": "random" if weights == "random" else sha256(weights),
            "transform": f"(rgb/255 - {config['mean']}) / {config['std']}",
            "pooled_by": str(getattr(module, "global_pool", pooling)),
            "device": device,
        },
    )


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _load_weights(network, model, path):
    """Load safetensors, or a torch file without unpickling; a classifier in it is ignored."""
    from timm.models import load_state_dict

    if not path.is_file():
        raise InputError(f"config: encoders: the weights {path} of '{model}' are no file; mend it.")
    try:
        state = load_state_dict(str(path), use_ema=False, weights_only=True)
    except Exception as error:  # whatever the libraries make of a file that is damaged
        what = "not readable as weights; get the file again"
        if "weights_only" in str(error):
            what = "holds more than tensors and is not unpickled; convert it to safetensors"
        raise InputError(f"{path}: {what}.") from None
    classifier = network.pretrained_cfg.get("classifier") or ()
    classifier = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    state = {key: x for key, x in state.items() if not key.startswith(classifier)}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: doesn't fit the timm model '{model}': {reason}.") from None
