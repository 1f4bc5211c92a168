"""Networks of encoders: from an encoder's row or a config's entry to a torch module with weights.

A loader is a function and a row of `LOADERS`. It takes a `spec` (see `registry.resolve`) and
returns a module that maps images `(n, 3, px, px)` to vectors `(n, dimension)`. Nothing is
unpickled; a repository's own code runs only where the config says `remote_code`.
"""

import importlib.util
import json
import sys
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from zipfile import is_zipfile

import numpy as np
import timm
import torch
from torch import nn
from torch.nn.functional import interpolate
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.serialization import safe_globals
from torch.utils import serialization

from spotrank.base.store import InputError, in_a_line
from spotrank.base.words import nearest
from spotrank.encoders.modules import (
    MODULES,
    QUERIES,
    ChannelByChannel,
    Output,
    TokenAndMean,
    Tokens,
)

# a float of numpy, such as a schedule's learning rate, which open_clip keeps beside the tensors
_SCALAR = np.float64().__reduce__()[0]
FLOAT = [_SCALAR, (_SCALAR, "numpy.core.multiarray.scalar"), np.dtype, np.dtypes.Float64DType]


def build(spec):
    """The module of a spec (see `registry.resolve`), ready for inference.

    `InputError` for an unknown model, weights that don't fit, or a package that is not here.
    """
    check(spec)
    return LOADERS[spec.get("loader", "timm")](spec).eval()


def check(spec):
    """Raise `InputError` where a spec needs a package or a switch that is not there."""
    if spec.get("loader") == "remote" and not spec.get("remote_code"):
        raise InputError(
            f"config: encoders: '{spec['encoder']}' needs code from its repository {spec['repo']}; "
            f"read it, and if you trust it give {{encoder: {spec['encoder']}, remote_code: true}}."
        )
    if spec.get("loader") == "musk" and importlib.util.find_spec("musk") is None:
        raise InputError(
            "config: encoders: the package 'musk' is not here; install it with `pip install "
            "fairscale git+https://github.com/lilab-stanford/MUSK`, or leave the encoder out."
        )


def _timm(spec):
    model, pooling = spec["model"], spec["pooling"]
    if not timm.is_model(model.partition(".")[0]):
        raise InputError(
            f"config: encoders: timm has no model '{model}'{nearest(model, timm.list_models())}; "
            "timm.list_models() names all."
        )
    arguments = {"num_classes": 0} | spec.get("arguments", {})
    arguments = {key: MODULES.get(value, value) for key, value in arguments.items()}
    if pooling and pooling not in ("token+avg", *QUERIES):
        arguments["global_pool"] = pooling
    # others are small, and one of them, ctranspath, failed when it was built so
    blank = spec["weights"] != "random" and model.startswith("vit_")
    with _without_values() if blank else nullcontext():
        trunk = module = timm.create_model(model, **arguments)
        if pooling in QUERIES:
            module = QUERIES[pooling](trunk, spec["dimension"])
    if pooling == "token+avg":
        if getattr(trunk, "num_prefix_tokens", 0) < 1:
            raise InputError(
                f"config: encoders: '{model}' has no class token to pool by; choose another "
                "pooling than 'token+avg'."
            )
        module = TokenAndMean(trunk)
    if spec["weights"] != "random":
        _load(module if pooling in QUERIES else trunk, trunk, spec)
    if "stage" in spec:
        trunk.prune_intermediate_layers([spec["stage"]])
        trunk.reset_classifier(0, pooling)
    return ChannelByChannel(module) if spec.get("channels") == "each" else module


@contextmanager
def _without_values():
    """Parameters of modules built within are on the meta device, for a file to give them.

    A start by random numbers that are thrown away takes longer than to read the file. Buffers, of
    which not all are in files, are made as ever.
    """

    def on_meta(_module, _name, own):
        return own if own.is_meta else nn.Parameter(own.to("meta"), own.requires_grad)

    hook = register_module_parameter_registration_hook(on_meta)
    try:
        yield
    finally:
        hook.remove()


