"""From an entry of the config to an encoder that computes."""

from spotrank.base.store import InputError
from spotrank.encoders.gpu import free_device
from spotrank.encoders.weightless import ENCODERS, Encoder
from spotrank.encoders.weights import identity


def load(spec, size, threads=1):
    """The encoder that a spec asks for.

    spec: name of a row of `ENCODERS`, or what `resolve` gives; size: side of a patch in px where
    the encoder has none; threads: to compute with on a CPU. Raises `InputError` for a model that
    is not there or weights that don't fit it.
    """
    return ENCODERS[spec](size, threads) if isinstance(spec, str) else _with_network(spec, threads)


def network(model="", weights="random", pooling="", **row):
    """A module that gives vectors `(n, d)`, and timm's data config, for any entry of a config.

    model, weights, pooling: of a timm model; `network(**spec)` takes what `resolve` gives. The
    config tells `mean`, `std`, `interpolation`, `input_size` (3, px, px) of what the module takes.
    Raises `InputError` as `load` does.
    """
    import timm

    from spotrank.encoders import networks

    module = networks.build({"model": model, "weights": weights, "pooling": pooling, **row})
    if "mean" in row:
        config = {key: tuple(row[key]) for key in ("mean", "std")}
        px = row.get("crop", row["size"])
        config |= {"interpolation": row["interpolation"], "input_size": (3, px, px)}
    else:
        config = timm.data.resolve_model_data_config(getattr(module, "trunk", module))
    return module, config


def input_size(spec):
    """Side in px of the patches that a spec's network takes."""
    import timm

    if "size" in spec:
        return spec.get("crop", spec["size"])
    return timm.get_pretrained_cfg(spec["model"]).input_size[1]


def _with_network(spec, threads):
    """An encoder by a network, on the GPU where there is one, in the spec's precision."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)  # for weights: random
    module, config = network(**spec)
    device = free_device()
    dtype = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[
        spec["precision"]
    ]
    module = module.to(device)
    px = config["input_size"][1]
    size = spec.get("size", px)
    margin = (size - px) // 2
    mean, std = (255 * torch.tensor(config[key], device=device) for key in ("mean", "std"))

    @torch.inference_mode()
    def embed(patches):
        rgb = torch.as_tensor(patches).to(device, non_blocking=True)
        rgb = rgb[:, margin : margin + px, margin : margin + px]
        images = ((rgb - mean) / std).permute(0, 3, 1, 2)
        with torch.autocast(device.partition(":")[0], dtype, dtype != torch.float32):
            vectors = module(images)
        if vectors.ndim != 2:
            raise InputError(
                f"config: encoders: '{spec['model']}' with pooling '{spec['pooling']}' gives no "
                f"vector a patch but {tuple(vectors.shape[1:])}; choose another pooling."
            )
        return vectors.float()

    about = identity(spec) | {
        "transform": f"(rgb/255 - {config['mean']}) / {config['std']}",
        "pooled_by": spec["pooling"] or str(getattr(module, "global_pool", "")),
        "device": device,
    }
    return Encoder(embed, size, about, config["interpolation"])
