"""What a study costs, in GPU hours, before anything is run; and things cut into jobs by it."""

import math

import pandas as pd

from spotrank.spots.split import cohort_of
from spotrank.study import grids, plans

# Assumed of one GPU of the class of an A100 or H100; no more than a third of what they can do.
FLOPS = {"fp32": 10e12, "fp16": 50e12, "bf16": 50e12}
START = 15  # seconds until a job computes: imports, weights
SECONDS = 600  # that the things of a lot take together
LEAST = 5  # seconds of a thing of a lot: its files are read and written, a cell is scored
SAMPLES = 8  # that a job embeds at most, so that cores and machines share what there is
CHOICE = 3e-4  # seconds a spot, to choose genes by those of a fold
STEP = 1e-3  # seconds of one step of training of one run, when others train beside it


def gpu_hours(study):
    """`(embedding, fitting)` in GPU hours; fitting as if every run went on to `max_epochs`.

    Spots are those that HEST-1k's metadata table counts; where it doesn't, there is no telling, and
    the result is None.
    """
    counted = spots(study)
    if any(own.isna().any() for own in counted.values()):
        return None
    embedding = sum(
        START * -(-len(own) // SAMPLES) + own.sum() * seconds_a_patch(study.encoders[encoder])
        for cohort, own in counted.items()
        for encoder in study.embedding_encoders
        if study.uses_gpu(encoder) and not study.is_given(cohort, encoder)
    )
    counted = {cohort: own.to_dict() for cohort, own in counted.items()}
    fitting = sum(
        START + of_fit(study, counted, cell)
        for cell in study.cells
        if study.fit_uses_gpu(cell["head"]) and plans.stage(cell) == "fit"
    )
    if study.synthetic:
        options = study.synthetic
        steps = options["epochs"] * 2 * options["spots"] / 256  # two patients, as published
        fitting += len(study.synthetic_parts) * len(study.synthetic_losses) * steps * STEP
    return embedding / 3600, fitting / 3600


def spots(study):
    """`{cohort: numbers of spots by sample}`, NaN where the metadata table does not count them."""
    return {
        cohort: pd.to_numeric(
            samples.get("spots_under_tissue", pd.Series(index=samples.index)), errors="coerce"
        )
        for cohort, samples in study.samples.items()
    }


def gflops(entry):
    """Of one forward pass, by the registry; of a model of one's own, a ViT-B's."""
    return 0 if isinstance(entry, str) else entry.get("gflops", 35)


def seconds_a_patch(entry):
    """Time of one forward pass."""
    return gflops(entry) and gflops(entry) * 1e9 / FLOPS[entry["precision"]]


def cut(things, seconds_of, most=math.inf, within=None):
    """`things` in parts of `most` at most, that take no longer than `within` seconds, else SECONDS,
    unless one does."""
    parts, left = [], 0
    for thing in things:
        seconds = seconds_of(thing)
        if seconds > left or len(parts[-1]) == most:
            parts.append([])
            left = within or SECONDS
        parts[-1].append(thing)
        left -= seconds
    return parts


def of_fit(study, spots, cell):
    """Seconds of one fit; spots: `{cohort: numbers of spots by sample}`."""
    head = study.heads[cell["head"]]
    if hasattr(grids.built(head), "solve"):
        return 0
    fold, training = study.plans[cell["cohort"], cell["split"]][cell["fold"]], head["training"]
    n_runs = len(study.losses) * len(study.config["seeds"])
    n_spots = sum(
        spots[cohort_of(fold, cell["cohort"], sample)][sample] for sample in fold["train"]
    )
    step = STEP
    if study.trains_on_patches(cell["encoder"], cell["head"]):
        spec = study.encoders[cell["encoder"]]
        if spec == "pixels":
            spec = {"gflops": 0.2, "precision": "fp32"}  # HisToGene's own, a patch
        # a step back costs twice a step forth
        step = max(step, 3 * seconds_a_patch(spec) * training["batch_size"])
    return n_runs * training["max_epochs"] * n_spots / training["batch_size"] * step


def in_words(study):
    """One line for the start of a run."""
    hours = gpu_hours(study)
    if hours is None:
        return f"{study.name}: GPU hours unknown, for the metadata table does not count spots"
    embedding, fitting = hours
    return (
        f"{study.name}: about {embedding:.1f} GPU hours to embed and at most {fitting:.1f} to fit"
    )
