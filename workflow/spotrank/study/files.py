"""Where the files of a study lie: those that it reads, and those that it makes."""

from functools import cached_property
from itertools import product
from pathlib import Path

from spotrank.base.store import InputError
from spotrank.cohorts import h5ad
from spotrank.encoders import registry, stored
from spotrank.fitting import given as predicted
from spotrank.genes import sets
from spotrank.report import published
from spotrank.spots import features
from spotrank.study import given


class Files:
    """Paths of a study's files; `InputError` for those of the user's that are missing.

    published, gene_sets: the printed table to set beside and the GMT file to score sets of, each as
    a list of input files.
    """

    def __init__(self, study):
        self.study = study
        named = study.config["report"].get("published")
        self.published = [str(published.path_of(named))] if named else []
        self.gene_sets = [study.config["genes"]["sets"]] if "sets" in study.config["genes"] else []
        for path in self.gene_sets:
            sets.read(path)
        self._check()

    def path(self, cohort, kind, sample):
        """Path of a sample's file of a kind ('st', 'metadata', 'wsis', 'patches')."""
        return str(self.study.sources[cohort].path(kind, sample))

    def weights(self, encoder):
        """The encoder's file of weights, local or from the hub, as a list of input files."""
        spec = self.study.entry(encoder)
        return [] if isinstance(spec, str) or spec["weights"] == "random" else [spec["weights"]]

    def local_weights(self, encoder):
        """Those of `weights` that are the user's own."""
        of_hub = registry.from_hub(self.study.entry(encoder))
        return [] if of_hub else map(Path, self.weights(encoder))

    def images(self, cohort, sample):
        """`{'wsi': path}` or `{'patch_file': path}`, or nothing if no encoder needs patches."""
        if all(self.study.is_given(cohort, encoder) for encoder in self.study.encoders):
            return {}
        kind = self.study.config["patches"]["source"]
        key = {"wsis": "wsi", "patches": "patch_file"}[kind]
        return {key: self.path(cohort, kind, sample)}

    def spots(self, cohort, sample):
        """Path of a sample's spots."""
        return f"results/spots/{cohort}/{sample}.h5ad"

    def embeddings(self, cohort, encoder, sample):
        """Path of a sample's embeddings."""
        if self.study.is_given(cohort, encoder):
            return str(Path(self.study.cohorts[cohort]["embeddings"][encoder]) / f"{sample}.h5")
        return f"results/embeddings/{cohort}/{encoder}/{sample}.h5"

    def tested(self):
        """`{cohort/sample: {'spots': path, kind of image: path}}` of all samples that are tested;
        nothing where holes are marked, for then nothing is asked for."""
        if self.study.marks_holes:
            return {}
        return {
            f"{cohort}/{sample}": {
                "spots": self.spots(cohort, sample),
                **self.images(cohort, sample),
            }
            for (cohort, _), folds in self.study.plans.items()
            for fold in folds
            for sample in fold["test"]
        }

    def panel(self, cohort, split, panel, fold=None):
        """Path of the genes of a fold, or of a final model."""
        file = "all" if fold is None else f"fold{fold}"
        return f"results/{self.study.name}/panels/{cohort}/{split}/{panel}/{file}.tsv"

    def ceiling(self, cohort, sample, *of_fold):
        """Path of a sample's ceilings, which studies share, or of those of a panel; of_fold: its
        split, panel and fold."""
        scaling, name = self.study.config["genes"]["scaling"], self.study.name
        if not of_fold:
            return f"results/ceilings/{cohort}/{scaling}/{sample}.parquet"
        split, panel, fold = of_fold
        return f"results/{name}/ceilings/{cohort}/{split}/{panel}/fold{fold}/{sample}.parquet"

    def of_fit(self, name, **cell):
        """Path of a file of a fit, such as 'scores/scores.parquet'."""
        stage, file = name.split("/")
        *folders, fold = cell.values()
        return "/".join(["results", self.study.name, stage, *folders, f"fold{fold}", file])

    def of_synthetic(self, name, sampling, thinning):
        """Path of 'scores' or 'curves' of a part of the synthetic study."""
        return f"results/{self.study.name}/synthetic/{sampling}/thinning{thinning}/{name}.parquet"

    def _check(self):
        """Raise at once what a job would else raise later; scores that are there need no job."""
        if self._is_done:
            return
        for encoder, spec in self.study.encoders.items():
            for path in self.local_weights(encoder):
                if not path.exists():
                    raise InputError(
                        f"config: encoders: the weights {path} of "
                        f"'{spec.get('model', encoder)}' are no file; give a file's path or "
                        "'random'."
                    )
        for cohort in self.study.cohorts:
            given.check(self.study, cohort, self._tested(cohort))
            for sample in self.study.samples[cohort].index:
                for kind in ("st", "metadata"):
                    self.path(cohort, kind, sample)
                self.images(cohort, sample)
                for encoder in self.study.encoders:
                    file = Path(self.embeddings(cohort, encoder, sample))
                    if self.study.is_given(cohort, encoder) and not file.is_file():
                        raise InputError(
                            f"cohorts.{cohort}: {file} is missing; put the embeddings there or "
                            "leave the sample out."
                        )

    def check_genes(self):
        """Raise for genes of files that are here and can't be compared; reads 10 ms a sample."""
        known = {}
        for cohort, options in self.study.cohorts.items():
            if not self.study.sources[cohort].keeps or self._is_done:
                continue
            layer, genes = options.get("counts_layer"), {}
            for sample in self.study.samples[cohort].index:
                st = self.path(cohort, "st", sample)
                if Path(st).exists():  # else it is fetched, and `panel` looks
                    genes[sample] = h5ad.read_names(st, layer)
            known[cohort] = genes
            features.check_kinds(genes, f"cohorts.{cohort}")
            for path in self.gene_sets:
                sets.check_measured(path, set().union(*genes.values()), f"cohorts.{cohort}")
        for cohort, names in self.study.beside.items():
            of_all = {key: own for name in names for key, own in known.get(name, {}).items()}
            features.check_kinds(of_all, f"cohorts.{cohort} and those that it is tested with")

    def check_given(self):
        """Raise for embeddings of the user's that don't fit their samples; reads 10 ms a file."""
        known = {}
        for cohort, encoder in product(self.study.cohorts, self.study.encoders):
            if not self.study.is_given(cohort, encoder) or self._is_done:
                continue
            of = known.setdefault(encoder, {})  # the number of each sample's dimensions
            for sample in self.study.samples[cohort].index:
                st = Path(self.path(cohort, "st", sample))
                path = self.embeddings(cohort, encoder, sample)
                of[cohort, sample] = stored.check_given(path, st if st.exists() else None)
        for (encoder, of), (cohort, names) in product(known.items(), self.study.beside.items()):
            sample_of = {}  # of each number
            for (name, sample), n in of.items():
                if name in names:
                    sample_of.setdefault(n, sample)
            if len(sample_of) > 1:
                (a, one), (b, other), *_ = sample_of.items()
                raise InputError(
                    f"cohorts.{cohort}: the embeddings '{encoder}' have {a} numbers a spot for "
                    f"'{one}', but {b} for '{other}'; make all with one encoder."
                )

    def check_predictions(self):
        """Raise for predictions of other tools that have no spot of their sample; reads names."""
        for cohort in self.study.cohorts:
            for sample in self._tested(cohort) if not self._is_done else ():
                st = Path(self.path(cohort, "st", sample))
                for path in given.files(self.study, cohort, [sample]) if st.exists() else ():
                    predicted.check(path, st)

    def _tested(self, cohort):
        """Samples that some fold tests."""
        folds = [fold for key, own in self.study.plans.items() if key[0] == cohort for fold in own]
        return list(dict.fromkeys(sample for fold in folds for sample in fold["test"]))

    @cached_property
    def _is_done(self):
        """Whether no job is needed."""
        scores = (self.of_fit("scores/scores.parquet", **cell) for cell in self.study.cells)
        return self.study.marks_holes or all(Path(path).exists() for path in scores)
