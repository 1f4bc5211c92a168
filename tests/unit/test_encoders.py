"""Rows of the registry, built without weights, and loaders, from a hub on loopback."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT
from encoder_hub import PATCHES, fetched, served, shallow, standardised
from loopback import COMMIT, of_folder
from safetensors.torch import load_file, save, save_file
from torch.utils.flop_counter import FlopCounterMode

from spotrank.base.store import InputError
from spotrank.encoders import loading, networks, registry

ROWS = registry.rows()
# their architecture is in a package, or in code of their repository, that is not ours to bring
REMOTE_ROWS = [name for name, row in ROWS.items() if row.get("loader") == "remote"]
ELSEWHERE = {name: f"encoder: {name}, remote_code: true" for name in REMOTE_ROWS}
ELSEWHERE["musk"] = "pip install fairscale git"
NEEDED = {
    *("encoder", "repo", "kind", "revision", "size", "um_per_px", "mean", "std", "interpolation"),
    *("precision", "pooling", "dimension", "gflops", "licence", "citation"),
}


@pytest.mark.parametrize("name", ROWS)
def test_row(name):
    _, spec = registry.resolve({"encoder": name, "weights": "random"})
    assert set(spec) >= NEEDED
    if name in ELSEWHERE:
        with pytest.raises(InputError, match=ELSEWHERE[name]):
            loading.network(**spec)
        return
    with torch.device("meta"):
        module, config = loading.network(**spec)
        px = config["input_size"][1]
        images = torch.empty(2, 3, px, px)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            vectors = module.eval()(images)
    assert counter.get_total_flops() / 2e9 == pytest.approx(spec["gflops"], rel=0.01)
    assert vectors.shape == (2, spec["dimension"])
    assert px == spec.get("crop", spec["size"])


REMOTE = """
import torch
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

class TinyConfig(PretrainedConfig):
    model_type = "tiny_of_the_tests"

class Tiny(PreTrainedModel):
    config_class = TinyConfig
    def __init__(self, config):
        super().__init__(config)
        self.linear = torch.nn.Linear(3, 5)
        self.post_init()
    def encode_image(self, x):
        return self.linear(x.mean((2, 3)))
    def forward(self, pixel_values):
        tokens = self.linear(pixel_values[:, :, :4].mean(3).transpose(1, 2))
        return BaseModelOutput(last_hidden_state=tokens)
"""


def tiny(kind, folder):
    """Save a small model of transformers as its repository would hold it; the model."""
    from transformers import AutoConfig, AutoModel

    size = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 224}
    torch.manual_seed(1)
    model = AutoModel.from_config(AutoConfig.for_model(kind, **size)).eval()
    model.save_pretrained(folder)
    return model


@pytest.mark.parametrize(
    ("name", "kind", "pooling"),
    [
        ("phikon", "vit", "token"),
        ("phikon_v2", "dinov2", "token+avg"),
        ("hibou_b", "dinov2_with_registers", "token+avg"),
    ],
)
def test_transformers_from_the_hub(monkeypatch, tmp_path, name, kind, pooling):
    model = tiny(kind, tmp_path / "repository")
    with served(monkeypatch, tmp_path, name, of_folder(tmp_path / "repository")) as server:
        spec = fetched(monkeypatch, server, name, pooling=pooling)
    encoder = loading.load(spec, 224)
    assert encoder.about["commit"] == COMMIT
    with torch.inference_mode():
        tokens = model(pixel_values=standardised(spec)).last_hidden_state
    wanted = [tokens[:, 0]]
    if pooling == "token+avg":  # a class token, four registers of hibou's
        wanted.append(tokens[:, 5 if name == "hibou_b" else 1 :].mean(1))
    torch.testing.assert_close(encoder.embed(PATCHES), torch.cat(wanted, 1))


def test_weights_that_lack_a_tensor(monkeypatch, tmp_path):
    tiny("vit", tmp_path / "repository")
    weights = tmp_path / "repository/model.safetensors"
    save_file({k: x for k, x in load_file(weights).items() if "layernorm" not in k}, weights)
    with served(monkeypatch, tmp_path, "phikon", of_folder(tmp_path / "repository")) as server:
        spec = fetched(monkeypatch, server, "phikon")
    with pytest.raises(InputError, match=r"don't fit a ViTModel: \S+ is wrong or missing"):
        loading.load(spec, 224)


@pytest.fixture
def remote(monkeypatch, tmp_path):
    """The one linear layer of a model that needs its repository's code, and the files of that."""
    torch.manual_seed(0)
    linear = torch.nn.Linear(3, 5)
    state = {"linear.weight": linear.weight.detach(), "linear.bias": linear.bias.detach()}
    config = {
        "model_type": "tiny_of_the_tests",
        "num_register_tokens": 1,
        "auto_map": {"AutoConfig": "modeling_tiny.TinyConfig", "AutoModel": "modeling_tiny.Tiny"},
    }
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    return linear, {
        "config.json": json.dumps(config).encode(),
        "modeling_tiny.py": REMOTE.encode(),
        "model.safetensors": save(state, {"format": "pt"}),
    }


