"""Encoders of images and texts, and adapters, against parts that are not ours."""

import io
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from encoder_hub import PATCHES, fetched, served, shallow, standardised
from loopback import of_folder

from spotrank.base.store import InputError
from spotrank.encoders import loading, registry, weights

SMALL = {"hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 2}
SMALL |= {"num_attention_heads": 3, "projection_dim": 16}


@pytest.mark.parametrize(("name", "px"), [("plip", 224), ("medsiglip", 448)])
def test_the_image_half_of_a_model_of_images_and_texts(monkeypatch, tmp_path, name, px):
    """As its repository has it: both halves in one file, one config within the other."""
    import transformers

    torch.manual_seed(1)
    family = "CLIP" if name == "plip" else "Siglip"
    image = {**SMALL, "image_size": px, "patch_size": 32}
    config = getattr(transformers, f"{family}Config")(
        vision_config=image, text_config={**SMALL, "vocab_size": 9}, projection_dim=16
    )
    model = getattr(transformers, f"{family}Model")(config).eval()
    model.save_pretrained(tmp_path / "repository")
    files = of_folder(tmp_path / "repository")
    with served(monkeypatch, tmp_path, name, files, gated=name == "medsiglip") as server:
        spec = fetched(monkeypatch, server, name)
    patches = np.tile(PATCHES, (1, px // 224, px // 224, 1))
    with torch.inference_mode():
        wanted = model.get_image_features(standardised(spec, patches)).pooler_output
    torch.testing.assert_close(loading.load(spec, px).embed(patches), wanted)


def as_open_clip_has_it(tower):
    """`{name: tensor}` of transformers' CLIP tower of one layer by the names of open_clip's."""
    renamed = {
        "embeddings.class_embedding": "class_embedding",
        "embeddings.patch_embedding": "conv1",
        "embeddings.position_embedding.weight": "positional_embedding",
        "pre_layrnorm": "ln_pre",
        "post_layernorm": "ln_post",
        "encoder.layers": "transformer.resblocks",
        "layer_norm": "ln_",
        "self_attn": "attn",
        "mlp.fc1": "mlp.c_fc",
        "mlp.fc2": "mlp.c_proj",
    }
    state = {}
    for key, x in tower.state_dict().items():
        for theirs, open_clips in renamed.items():
            key = key.replace(theirs, open_clips)
        state[f"visual.{key}"] = x
    attention = "visual.transformer.resblocks.0.attn."
    for part in ("weight", "bias"):
        three = [state.pop(f"{attention}{x}_proj.{part}") for x in "qkv"]
        state[f"{attention}in_proj_{part}"] = torch.cat(three)
    return state


def tower_of_transformers(**about):
    """One layer of its CLIP's image tower, as open_clip has it: with the exact GELU."""
    from transformers import CLIPVisionConfig, CLIPVisionModel

    about |= {"intermediate_size": 4 * about["hidden_size"], "hidden_act": "gelu"}
    heads = about["hidden_size"] // 64
    return CLIPVisionModel(
        CLIPVisionConfig(num_hidden_layers=1, num_attention_heads=heads, **about)
    ).eval()


def quiltnet_b32():
    """A module of parts that are not ours, and its tensors by the names of open_clip's."""
    tower = tower_of_transformers(hidden_size=768, patch_size=32)
    project = torch.nn.Linear(768, 512, bias=False)
    state = as_open_clip_has_it(tower) | {"visual.proj": project.weight.T}
    return lambda images: project(tower(pixel_values=images).pooler_output), state


def biomedclip():
    tower = timm.create_model("vit_base_patch16_224", depth=1, num_classes=0).eval()
    project = torch.nn.Linear(768, 512, bias=False)
    state = {f"visual.trunk.{key}": x for key, x in tower.state_dict().items()}
    state["visual.head.proj.weight"] = project.weight
    return lambda images: project(tower(images)), state


def omiclip():
    tower = tower_of_transformers(hidden_size=1024, patch_size=14)
    parts = {
        "attn_pool.attn": torch.nn.MultiheadAttention(
            768, 8, kdim=1024, vdim=1024, batch_first=True
        ),
        "attn_pool.ln_q": torch.nn.LayerNorm(768),
        "attn_pool.ln_k": torch.nn.LayerNorm(1024),
        "ln_post": torch.nn.LayerNorm(768),
    }
    attention, of_query, of_tokens, last = parts.values()
    for norm in (of_query, of_tokens, last):
        torch.nn.init.normal_(norm.weight)
    queries, project = torch.randn(256, 768), torch.nn.Linear(768, 768, bias=False)

    def forward(images):
        tokens = of_tokens(tower(pixel_values=images).last_hidden_state)
        query = of_query(queries).expand(len(images), -1, -1)
        return project(last(attention(query, tokens, tokens)[0])[:, 0])

    state = {k: x for k, x in as_open_clip_has_it(tower).items() if "ln_post" not in k}
    state |= {"visual.attn_pool.query": queries, "visual.proj": project.weight.T}
    for part, module in parts.items():
        state |= {f"visual.{part}.{key}": x for key, x in module.state_dict().items()}
    return forward, state


@pytest.mark.parametrize("make", [quiltnet_b32, biomedclip, omiclip])
def test_open_clip_from_the_hub(monkeypatch, tmp_path, make):
    torch.manual_seed(2)
    name = make.__name__
    shallow(monkeypatch, name)
    row = registry.rows()[name]
    forward, state = make()
    state |= {"logit_scale": torch.ones(()), "text.positional_embedding": torch.ones(2, 3)}
    torch.save({"epoch": 1, "state_dict": state}, tmp_path / row["files"][0])
    with served(monkeypatch, tmp_path, name, of_folder(tmp_path), row.get("gated")) as server:
        spec = fetched(monkeypatch, server, name)
    with torch.inference_mode():
        wanted = forward(standardised(spec))
    found = loading.load(spec, 224).embed(PATCHES)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_a_tower_that_pools_by_itself_has_no_other_pooling():
    _, spec = registry.resolve({"encoder": "plip", "weights": "random", "pooling": "token"})
    with pytest.raises(InputError, match="no pooling 'token'; choose from image_embeds"):
        loading.network(**spec)


def test_an_adapter_is_added_to_the_weights_of_its_base(monkeypatch, tmp_path):
    for name in ("conch_v1", "seal_conch"):
        shallow(monkeypatch, name)
    _, spec = registry.resolve({"encoder": "conch_v1_224", "weights": "random"})
    spec["arguments"] = spec["arguments"] | {"depth": 1}
    module, _ = loading.network(**spec)
    base = {f"visual.{key}": x for key, x in module.state_dict().items()}
    layers, sides, state = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"), {}, {}
    for layer in layers:
        up, down = module.trunk.get_submodule(f"blocks.0.{layer}").weight.shape
        sides[layer] = torch.randn(8, down), torch.randn(up, 8)
        for side, x in zip("AB", sides[layer], strict=True):
            key = f"trunk.blocks.0.{layer}.lora_{side}.default.weight"
            state[f"module.encoder.base_model.model.{key}"] = x
    state["module.decoder.decoder.0.weight"] = torch.zeros(2)
    files = {}
    for name, tensors in {"conch_v1": base, "seal_conch": {"state_dict": state}}.items():
        row, content = registry.rows()[name], io.BytesIO()
        torch.save(tensors, content)
        file = row.get("files", weights.FILES)[-1]
        files[row["kind"], row["repo"]] = {file: content.getvalue()}
    with served(monkeypatch, tmp_path, "seal_conch", {}) as server:
        server.repositories.update(files)
        spec = fetched(monkeypatch, server, "seal_conch")
    loaded, _ = loading.network(**spec)
    for key, x in loaded.state_dict().items():
        layer = key.removeprefix("trunk.blocks.0.").removesuffix(".weight")
        wanted = module.state_dict()[key]
        if layer in layers:
            wanted = wanted + sides[layer][1] @ sides[layer][0]
        torch.testing.assert_close(x, wanted)
    torch.save({}, Path(spec["weights"]).with_name("seal_conch_vision.pth"))
    with pytest.raises(InputError, match=r"seal_conch_vision.pth: holds no low-rank adapter"):
        loading.network(**spec)