def _load(module, trunk, spec):
    """Load a file of tensors into `module`, `trunk`'s through timm's converter for its family.

    A classifier, and what the spec's `drop` names, is left out; all else must fit.
    """
    path, adapter = weights_file(spec), weights_file(spec, "adapter")
    state = _below(spec.get("prefix", ""), read_tensors(path))
    classifier = () if trunk.num_classes else trunk.pretrained_cfg.get("classifier") or ()
    classifier = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    left_out = (*classifier, *spec.get("drop", ()))
    state = {key: x for key, x in state.items() if not key.startswith(left_out)}
    convert = getattr(sys.modules[type(trunk).__module__], "checkpoint_filter_fn", None)
    periods = state.get("rope_embed.periods")
    if spec.get("positions") == "dino":
        state["trunk.pos_embed"] = _dino_positions(state["trunk.pos_embed"], trunk)
    try:
        if adapter:
            state |= _adapted(state, adapter, spec["alpha"])
        if spec["pooling"] == "coca_query":
            state = _as_conch(state)
        if convert and module is trunk:
            state = convert(state, trunk)
        elif convert:
            converted = convert(_below("trunk.", state), trunk)
            state = {key: x for key, x in state.items() if not key.startswith("trunk.")}
            state |= {f"trunk.{key}": x for key, x in converted.items()}
        own = module.state_dict()
        state = {
            key: x.to(own[key].dtype).contiguous() if key in own else x for key, x in state.items()
        }
        module.load_state_dict(state, assign=True)
        if periods is not None:  # of DINOv3's rotary embedding, which timm would compute anew
            trunk.rope.periods.copy_(periods)
    except (RuntimeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{path}: doesn't fit the timm model '{spec['model']}': {in_a_line(error)}."
        ) from None


def _dino_positions(positions, trunk):
    """Position embeddings `(1, 1 + n, d)` for the trunk's grid, by DINO's way of resizing them.

    It adds 0.1 to the grid before it takes the ratio, which timm's way does not.
    """
    grid, side = trunk.patch_embed.grid_size[0], round((positions.shape[1] - 1) ** 0.5)
    if grid == side:
        return positions
    plane = positions[:, 1:].unflatten(1, (side, side)).permute(0, 3, 1, 2)
    ratio = (grid + 0.1) / side
    plane = interpolate(plane, scale_factor=(ratio, ratio), mode="bicubic")
    return torch.cat([positions[:, :1], plane.permute(0, 2, 3, 1).flatten(1, 2)], 1)


def _adapted(state, path, alpha):
    """Tensors of `state` that an adapter changes: W + alpha/r BA (Hu et al., arXiv 2106.09685).

    path: a file of a model of peft's. `InputError` if it holds no adapter.
    """
    adapter = _below("encoder.base_model.model.", read_tensors(path))
    down, up = ".lora_A.default.weight", ".lora_B.default.weight"
    layers = [key.removesuffix(down) for key in adapter if key.endswith(down)]
    if not layers:
        raise InputError(f"{path}: holds no low-rank adapter; get it again.")
    changed = {}
    for layer in layers:
        a, b, weight = adapter[layer + down], adapter[layer + up], f"{layer}.weight"
        changed[weight] = state[weight] + alpha / len(a) * b @ a
    return changed


def _as_conch(state):
    """Tensors of an image tower of open_clip's CoCa by the names of CONCH's; its first query."""
    names = {"attn_pool": "attn_pool_contrast", "ln_post": "ln_contrast"}
    renamed = {}
    for key, x in state.items():
        first, _, rest = key.partition(".")
        renamed[f"{names[first]}.{rest}" if first in names else f"trunk.visual.{key}"] = x
    renamed["proj.weight"] = renamed.pop("trunk.visual.proj").T
    renamed["attn_pool_contrast.query"] = renamed["attn_pool_contrast.query"][:1]
    return renamed


def _below(prefix, state):
    return {key.removeprefix(prefix): x for key, x in state.items() if key.startswith(prefix)}


def read_tensors(path):
    """Tensors of a safetensors or torch file, without unpickling; `InputError` if it has others."""
    if not path.is_file():
        raise InputError(f"config: encoders: the weights {path} are no file; mend it.")
    try:  # files are mapped, but for those of before torch saved zip files
        with serialization.config.patch("load.mmap", is_zipfile(path)), safe_globals(FLOAT):
            return timm.models.load_state_dict(str(path), use_ema=False, weights_only=True)
    except Exception as error:  # whatever the libraries make of a file that is damaged
        what = "not readable as weights; get the file again"
        if "weights_only" in str(error):
            what = "holds more than tensors and is not unpickled; convert it to safetensors"
        raise InputError(f"{path}: {what}.") from None


