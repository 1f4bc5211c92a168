from collections import Counter
from pathlib import Path

import pandas as pd

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from spotrank.base import provenance
from spotrank.base.code import code_hash, numbers
from spotrank.base.store import InputError
from spotrank.base.words import as_list
from spotrank.cohorts import fetch, h5ad
from spotrank.cohorts.sources import registry as sources
from spotrank.cohorts.sources import sample as own_samples
from spotrank.encoders import registry
from spotrank.fitting.heads import OF_FLOORS
from spotrank.report import published, status
from spotrank.report.page import page
from spotrank.spots import pair, split
from spotrank.study import cost, floors, units
from spotrank.study.files import Files
from spotrank.study.made_by import MadeBy
from spotrank.study.study import Study

folder_of_runs = config.pop("folder", None)  # no part of a study: `snakemake samples` looks there

try:
    study = Study(config)
    files = Files(study)
    if workflow.is_main_process:
        files.check_genes()
        files.check_given()
except InputError as error:
    raise WorkflowError(str(error)) from None
made_by = MadeBy(study, files)
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
    """Resource: `pair` holds the counts several times over; what is compressed tells nothing."""
    size = Path(input.st).stat().st_size  # raises where the file is yet to come
    layer = study.cohorts[wildcards.cohort].get("counts_layer")
    return attempt * (1000 + 3 * max(size, h5ad.bytes_of_counts(input.st, layer)) // 2**20)


def minutes(n):
    """Resource function: `n`, and as much again when a job is tried again."""
    return lambda wildcards, attempt: attempt * n


def samples_of(wildcards, *parts):
    """Samples of a fold's `parts`, or of the whole cohort."""
    if not parts:
        return list(study.samples[wildcards.cohort].index)
    return split.samples_of(fold_of(wildcards), *parts)


def fold_of(wildcards):
    return study.plans[wildcards.cohort, wildcards.split][int(wildcards.fold)]


def spots_of(*parts):
    """Input function: spots of the samples of a fold's `parts`, or of the whole cohort."""
    return lambda wildcards: [
        f"results/spots/{wildcards.cohort}/{sample}.h5ad"
        for sample in samples_of(wildcards, *parts)
    ]


def ceilings_of(wildcards):
    """Ceilings of a fold's test samples, in the order of `spots_of`."""
    scaling = study.config["genes"]["scaling"]
    made = rules.ceiling_of_panel if scaling == "panel" else rules.ceiling
    samples = samples_of(wildcards, "test")
    return expand(made.output, sample=samples, **(dict(wildcards) | {"scaling": scaling}))


def images_of(wildcards):
    return files.images(wildcards.cohort, wildcards.sample)


def fits(name):
    """A file of every fit of the study."""
    return [files.of_fit(name, **cell) for cell in study.cells]


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


def features_of(wildcards):
    """Embeddings of a fold's samples, if any, or what their patches are cut from."""
    cohort, encoder, head = wildcards.cohort, wildcards.encoder, wildcards.head
    samples = samples_of(wildcards, "train", "validation", "test")
    if not study.trains_on_patches(encoder, head):
        embedded = floors.embedded(study, cohort, encoder)
        own = samples if embedded else []
        return {"embeddings": [files.embeddings(cohort, embedded, sample) for sample in own]}
    images = [files.images(cohort, sample) for sample in samples]
    return {
        "weights": files.weights(encoder),
        "st": [files.path(cohort, "st", sample) for sample in samples],
        "metadata": [files.path(cohort, "metadata", sample) for sample in samples],
        **{kind: [image[kind] for image in images] for kind in images[0]},
    }


def ranking_of(wildcards):
    """List that auxiliary genes are taken from, if any."""
    ranking = study.ranking(wildcards.auxiliary, wildcards.panel)
    return expand(rules.panel.output, panel=ranking, allow_missing=True) if ranking else []


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
    jobs = Counter(job.rule.name for job in workflow.dag.needrun_jobs() if job.output)
    planned = {rule.name: jobs[rule.name] for rule in workflow.rules if rule.name in jobs}
    if planned:
        logger.addHandler(status.Handler(path, study.name, planned, logger))
