"""Every row of the registry: built without weights, its dimension, input size and pooling."""

import pytest
import torch
from spotrank import encoders
from spotrank.store import InputError

ROWS = encoders.registry()
# their architecture is in a package, or in code of their repository, that is not ours to bring
ELSEWHERE = {"musk": "the package 'musk' is not here", "keep": "remote_code: true"}
NEEDED = {
    *("encoder", "repo", "kind", "revision", "size", "um_per_px", "mean", "std", "interpolation"),
    *("precision", "pooling", "dimension", "licence", "citation"),
}


@pytest.mark.parametrize("name", ROWS)
def test_row(name):
    _, spec = encoders.resolve({"encoder": name, "weights": "random"})
    assert set(spec) >= NEEDED
    if name in ELSEWHERE:
        with pytest.raises(InputError, match=ELSEWHERE[name]):
            encoders.network(**spec)
        return
    with torch.device("meta"):
        module, config = encoders.network(**spec)
        px = config["input_size"][1]
        images = torch.empty(2, 3, px, px)
        vectors = module(images)
    assert vectors.shape == (2, spec["dimension"])
    assert px == spec.get("crop", spec["size"])
