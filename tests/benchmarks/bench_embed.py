"""Streaming from a slide against its two limits, reading and computing; and peak memory.

Run by `make bench`; on a simulated slide and random weights, so that it needs nothing. All rates
are patches a second, of one batch size, precision and device, taken in one run.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

from spotrank.cohorts import simulate
from spotrank.encoders import embed, loading, registry
from spotrank.spots import slides

SMALL, MIDDLE, LARGE = "resnet18", "vit_base_patch16_224", "vit_large_patch16_224"
SECONDS = 15  # about, for each rate
BATCH = {"cpu": 16, "cuda": 128}
SPOTS = (500, 5_000, 50_000)


def slide(folder):
    """A slide, drawn the first time, and the centres of its spots whose patches lie on it."""
    st, wsi, metadata = paths = [folder / name for name in ("x.h5ad", "x.tif", "x.json")]
    if not st.exists():
        simulate.write_sample(*paths, "SIM1")
    spatial = np.asarray(embed.hest.read_spots(st).obsm["spatial"])
    return wsi, spatial[slides.on_slide(wsi, spatial, 224, st, metadata)]


def patches(folder, n, size, interpolation="lanczos"):
    """`n` patches of a slide, each spot's again and again."""
    wsi, spatial = slide(folder)
    return slides.SlidePatches(wsi, np.resize(spatial, (n, 2)), 224, size, interpolation)


def rate(function, n, batches):
    """Patches a second of `function(batch)` over `batches` batches of `n`."""
    start = time.perf_counter()
    for _ in range(batches):
        result = function()
    if isinstance(result, torch.Tensor):
        result.cpu()
    return n * batches / (time.perf_counter() - start)


def bare(spec, batch, seconds, compiled=False):
    """Rate of the forward pass alone, on a random tensor that is where it is needed."""
    module, config = loading.network(**spec)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    module = module.to(device)
    if compiled:
        module = torch.compile(module)
    images = torch.randn(batch, *config["input_size"], device=device)
    dtype = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[
        spec["precision"]
    ]

    @torch.inference_mode()
    def forward():
        with torch.autocast(device, dtype, dtype != torch.float32):
            return module(images)

    forward().cpu()
    once = rate(forward, batch, 1)
    return rate(forward, batch, max(2, round(seconds * once / batch)))


def streamed(encoder, folder, batch, threads, n):
    """Rate from slide to file."""
    source = patches(folder, n, encoder.size, encoder.interpolation)
    start = time.perf_counter()
    embed.embed(encoder, source, ["x"] * n, np.zeros((n, 2)), folder / "x.h5", {}, batch, threads)
    return n / (time.perf_counter() - start)


def read(folder, size, batch, threads, n=1000):
    """Rate of reading alone."""
    source = patches(folder, n, size)
    start = time.perf_counter()
    for _ in embed.read_ahead(source, batch, threads):
        pass
    return n / (time.perf_counter() - start)


def throughput(folder, threads):
    gpu = torch.cuda.is_available()
    device, precisions = ("cuda", ("fp32", "fp16", "bf16")) if gpu else ("cpu", ("fp32",))
    batch = BATCH[device]
    torch.set_num_threads(threads)
    reading = read(folder, 224, batch, threads)
    name = torch.cuda.get_device_name() if gpu else "CPU"
    print(f"embed: {name}, {threads} threads, batches of {batch}; reading alone {reading:.0f}")
    print(f"  {'':22} {'':5} {'forward':>8} {'streamed':>8} {'ratio':>6} {'both limits':>11} ratio"
          + ("  compiled" if gpu else ""))  # fmt: skip
    for model in (SMALL, MIDDLE, LARGE):
        for precision in precisions:
            _, spec = registry.resolve({"model": model, "weights": "random",
                                        "precision": precision})  # fmt: skip
            forward = bare(spec, batch, SECONDS)
            encoder = loading.load(spec, 224, threads)
            n = batch * max(2, round(SECONDS * min(forward, reading) / batch))
            streaming = streamed(encoder, folder, batch, threads, n)
            # on a CPU they share the cores: the times add; beside a GPU the slower one counts
            both = min(forward, reading) if gpu else 1 / (1 / forward + 1 / reading)
            line = (f"  {model:22} {precision:5} {forward:8.1f} {streaming:8.1f} "
                    f"{streaming / forward:6.2f} {both:11.1f} {streaming / both:5.2f}")  # fmt: skip
            if gpu:
                line += f" {bare(spec, batch, SECONDS, compiled=True):9.1f}"
            print(line, flush=True)


def statistics(folder, threads):
    source = patches(folder, 512, 224)
    batch = np.stack([source[i] for i in range(64)])
    encoder = loading.load("stain_statistics", 224, threads)
    encoder.embed(batch)
    computing = rate(lambda: encoder.embed(batch), 64, 64)
    streaming, reading = (
        streamed(encoder, folder, 64, threads, 2000),
        read(folder, 224, 64, threads),
    )
    both = 1 / (1 / computing + 1 / reading)
    print(f"stain_statistics: computing {computing:.0f}, reading {reading:.0f}, both limits "
          f"{both:.0f}, streamed {streaming:.0f} ({streaming / both:.2f})", flush=True)  # fmt: skip


def peak(folder, n):
    """Peak memory (MB) of this process when it has embedded `n` spots of the slide in `folder`."""
    streamed(loading.load("stain_statistics", 64, 2), folder, 64, 2, n)
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def memory(folder):
    print("peak memory of a job that embeds patches of 64 px")
    for n in SPOTS:
        command = [sys.executable, __file__, folder, str(n)]
        child = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        print(f"  {n:6} spots {float(child.stdout):6.0f} MB", flush=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        print(peak(Path(sys.argv[1]), int(sys.argv[2])))
    else:
        with tempfile.TemporaryDirectory() as folder:
            threads = len(os.sched_getaffinity(0))
            statistics(Path(folder), threads)
            throughput(Path(folder), threads)
            memory(Path(folder))
