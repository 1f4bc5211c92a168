"""What decides each file that a study makes: a cache is stale where it says otherwise."""

from pathlib import Path

from spotrank.base import provenance
from spotrank.base.code import code_hash, numbers
from spotrank.encoders import embed, registry
from spotrank.genes import sets
from spotrank.spots import pair
from spotrank.spots.split import of_all, samples_of
from spotrank.study import bundle, floors, given, plans

EMBED_PACKAGES = ("torch", "timm", "transformers", "openslide-python", "pillow", "numpy")


class MadeBy:
    """Everything that decides embeddings, fits, scores and a synthetic study, but the data."""

    def __init__(self, study, files):
        self.study, self.files = study, files
        self.gene_sets = provenance.digest([sets.read(path) for path in files.gene_sets])

    def pair(self, cohort, sample):
        """Everything that decides the spots of a sample but the data."""
        images = self.files.images(cohort, sample)
        return {
            "qc": self.study.config["spots"],
            "patches": self.study.config["patches"],
            "images": {kind: provenance.public(path) for kind, path in images.items()},
            "counts_layer": self.study.cohorts[cohort].get("counts_layer"),
            "truth": self.study.sources[cohort].simulated,
            "numbers": pair.NUMBERS,
        }

    def ceiling(self):
        """Everything that decides ceilings but the data."""
        return {
            "scaling": self.study.config["genes"]["scaling"],
            "numbers": numbers("ceiling"),
        }

    def embeddings(self, cohort, encoder):
        """Everything that decides a file of embeddings but its sample; None where it is given."""
        if self.study.is_given(cohort, encoder):
            return None
        entry = self.study.entry(encoder)
        made_by = {
            "encoder": encoder,
            **{f"patches_{key}": value for key, value in self.study.config["patches"].items()},
            "numbers": embed.NUMBERS,
            "versions": {package: provenance.installed(package) for package in EMBED_PACKAGES},
        }
        if isinstance(entry, str):
            return made_by | {"precision": "fp32", "pooling": ""}
        for path in filter(Path.exists, self.files.local_weights(encoder)):
            # its hash is in the file; too slow to take at every start
            stat = path.stat()
            made_by |= {"weights_bytes": stat.st_size, "weights_modified": stat.st_mtime}
        return made_by | registry.decides(entry)

    def panel(self, cohort, split, panel, fold=None):
        """Everything that decides the genes of a fold, or of a final model, but the data."""
        of_fold = of_all(self.study.samples[cohort].index)
        if fold is not None:
            of_fold = self.study.plans[cohort, split][fold]
        return {
            "genes": self.study.gene_list(cohort, panel),
            "samples": plans.samples_seen(self.study, cohort, of_fold),
            "fold": of_fold,
            "gap_um": self.study.gap_um,
            "min_spots": self.study.config["spots"]["min_spots"],
            "numbers": numbers("panel"),
        }

    def fit(self, cohort, split, encoder, panel, head, auxiliary, fold):
        """Everything that decides a fit but the data themselves."""
        of_fold = self.study.plans[cohort, split][int(fold)]
        return self._of(of_fold, ("panel", "fit"), cohort, encoder, panel, head, auxiliary)

    def final(self, cohort, split, encoder, panel, head, auxiliary):
        """As `fit`, of that to all samples; the folds tell how long."""
        everything = of_all(self.study.samples[cohort].index)
        stages = "panel", "fit", "final"
        made_by = self._of(everything, stages, cohort, encoder, panel, head, auxiliary)
        return made_by | {"folds": self.study.plans[cohort, split]}

    def external(self, cohort, split, encoder, panel, head, auxiliary, fold):
        """Everything that decides the test of another cohort's final model but the data."""
        of_fold = self.study.plans[cohort, split][int(fold)]
        other, own_split = of_fold["final"]
        made_by = self.final(other, own_split, encoder, panel, head, auxiliary)
        simulated = {stage: numbers(stage) for stage in self._simulated(cohort, of_fold)}
        return made_by | {
            "samples": samples_of(of_fold, "test"),
            "fold": of_fold,
            "cohort": self._sources(cohort, of_fold, encoder),
            "tests": f"cohorts.{cohort}, tested on cohorts.{other}",
            "numbers": made_by["numbers"] | simulated,
            "code": code_hash("external"),
        }

    def bundle(self, row):
        """What a bundle tells of its study, and what decides it besides its model."""
        about = bundle.about(self.study, row)
        made_by = self.embeddings(row["cohort"], about["home"])
        return about | {"embeddings": made_by, "code": code_hash("bundle")}

    def _of(self, of_fold, stages, cohort, encoder, panel, head, auxiliary):
        ranking = self.study.ranking(auxiliary, panel)
        embedded = floors.embedded(self.study, cohort, encoder)
        made_by = self.embeddings(cohort, embedded) if embedded else None
        lists = {
            name: self.study.gene_list(cohort, name) for name in filter(None, (panel, ranking))
        }
        stages = [*stages, *self._simulated(cohort, of_fold)]
        return {
            "samples": samples_of(of_fold, "train", "validation", "test"),
            "fold": of_fold,
            "gap_um": self.study.gap_um,
            "cohort": self._sources(cohort, of_fold, encoder),
            "spots": self.study.config["spots"],
            "patches": self.study.config["patches"],
            "genes": lists,
            "genes_of": plans.samples_seen(self.study, cohort, of_fold),
            "scaling": self.study.config["genes"]["scaling"],
            "encoder": self.study.entry(encoder),
            # the weights' hash is among the inputs', and tables are made where they are gone
            "embeddings": made_by
            and {key: made_by[key] for key in made_by if not key.startswith("weights_")},
            "head": floors.head(self.study, cohort, head),
            "auxiliary": self.study.auxiliary[auxiliary],
            "losses": floors.losses_of(self.study, cohort, head),
            "seeds": self.study.config["seeds"],
            "numbers": {"pair": pair.NUMBERS, **{stage: numbers(stage) for stage in stages}},
        }

    def given(self, cohort, split, panel, fold, **cell):
        """Everything that decides other tools' predictions of a fold but the files themselves."""
        of_fold = self.study.plans[cohort, split][int(fold)]
        stages = ["panel", *self._simulated(cohort, of_fold)]
        folders = given.folders(self.study, cohort)
        return {
            "samples": samples_of(of_fold, "test"),
            "fold": of_fold,
            "gap_um": self.study.gap_um,
            "cohort": self._sources(cohort, of_fold, None),
            "predictions": {tool: provenance.public(path) for tool, path in folders.items()},
            "spots": self.study.config["spots"],
            "patches": self.study.config["patches"],
            "genes": self.study.gene_list(cohort, panel),
            "genes_of": plans.samples_seen(self.study, cohort, of_fold),
            "numbers": {"pair": pair.NUMBERS, **{stage: numbers(stage) for stage in stages}},
            "code": code_hash("given"),
        }

    def score(self, cohort, split, encoder, panel, head, auxiliary, fold):
        """Everything that decides the scores of a fit but its predictions and the data."""
        samples = samples_of(self.study.plans[cohort, split][int(fold)], "test")
        made_by = {
            "cell": [cohort, split, encoder, panel, head, auxiliary, int(fold)],
            "samples": samples,
            "patients": {sample: self.study.patients[cohort][sample] for sample in samples},
            "scaling": self.study.config["genes"]["scaling"],
            "leak": self.study.leak(cohort, split, int(fold), panel, encoder, head),
            "numbers": {stage: numbers(stage) for stage in ("ceiling", "score")},
        }
        return made_by | ({"sets": self.gene_sets} if self.files.gene_sets else {})

    def cells(self):
        """`{path of scores: {part: hash}}` of all cells, as config and code now stand."""
        return {
            self.files.of_fit("scores/scores.parquet", **cell): {
                **provenance.of_stage(stage, getattr(self, stage)(**cell)),
                **provenance.of_stage("score", self.score(**cell)),
            }
            for cell in self.study.cells
            for stage in [plans.stage(cell)]  # that makes its predictions
        }

    def synthetic(self, sampling, thinning):
        """Everything that decides a part of the synthetic study."""
        options = {key: x for key, x in self.study.synthetic.items() if key != "list_sizes"}
        return {
            "losses": self.study.synthetic_losses,
            "seeds": self.study.config["seeds"],
            "options": options | {"sampling": sampling, "thinning": float(thinning)},
            "numbers": numbers("synthetic"),
        }

    def synthetic_cells(self):
        """`{path of scores: {part: hash}}` of the synthetic study, as config and code now stand."""
        return {
            self.files.of_synthetic("scores", *part): provenance.of_stage(
                "synthetic", self.synthetic(*part)
            )
            for part in self.study.synthetic_parts
        }

    def _simulated(self, cohort, fold):
        """The stage that makes a fold's samples, if they are simulated."""
        cohorts = plans.cohorts_of(cohort, fold)
        return ["simulate"] * any(self.study.sources[name].simulated for name in cohorts)

    def _sources(self, cohort, fold, encoder):
        """`_source` of a fold's cohort, or of each of several."""
        if "cohorts" not in fold:
            return self._source(cohort, encoder)
        names = plans.cohorts_of(cohort, fold)
        return {name: self._source(name, encoder) for name in names}

    def _source(self, cohort, encoder):
        """Where a cohort's counts and images, or its embeddings, come from."""
        if self.study.sources[cohort].simulated:
            return self.study.sources[cohort].options()
        options = self.study.cohorts[cohort]
        keys = ("source", "folder", "task", "revision", "counts_layer")
        where = {key: options[key] for key in keys if key in options}
        if self.study.sources[cohort].fetched:
            where["revision"] = self.study.sources[cohort].home
        where["embeddings"] = options.get("embeddings", {}).get(encoder)
        return {key: provenance.public(str(value)) for key, value in where.items()}
