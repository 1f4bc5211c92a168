"""What a job that embeds costs besides computing: starting, building, reading a slide twice.

Run by `make bench`; on simulated slides and weights drawn at random, saved as a file.

A job a sample, as before lots, against a job a lot of 8: `python bench_starts.py` runs some of each
and reckons with 72 samples of 64 spots; the encoder's share is of the time of a job from start to
end.
"""

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

from bench_embed import patches
from safetensors.torch import load_file, save_file

from spotrank.base import provenance
from spotrank.encoders import embed, loading, registry
from spotrank.study import cost

SAMPLES, SPOTS, BATCH, THREADS = 72, 64, 32, len(os.sched_getaffinity(0))
MODEL, GIANT = "vit_small_patch16_224", "uni_v2"
SHARING = ("test_vit", "test_vit2", "test_resnet")


def spec(weights):
    return registry.resolve({"model": MODEL, "weights": str(weights)})[1]


def job(folder, n, began):
    """Embed `n` samples as a lot does; seconds to the first patch, to the end, and computing."""
    encoder = loading.load(spec(folder / "weights.safetensors"), 224, THREADS)
    computing, first = 0, None

    def timed(images):
        nonlocal computing, first
        first = first or time.time() - began
        start = time.perf_counter()
        vectors = encoder.embed(images)
        computing += time.perf_counter() - start
        return vectors

    wrapped = type(encoder)(timed, encoder.size, encoder.about, encoder.interpolation)
    for number in range(n):
        out, inputs = folder / f"{number}.h5", [folder / "x.tif", folder / "weights.safetensors"]
        record = partial(provenance.record, "embed", out, inputs, provenance.now())
        own = patches(folder, SPOTS, encoder.size, encoder.interpolation)
        names, places = ["x"] * SPOTS, torch.zeros(SPOTS, 2)
        embed.embed(wrapped, own, names, places, out, {}, BATCH, THREADS, record)
    return first, time.time() - began, computing


def jobs(folder, n, times):
    """Mean of `job` in processes of their own, and CPU seconds."""
    before, found = os.times(), []
    for _ in range(times):
        command = [sys.executable, __file__, str(folder), str(n), str(time.time())]
        child = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found.append([float(own) for own in child.stdout.split()])
    after = os.times()
    cpu = (
        after.children_user - before.children_user + after.children_system - before.children_system
    )
    return *(sum(own) / times for own in zip(*found, strict=True)), cpu / times


def starts(folder):
    import timm

    patches(folder, 1, 224)
    network = timm.create_model(MODEL, num_classes=0)
    save_file(network.state_dict(), folder / "weights.safetensors")
    print(f"jobs for {SAMPLES} samples of {SPOTS} spots, {MODEL}, {THREADS} threads")
    print(
        f"  {'samples a job':>13} {'first patch, s':>14} {'encoder share':>13} {'all, CPU min':>12}"
    )
    for n, times in ((1, 4), (cost.SAMPLES, 2)):
        first, whole, computing, cpu = jobs(folder, n, times)
        every = SAMPLES / n * cpu / 60
        print(f"  {n:13} {first:14.1f} {computing / whole:13.2f} {every:12.1f}", flush=True)


def build(folder):
    """Seconds until an encoder with its weights is there."""
    _, drawn = registry.resolve({"encoder": GIANT, "weights": "random"})
    start = time.process_time()
    network, _ = loading.network(**drawn)
    at_random = time.process_time() - start
    path = folder / "giant.safetensors"
    save_file(network.state_dict(), path)
    start = time.process_time()
    network.load_state_dict(load_file(path))
    read = time.process_time() - start
    start = time.process_time()
    loading.network(**drawn | {"weights": str(path)})
    ours = time.process_time() - start
    print(f"{GIANT}: drawn at random {at_random:.1f} CPU s and read {read:.1f}, "
          f"as it is built now {ours:.1f}", flush=True)  # fmt: skip


def sharing(folder):
    """Several small encoders on a sample, its slide read for each or once."""
    encoders = [
        loading.load(registry.resolve({"model": model, "weights": "random"})[1], 160, THREADS)
        for model in SHARING
    ]
    for keep in (False, True):
        own = patches(folder, 500, 160)
        own = embed.Kept(own) if keep else own
        start = time.process_time()
        for encoder in encoders:
            embed.embed(encoder, own, ["x"] * 500, torch.zeros(500, 2), folder / "x.h5", {}, BATCH,
                        THREADS)  # fmt: skip
        print(f"{len(encoders)} small encoders, slide read {'once' if keep else 'for each'}: "
              f"{time.process_time() - start:.1f} CPU s", flush=True)  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:]:
        print(*job(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
    else:
        with tempfile.TemporaryDirectory() as name:
            starts(Path(name))
            sharing(Path(name))
            build(Path(name))