def weights_file(spec, which="weights"):
    """Path of a spec's weights, a file or what a manifest `weights.json` names, or of its adapter.

    None for an adapter where there is none: a file by itself is whole.
    """
    path = Path(spec["weights"])
    if path.name != "weights.json":
        return path if which == "weights" else None
    named = json.loads(path.read_text()).get(which)
    return named and path.parent / named


def _transformers(spec):
    import transformers
    from transformers import AutoConfig, AutoModel

    if spec.get("remote_code"):
        return _remote(spec)
    family = getattr(transformers, spec["model"] or "AutoModel")
    if spec["weights"] == "random":
        config = AutoConfig.for_model(**spec["arguments"])
        model = family(config) if spec["model"] else AutoModel.from_config(config)
        return _pooled(model, spec)
    path = weights_file(spec)
    folder = path if path.is_dir() else path.parent
    if path.is_file():
        read_tensors(path)  # for its sentence, should it hold more
    # what the repository says of its architecture counts, within a class that transformers has
    theirs, file = {}, folder / "config.json"
    if file.is_file():
        theirs = json.loads(file.read_text(encoding="utf-8"))
        theirs = theirs.get("vision_config", theirs)
    theirs = {key: theirs[key] for key in theirs if key not in ("model_type", "auto_map")}
    try:
        model, told = family.from_pretrained(
            folder,
            config=AutoConfig.for_model(**spec["arguments"] | theirs),
            output_loading_info=True,
            local_files_only=True,
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"{folder}: can't be loaded by transformers: {in_a_line(error)}; get it again."
        ) from None
    lacking = [key for key in told["missing_keys"] if not key.startswith("pooler")]
    lacking += map(str, told["mismatched_keys"])
    if lacking:
        raise InputError(
            f"{folder}: the weights don't fit a {type(model).__name__}: {sorted(lacking)[0]} is "
            f"wrong or missing, and {len(lacking) - 1} more; get them again."
        )
    return _pooled(model, spec)


# of models whose image is no token
OUTPUTS = {"siglip_vision_model": "pooler_output", "clip_vision_model": "image_embeds"}


def _pooled(model, spec):
    only = OUTPUTS.get(model.config.model_type)
    pools = {"token": Tokens, "token+avg": lambda model: TokenAndMean(Tokens(model))}
    if only:
        pools = {only: partial(Output, name=only)}
    if spec["pooling"] not in pools:
        raise InputError(
            f"config: encoders: a {type(model).__name__} has no pooling '{spec['pooling']}'; "
            f"choose from {', '.join(pools)}."
        )
    return pools[spec["pooling"]](model)


def _remote(spec):
    """A model by its repository's own code, which transformers runs."""
    from transformers import AutoModel

    if spec["weights"] == "random":
        raise InputError(
            f"config: encoders: '{spec['encoder']}' can't be had with random weights, for its "
            "architecture is in its repository; leave 'weights' out."
        )
    folder = weights_file(spec).parent
    model = AutoModel.from_pretrained(folder, trust_remote_code=True, local_files_only=True)
    if "method" not in spec:
        return _pooled(model, spec)
    model.forward = getattr(model, spec["method"])
    return model


def _musk(spec):
    importlib.import_module("musk.modeling")  # makes its models known to timm
    model = timm.create_model(spec["model"])
    if spec["weights"] != "random":
        state = read_tensors(weights_file(spec))
        told = model.load_state_dict(state, strict=False)
        if told.missing_keys:
            raise InputError(f"{weights_file(spec)}: lacks {told.missing_keys[0]}; get it again.")
    forward = model.forward
    model.forward = lambda x: forward(
        image=x, with_head=False, out_norm=False, ms_aug=False, return_global=True
    )[0]
    return model


LOADERS = {
    "timm": _timm,
    "transformers": _transformers,
    "remote": _remote,
    "musk": _musk,
}