def test_remote_code_needs_the_switch(monkeypatch, tmp_path, remote):
    linear, files = remote
    with served(monkeypatch, tmp_path, "keep", files) as server:
        spec = fetched(monkeypatch, server, "keep")
        with pytest.raises(InputError, match=r"'keep' needs code .* \{encoder: keep, remote_code"):
            loading.load(spec, 224)
        spec = fetched(monkeypatch, server, "keep", remote_code=True, precision="fp32")
    vectors = loading.load(spec, 224).embed(PATCHES)
    torch.testing.assert_close(vectors, linear(standardised(spec).mean((2, 3))).detach())


def test_tokens_of_remote_code(monkeypatch, tmp_path, remote):
    linear, files = remote
    options = {"remote_code": True, "pooling": "token+avg"}
    with served(monkeypatch, tmp_path, "rudolfv2_s", files, gated=True) as server:
        spec = fetched(monkeypatch, server, "rudolfv2_s", **options)
    tokens = linear(standardised(spec)[:, :, :4].mean(3).transpose(1, 2)).detach()
    wanted = torch.cat([tokens[:, 0], tokens[:, 2:].mean(1)], 1)  # one token is a register
    torch.testing.assert_close(loading.load(spec, 224).embed(PATCHES), wanted)


def test_conch_as_its_checkpoint_names_it(monkeypatch, tmp_path):
    shallow(monkeypatch, "conch_v1")
    _, spec = registry.resolve({"encoder": "conch_v1", "weights": "random"})
    module, _ = loading.network(**spec)
    state = {f"visual.{key}": x for key, x in module.state_dict().items()}
    state |= {"visual.proj_contrast": torch.zeros(1), "text.positions": torch.zeros(1)}
    torch.save(state, tmp_path / "pytorch_model.bin")
    with served(monkeypatch, tmp_path, "conch_v1", of_folder(tmp_path), gated=True) as server:
        spec = fetched(monkeypatch, server, "conch_v1")
    loaded, _ = loading.network(**spec)
    for key, x in loaded.state_dict().items():
        assert torch.equal(x, module.state_dict()[key]), key


def test_weights_of_the_hub_are_not_unpickled(monkeypatch, tmp_path):
    shallow(monkeypatch, "gpfm")
    torch.save({"model": pd.DataFrame()}, tmp_path / "GPFM.pth")
    with served(monkeypatch, tmp_path, "gpfm", of_folder(tmp_path)) as server:
        spec = fetched(monkeypatch, server, "gpfm")
    with pytest.raises(InputError, match="holds more than tensors and is not unpickled"):
        loading.load(spec, 224)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_of_a_training_is_mapped_where_torch_can(tmp_path, zipped):
    file, weight = tmp_path / "checkpoint.pt", torch.arange(3.0)
    rate = {"param_groups": [{"lr": 1e-3 * np.cos(np.float64(1))}]}
    whole = {"epoch": 3, "state_dict": {"module.w": weight}, "optimizer": rate}
    torch.save(whole, file, _use_new_zipfile_serialization=zipped)
    found = networks.read_tensors(file)
    assert (str(file) in Path("/proc/self/maps").read_text()) == zipped
    assert [*found] == ["w"] and torch.equal(found["w"], weight)


def test_a_repository_without_weights(monkeypatch, tmp_path):
    with (
        served(monkeypatch, tmp_path, "uni_v1", {"README.md": b""}) as server,
        pytest.raises(InputError, match=r"has no model.safetensors or pytorch_model.bin"),
    ):
        fetched(monkeypatch, server, "uni_v1")


