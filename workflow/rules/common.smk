import json
from collections import Counter
from functools import cache
from pathlib import Path

import pandas as pd

from snakemake.exceptions import WorkflowError
from snakemake.iocontainers import Wildcards
from snakemake.logging import logger

from spotrank.base import lot, provenance
from spotrank.base.code import code_hash, numbers
from spotrank.base.store import InputError
from spotrank.base.words import as_list
from spotrank.cohorts import fetch, h5ad
from spotrank.cohorts.sources import registry as sources
from spotrank.cohorts.sources import sample as own_samples
from spotrank.encoders import registry
from spotrank.fitting.heads import GIVEN
from spotrank.report import published, status
from spotrank.report.page import page
from spotrank.spots import split
from spotrank.study import bundle as bundles
from spotrank.study import ceilings, cost, floors, given, plans, prediction, settings, units
from spotrank.study.files import Files
from spotrank.study.lots import Lots
from spotrank.study.made_by import MadeBy
from spotrank.study.panels import PANEL
from spotrank.study.study import CELL, Study

folder_of_runs = config.pop("folder", None)  # no part of a study: `snakemake samples` looks there

try:
    study = Study(config)
    files = Files(study)
    predicted = prediction.Prediction(study)
    if "bundle" in study.config:
        bundles.named(study)
    if workflow.is_main_process:
        files.check_genes()
        files.check_given()
        files.check_predictions()
except InputError as error:
    raise WorkflowError(str(error)) from None
made_by = MadeBy(study, files)
lots = Lots(study)
if workflow.is_main_process:
    logger.info(cost.in_words(study))
    for remark in study.remarks:
        logger.warning(remark)


wildcard_constraints:
    home="[^/]+",
    revision="[^/]+",
    cohort="[^/]+",
    sample="[^/]+",
    encoder="[^/]+",
    split="[^/]+",
    panel="[^/]+",
    head="[^/]+",
    auxiliary="[^/]+",
    fold="[0-9]+",
    lot="[^/]+",
    slide="[^/]+",
    sampling="uniform|imbalanced",
    thinning="[0-9.]+",


def memory(mb, per_mb, *names):
    """Resource function: `mb` and `per_mb` for each MB of the inputs `names` (or of all).

    A job that is tried again asks for as much again.
    """

    def ask(wildcards, input, attempt):
        files = [file for name in names for file in as_list(input.get(name, []))] or input
        size_mb = sum(Path(file).stat().st_size for file in files) / 2**20
        return attempt * (mb + int(per_mb * size_mb))

    return ask