@pytest.mark.parametrize(
    ("entry", "label"),
    [
        ("uni_v2", "uni_v2"),
        ({"encoder": "uni_v2", "precision": "fp32"}, "uni_v2-fp32"),
        ({"encoder": "virchow", "pooling": "token", "precision": "fp16"}, "virchow-token"),
        ({"encoder": "h0_mini", "pooling": "token+avg"}, "h0_mini-token_avg"),
        ({"encoder": "uni_v2", "weights": "a/b.bin", "name": "mine"}, "mine"),
        ({"model": "resnet18", "weights": "random"}, "resnet18-random"),
    ],
)
def test_label(entry, label):
    assert registry.resolve(entry)[0] == label


def test_what_decides_is_in_the_spec():
    _, spec = registry.resolve({"encoder": "uni_v2", "precision": "fp32", "revision": "abc"})
    decides = registry.decides(spec)
    assert (decides["precision"], decides["pooling"], decides["revision"]) == (
        "fp32", "token", "abc",
    )  # fmt: skip
    assert decides["weights"] == "resources/weights/uni_v2/abc/weights.json"
    assert not {"licence", "citation", "batch_size"} & set(decides)


def test_a_crop_is_the_middle_of_the_patch():
    _, spec = registry.resolve({"encoder": "gigapath", "weights": "random", "precision": "fp32"})
    spec |= {"model": "test_vit", "arguments": {"img_size": 224}}
    encoder = loading.load(spec, 224)
    assert encoder.size == 256
    patches = np.zeros((1, 256, 256, 3), "u1")
    patches[:, 16:240, 16:240] = PATCHES[:1]
    border = patches.copy()
    border[:, :16] = 255
    border[:, :, 240:] = 255
    torch.testing.assert_close(encoder.embed(patches), encoder.embed(border), rtol=0, atol=0)


ROOT_ONLY = pytest.mark.skipif(os.getuid() != 0, reason="only root can be other users")


@pytest.mark.parametrize(
    "users", [[os.getuid()] * 3, pytest.param([65534, 65533, 0], marks=ROOT_ONLY)]
)
def test_jobs_side_by_side_take_a_gpu_each(users):
    code = (
        "import os, sys, time; sys.path.insert(0, 'workflow'); from spotrank.encoders import gpu;"
        "os.umask(0o77); os.setuid(int(sys.argv[1]));"
        "print(gpu.claim(['a', 'b'], 0.01), flush=True); sys.stdin.read()"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o1777)
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
        options["env"] = os.environ | {"TMPDIR": folder}
        start = [[sys.executable, "-c", code, str(user)] for user in users]
        first, second = (subprocess.Popen(command, **options) for command in start[:2])
        taken = [first.stdout.readline(), second.stdout.readline()]
        assert set(taken) == {"0\n", "1\n"}
        third = subprocess.Popen(start[2], **options)  # waits for one of them to end
        first.communicate()
        assert third.communicate()[0] == taken[0]
        second.communicate()


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_precisions_differ_a_little(precision):
    specs = [
        registry.resolve({"model": "test_vit", "weights": "random", "precision": name})[1]
        for name in ("fp32", precision)
    ]
    whole, half = (loading.load(spec, 160) for spec in specs)
    patches = np.ascontiguousarray(PATCHES[:, : whole.size, : whole.size])
    a, b = whole.embed(patches), half.embed(patches)
    assert a.dtype == b.dtype == torch.float32
    assert 0 < (a - b).abs().max() < 0.05 * a.abs().max()


FAMILIES = "uni_v2", "conch_v1", "virchow2", "hoptimus0", "ctranspath", "resnet18", "densenet121"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("name", FAMILIES)
def test_weights_of_a_file_take_the_place_of_random_ones(monkeypatch, tmp_path, name, dtype):
    """To the bit what a module that was drawn gives, and in its types, whatever the file's."""
    if registry.rows()[name]["model"].startswith("vit_"):
        shallow(monkeypatch, name)
    _, spec = registry.resolve({"encoder": name, "weights": "random", "precision": "fp32"})
    module, config = loading.network(**spec)
    saved = module if "query" in spec["pooling"] else getattr(module, "trunk", module)
    for own in saved.state_dict().values():
        own.copy_(own.to(dtype))
    state = {
        spec.get("prefix", "") + key: x.to(dtype) if x.is_floating_point() else x
        for key, x in saved.state_dict().items()
    }
    save_file(state, tmp_path / "weights.safetensors")
    loaded, _ = loading.network(**spec | {"weights": str(tmp_path / "weights.safetensors")})
    images = torch.randn(2, *config["input_size"])
    with torch.inference_mode():
        assert torch.equal(loaded(images), module(images))
    types = {key: x.dtype for key, x in module.state_dict().items()}
    assert {key: x.dtype for key, x in loaded.state_dict().items()} == types