def memory_of_counts(wildcards, input, attempt):
    """Resource: `pair` holds the counts of a sample several times over; what is compressed tells
    nothing."""
    wait_for(input)
    layer = study.cohorts[wildcards.cohort].get("counts_layer")
    sizes = (max(Path(st).stat().st_size, h5ad.bytes_of_counts(st, layer)) for st in input.st)
    return attempt * (1000 + 3 * max(sizes) // 2**20)


def memory_of_fit(wildcards, input, attempt):
    """Resource: patches are held in memory, embeddings and counts several times over."""
    least = 16000 if "st" in input.keys() else 4000
    return memory(least, 20, "spots", "embeddings")(wildcards, input, attempt)


def memory_of_lot(wildcards, input, attempt):
    """Resource: `memory_of_fit` of the largest of a lot's fits."""
    wait_for(input)
    fits = [thing["input"] for thing in fits_of(*wildcards)]
    fits = {(*own["spots"], *own.get("embeddings", own.get("st"))): own for own in fits}
    return max(memory_of_fit(wildcards, own, attempt) for own in fits.values())


def wait_for(input):
    """Raise where a file is yet to come, as Snakemake expects of inputs alone."""
    for path in input:
        Path(path).stat()


def memory_of_largest(things_of):
    """Resource function: `memory` of the largest of the things of a lot."""

    def ask(wildcards, input, attempt):
        wait_for(input)
        things = [sum(thing["input"].values(), []) for thing in things_of(*wildcards)]
        there = [[path for path in files if Path(path).exists()] for files in things]
        return max(memory(2000, 20)(wildcards, files, attempt) for files in there)

    return ask


def memory_of_tables(wildcards, input, attempt):
    """Resource: cells are held a lot at a time, several times over, or the largest alone."""
    wait_for(input)
    sizes = (Path(path).stat().st_size for path in SCORES if Path(path).exists())
    return attempt * (3000 + 20 * max(sizes, default=0) // 2**20)


def by_files(memory, given):
    """Resource function `memory`, by the files that `given(wildcards)` names in place of lists."""

    def ask(wildcards, input, attempt):
        wait_for(input)
        return memory(wildcards, dict(input.items()) | given(wildcards), attempt)

    return ask


def minutes(n):
    """Resource function: `n`, and as much again when a job is tried again."""
    return lambda wildcards, attempt: attempt * n


def samples_of(wildcards, *parts):
    """Samples of a fold's `parts`, or all that it may look at."""
    fold = fold_of(wildcards)
    if not parts:
        return plans.samples_seen(study, wildcards.cohort, fold)
    return split.samples_of(fold, *parts)


def fold_of(wildcards):
    """The fold of a fit; of one to all samples that in which they train."""
    if "fold" not in wildcards.keys():
        return split.of_all(study.samples[wildcards.cohort].index)
    return study.plans[wildcards.cohort, wildcards.split][int(wildcards.fold)]


def folds_of(wildcards):
    """The cells of all folds of a fit."""
    folds = range(len(study.plans[wildcards.cohort, wildcards.split]))
    return [{key: wildcards[key] for key in CELL[:-1]} | {"fold": fold} for fold in folds]


def tissues_of(wildcards, *parts):
    """`(cohort, sample)` of `samples_of`."""
    samples = samples_of(wildcards, *parts)
    fold = fold_of(wildcards)
    return tuple((split.cohort_of(fold, wildcards.cohort, sample), sample) for sample in samples)


def spots_of(*parts):
    """Input function: spots of the samples of a fold's `parts`, or of all that it may look at."""
    return lambda wildcards: spots(tissues_of(wildcards, *parts))


@cache
def spots(tissues):
    """Paths, the same list each time: many cells share it."""
    return [files.spots(*tissue) for tissue in tissues]


def of_final(wildcards):
    """What names the final model that a fold tests."""
    cohort, strategy = fold_of(wildcards)["final"]
    return dict(wildcards) | {"cohort": cohort, "split": strategy}


def panel_of(wildcards):
    """The panel of a fold, or of the final model that it tests."""
    if "final" in fold_of(wildcards):
        own = of_final(wildcards)
        return [files.panel(*(own[key] for key in PANEL[:-1]))]
    return [files.panel(*(wildcards[key] for key in PANEL))]


def file_of_panel(wildcards):
    """The file that names a panel's genes, or ranks them, if there is one."""
    chosen = study.gene_list(wildcards.cohort, wildcards.panel)
    return [chosen[key] for key in ("file", "ranking") if key in chosen]


def fits(name, *stages):
    """A file of every cell of the study, or of those whose predictions some stages make."""
    return [
        files.of_fit(name, **cell)
        for cell in study.cells
        if not stages or plans.stage(cell) in stages
    ]


def synthetic_files(name):
    """'scores' or 'curves' of every part of the synthetic study."""
    return [files.of_synthetic(name, *part) for part in study.synthetic_parts]


def asked(paths):
    """`paths` as input files; where holes are marked nothing is asked for, see `found`."""
    return [] if study.marks_holes else paths


def found(paths):
    """`{path: time of last change}` of those that are there, where holes are marked."""
    paths = map(Path, paths if study.marks_holes else [])
    return {str(path): path.stat().st_mtime_ns for path in paths if path.exists()}


def data_of(scores):
    """`found` of the data that scores rest on: tables are made anew where these have changed."""
    records = (provenance.of_scores(path) or provenance.RECORD for path in found(scores))
    data = {path for record in records for path in record["inputs"]}
    return found(str(Path(path).expanduser()) for path in sorted(data))


def beside_published(key, path, category, table):
    """Output files `{key}_{form}` of a table beside its published numbers; table: its label."""
    page = report(
        f"{path}.html",
        category=category,
        caption="../report/published.rst",
        labels={"table": table},
    )
    return {f"{key}_{form}": f"{path}.{form}" for form in ("tsv", "md", "tex")} | {
        f"{key}_html": page
    }


def input_of_fit(wildcards):
    """Input files of a fit by name."""
    return {**features_of(wildcards), **made_for_fit(wildcards)}


def made_for_fit(wildcards):
    """Those of `input_of_fit` that other jobs always make."""
    return {
        **genes_of(wildcards),
        "spots": spots_of("train", "validation", "test")(wildcards),
    }


def input_of_external(wildcards):
    """As `input_of_fit`, of the test of a final model."""
    return {**features_of(wildcards, ("test",)), "spots": spots_of("test")(wildcards)}


def input_of_given(wildcards):
    """As `input_of_fit`, of predictions that are given."""
    return {
        "files": given.files(study, wildcards.cohort, samples_of(wildcards, "test")),
        "panel": panel_of(wildcards),
        "spots": spots_of("test")(wildcards),
    }


def spots_of_map(wildcards):
    """As `input_of_fit`, of a map."""
    return {"spots": [files.spots(wildcards.cohort, wildcards.sample)]}


def features_of(wildcards, parts=("train", "validation", "test")):
    """Embeddings of the samples of a fold's `parts`, if any, or what their patches are cut from."""
    on_patches = study.trains_on_patches(wildcards.encoder, wildcards.head)
    tissues = tissues_of(wildcards, *parts)
    return features(wildcards.cohort, wildcards.encoder, on_patches, tissues)


@cache
def features(cohort, encoder, on_patches, samples):
    """`features_of` some `(cohort, sample)`."""
    if not on_patches:
        embedded = floors.embedded(study, cohort, encoder)
        own = samples if embedded else []
        return {
            "embeddings": [files.embeddings(cohort, embedded, sample) for cohort, sample in own]
        }
    images = [files.images(cohort, sample) for cohort, sample in samples]
    return {
        "weights": files.weights(encoder),
        "st": [files.path(cohort, "st", sample) for cohort, sample in samples],
        "metadata": [files.path(cohort, "metadata", sample) for cohort, sample in samples],
        **{kind: [image[kind] for image in images] for kind in images[0]},
    }


def genes_of(wildcards):
    """The panel of a fit, and the list that auxiliary genes are taken from, if any."""
    names = {
        "panel": wildcards.panel,
        "ranking": study.ranking(wildcards.auxiliary, wildcards.panel),
    }
    place, fold = (wildcards.cohort, wildcards.split), wildcards.get("fold")
    return {key: [files.panel(*place, name, fold)] if name else [] for key, name in names.items()}


def named_of_bundle(wildcards):
    """What names the row of the bundle; or a sentence, which its job says."""
    try:
        return bundles.named(study)
    except InputError as error:
        return str(error)


def row_of_bundle():
    """The row that the bundle is of."""
    return json.loads(Path(checkpoints.row.get().output[0]).read_text(encoding="utf-8"))["row"]


def home_of_bundle(wildcards):
    """Spots and embeddings of the samples that a bundle is at home with."""
    chosen = row_of_bundle()
    home = bundles.home_encoder(study, chosen["encoder"], chosen["head"])
    cohort = chosen["cohort"]
    samples = study.samples[cohort].index
    return {
        "spots": [files.spots(cohort, sample) for sample in samples],
        "embeddings": [files.embeddings(cohort, home, sample) for sample in samples],
    }


def files_of_bundle(wildcards):
    """What a bundle is made of, known once the tables are there."""
    chosen = row_of_bundle()
    cohort, encoder = chosen["cohort"], chosen["encoder"]
    samples = study.samples[cohort].index
    return {
        "model": expand(rules.final.output, **chosen),
        **in_lists(home_of_bundle(wildcards)),
        "st": files.path(cohort, "st", samples[0]),
        "weights": files.weights(encoder),
    }


def marks_of(table):
    """What looks like a mistake in a table of samples, a sentence a sample."""
    if not Path(table).exists():
        return []
    samples = pd.read_csv(table, sep="\t", dtype=str, keep_default_na=False)
    samples = samples[samples["marks"] != ""]
    rows = zip(samples["cohort"], samples["sample"], samples["marks"], strict=True)
    return [f"{cohort}, {sample}: {marks} ({table})" for cohort, sample, marks in rows]


def watch(path):
    """Write at `path` how far this run is, as it goes, if it makes any files."""
    try:
        jobs = Counter(job.rule.name for job in workflow.dag.needrun_jobs() if job.output)
    except Exception as error:  # that API is nobody's promise, and no run ends for want of a page
        logger.warning(f"{path} is not written ({error}).")
        return
    planned = {rule.name: jobs[rule.name] for rule in workflow.rules if rule.name in jobs}
    if planned:
        logger.addHandler(status.Handler(path, study.name, planned, logger))
