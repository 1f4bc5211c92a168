"""A study: its config, with every name in it looked up and every grid laid out."""

from collections import Counter
from itertools import product
from pathlib import Path

import pandas as pd
import yaml

from spotrank import config as configs
from spotrank import encoders, fetch, grids, provenance, published, split, tables
from spotrank.split import samples_of
from spotrank.store import InputError, code_hash

SYNTHETIC = Path(__file__).parents[2] / "resources" / "synthetic.yaml"
DONORS = Path(__file__).parents[2] / "resources" / "donors.tsv"
EMBED_PACKAGES = ("torch", "timm", "transformers", "openslide-python", "pillow", "numpy")


class Study:
    """What the rules need to know of a config; `InputError` for what is wrong with it.

    samples: `{cohort: metadata}`; patients: `{cohort: {sample: patient}}`; plans: `{(cohort,
    strategy): folds}`; panels: `{name: {selection, number, samples}}`; encoders: `{name: entry}`;
    losses: `{label: (name, options)}`; heads: `{label: {head, options, training}}`; auxiliary:
    `{label: {strategy, options, prior, number}}`; fits: the encoders, heads and strategies that go
    together; rankings: the lists that auxiliary genes are taken from; gene_lists: panels and
    rankings; synthetic: options of the synthetic study, or None.
    """

    def __init__(self, config):
        self.config = configs.load(config)
        self.name = self.config["study"]
        donors = pd.read_csv(DONORS, sep="\t", index_col="sample", dtype=str)["donor"]
        self.cohorts = self.config["cohorts"]
        self.synthetic = self._synthetic()
        self.samples = {
            name: fetch.samples(name, cohort, donors) for name, cohort in self.cohorts.items()
        }
        self.patients = {name: own["patient"].to_dict() for name, own in self.samples.items()}
        self.encoders = grids.encoders(self.config)
        self.panels = grids.panels(self.config["genes"])
        self.losses = grids.losses(self.config)
        self.heads = grids.heads(self.config, config.get("training", {}))
        self.auxiliary = grids.auxiliary(self.config, self.losses)
        self._check_names()
        self.plans = self._plans()
        self.fits = grids.fits(self.encoders, self.heads, self.auxiliary)
        self.rankings = grids.rankings(self.auxiliary, self.config["genes"]["samples"])
        self.gene_lists = self.panels | self.rankings
        self.published = self._published()
        self._check_files()

    def _synthetic(self):
        """Options of the synthetic study, those of its `settings` filled in."""
        if "synthetic" not in self.config:
            return None
        options = dict(self.config["synthetic"])
        settings = yaml.safe_load(SYNTHETIC.read_text(encoding="utf-8"))
        return settings[options.pop("settings")] | options

    def _plans(self):
        options = self.config["split"]
        for cohort in options["ids"]:
            configs.one_of(cohort, self.cohorts, "split.ids")
        return {
            (cohort, strategy): split.plan(
                cohort, samples, strategy, options | {"ids": self._ids(cohort, strategy)}
            )
            for cohort, samples in self.samples.items()
            for strategy in options["strategy"]
        }

    def _ids(self, cohort, strategy):
        """Samples that the config, or else the published split of the cohort's task, names."""
        named, task = self.config["split"]["ids"].get(cohort), self.cohorts[cohort].get("samples")
        if named is None and strategy == "fixed" and isinstance(task, str):
            task = fetch.task(task, f"cohorts.{cohort}.samples")
            named = {key: task[key] for key in ("validation", "test") if key in task}
            named = {{"test": "folds"}.get(key, key): ids for key, ids in named.items()}
        return named or {}

    def ranking(self, strategy, panel):
        """Name of the list that auxiliary genes beside a panel are taken from, or None."""
        if not grids.uses_auxiliary(self.auxiliary[strategy]):
            return None
        prior = self.auxiliary[strategy]["prior"]
        return grids.ranking_name(prior, self.panels[panel].get("samples", "train"))

    def _check_names(self):
        """The one place where names are checked that become parts of paths."""
        configs.path_safe([self.name], "study")
        configs.path_safe(self.cohorts, "cohorts")
        for cohort, samples in self.samples.items():
            configs.path_safe(samples.index, f"cohorts.{cohort}.samples")
        configs.path_safe(self.encoders, "encoders")
        configs.path_safe(self.panels, "genes")
        configs.path_safe(self.heads, "heads")
        configs.path_safe(self.auxiliary, "auxiliary")

    def _check_files(self):
        """Raise at once what a job would else raise later; scores that are there need no job."""
        scores = (self.file_of("scores/scores.parquet", **cell) for cell in self.cells)
        if self.marks_holes or all(Path(path).exists() for path in scores):
            return
        for encoder, spec in self.encoders.items():
            for path in self._local_weights(encoder):
                if not path.exists():
                    raise InputError(
                        f"config: encoders: the weights {path} of "
                        f"'{spec.get('model', encoder)}' are no file; give a file's path or "
                        "'random'."
                    )
        for cohort in self.cohorts:
            for sample in self.samples[cohort].index:
                for kind in ("st", "metadata"):
                    self.path(cohort, kind, sample)
                self.images(cohort, sample)
                for encoder in self.encoders:
                    file = Path(self.embeddings(cohort, encoder, sample))
                    if self.is_given(cohort, encoder) and not file.is_file():
                        raise InputError(
                            f"cohorts.{cohort}: {file} is missing; put the embeddings there or "
                            "leave the sample out."
                        )

    @property
    def synthetic_losses(self):
        """`(label, list size, name, options)` of each loss of the synthetic study; list size 0 is
        the whole tissue, or a loss that has no lists."""
        losses = []
        for label, (name, options) in self.losses.items():
            losses.append((label, options.get("list_size", 0), name, options))
            if name == "strank_list" and "list_size" not in options:
                losses += [
                    (label, size, name, options | {"list_size": size})
                    for size in self.synthetic["list_sizes"]
                ]
        return losses

    def path(self, cohort, kind, sample):
        """Path of a sample's file of a kind ('st', 'metadata', 'wsis', 'patches')."""
        return str(fetch.path(cohort, self.cohorts[cohort], kind, sample))

    def source(self, cohort, encoder):
        """Where a cohort's counts and images, or its embeddings, come from."""
        if self.is_simulated(cohort):
            return self.simulation(cohort)
        options = self.cohorts[cohort]
        where = {key: options[key] for key in ("source", "folder", "revision") if key in options}
        where["embeddings"] = options.get("embeddings", {}).get(encoder)
        return {key: provenance.public(str(value)) for key, value in where.items()}

    def simulation(self, cohort):
        """Arguments of `simulate.design`."""
        return {key: value for key, value in self.cohorts[cohort].items() if key != "source"}

    @property
    def gap_um(self):
        """Distance in µm between spots of one slide that train and such that validate or test.

        By default a patch's diagonal, so that no two of their patches overlap.
        """
        side = self.config["patches"]["size"] * self.config["patches"]["um_per_px"]
        return self.config["split"].get("gap_um", side * 2**0.5)

    def weights(self, encoder):
        """The encoder's file of weights, local or from the hub, as a list of input files."""
        spec = self.encoders[encoder]
        return [] if isinstance(spec, str) or spec["weights"] == "random" else [spec["weights"]]

    def _local_weights(self, encoder):
        """Those of `weights` that are the user's own."""
        return [] if encoders.from_hub(self.encoders[encoder]) else map(Path, self.weights(encoder))

    def batch_size(self, encoder):
        """Patches that an encoder takes at a time."""
        spec = self.encoders[encoder]
        return 64 if isinstance(spec, str) else spec["batch_size"]

    @property
    def hest_samples(self):
        """`{revision: samples}` of HEST-1k that the study needs."""
        wanted = {}
        for cohort, options in self.cohorts.items():
            if options["source"] == "hest":
                wanted.setdefault(options["revision"], []).extend(self.samples[cohort].index)
        return {revision: sorted(set(samples)) for revision, samples in wanted.items()}

    @property
    def hest_kinds(self):
        """Kinds of HEST-1k's files that the study needs of a sample."""
        seen = any(
            not self.is_given(cohort, encoder)
            for cohort, options in self.cohorts.items()
            if options["source"] == "hest"
            for encoder in self.encoders
        )
        return ["st", "metadata"] + [self.config["patches"]["source"]] * seen

    def uses_gpu(self, encoder):
        """Number of GPUs that an encoder makes use of: 1, or 0 if it has no weights."""
        return int(isinstance(self.encoders[encoder], dict))

    def images(self, cohort, sample):
        """`{'wsi': path}` or `{'patch_file': path}`, or nothing if no encoder needs patches."""
        if all(self.is_given(cohort, encoder) for encoder in self.encoders):
            return {}
        kind = self.config["patches"]["source"]
        key = {"wsis": "wsi", "patches": "patch_file"}[kind]
        return {key: self.path(cohort, kind, sample)}

    def is_given(self, cohort, encoder):
        """Whether the cohort brings these embeddings itself."""
        return encoder in self.cohorts[cohort].get("embeddings", {})

    def trains_on_patches(self, encoder, head):
        """Whether the fit reads patches in place of embeddings."""
        return encoder == "pixels" or grids.built(self.heads[head]).sees == "patches"

    def embeddings(self, cohort, encoder, sample):
        """Path of a sample's embeddings."""
        if self.is_given(cohort, encoder):
            return str(Path(self.cohorts[cohort]["embeddings"][encoder]) / f"{sample}.h5")
        return f"results/embeddings/{cohort}/{encoder}/{sample}.h5"

    def made_by(self, cohort, encoder):
        """Everything that decides a file of embeddings but its sample; None where it is given."""
        if self.is_given(cohort, encoder):
            return None
        entry = self.encoders[encoder]
        made_by = {
            "encoder": encoder,
            **{f"patches_{key}": value for key, value in self.config["patches"].items()},
            "code": code_hash("embed", "encoders"),
            "versions": {package: provenance.installed(package) for package in EMBED_PACKAGES},
        }
        if isinstance(entry, str):
            return made_by | {"precision": "fp32", "pooling": ""}
        for path in filter(Path.exists, self._local_weights(encoder)):
            # its hash is in the file; too slow to take at every start
            stat = path.stat()
            made_by |= {"weights_bytes": stat.st_size, "weights_modified": stat.st_mtime}
        return made_by | encoders.decides(entry)

    def test_samples(self, cohort):
        """Test samples of the cohort's folds of its first strategy, in order, each once."""
        folds = self.plans[cohort, self.config["split"]["strategy"][0]]
        return list(dict.fromkeys(sample for fold in folds for sample in fold["test"]))

    def tested_in(self, cohort, sample):
        """Wildcards of a fit that tests a sample: the first of each grid."""
        strategy = self.config["split"]["strategy"][0]
        folds = self.plans[cohort, strategy]
        return {
            "cohort": cohort,
            "split": strategy,
            "encoder": self.fits[0][0],
            "panel": next(iter(self.panels)),
            "head": self.fits[0][1],
            "auxiliary": self.fits[0][2],
            "fold": next(i for i, fold in enumerate(folds) if sample in fold["test"]),
        }

    def _published(self):
        """Path of the printed table to set beside, as a list of input files."""
        named = self.config["report"].get("published")
        return [str(published.path_of(named))] if named else []

    @property
    def marks_holes(self):
        """Whether tables are made of the scores that are there, and their holes marked."""
        return self.config["report"]["holes"] == "mark"

    @property
    def n_maps(self):
        """Test slides of a cohort that are drawn; none where nothing is to be made."""
        return 0 if self.marks_holes else self.config["report"]["maps"]

    @property
    def cells(self):
        """Wildcards of every fit of the study."""
        return [
            {
                "cohort": cohort,
                "split": strategy,
                "encoder": encoder,
                "panel": panel,
                "head": head,
                "auxiliary": auxiliary,
                "fold": fold,
            }
            for (cohort, strategy), folds in self.plans.items()
            for encoder, head, auxiliary in self.fits
            for panel in self.panels
            for fold in range(len(folds))
        ]

    @property
    def n_folds(self):
        """`{tables.KEYS: folds}` of all rows of the study's tables."""
        return Counter(
            tuple((cell | {"loss": loss})[key] for key in tables.KEYS)
            for cell in self.cells
            for loss in grids.losses_of(self.heads[cell["head"]], self.losses)
        )

    def file_of(self, name, **cell):
        """Path of a file of a fit, such as 'scores/scores.parquet'."""
        stage, file = name.split("/")
        *folders, fold = cell.values()
        return "/".join(["results", self.name, stage, *folders, f"fold{fold}", file])

    def fit_of(self, cohort, split, encoder, panel, head, auxiliary, fold):
        """Everything that decides a fit but the data themselves."""
        folds, ranking = self.plans[cohort, split], self.ranking(auxiliary, panel)
        made_by = self.made_by(cohort, encoder)
        of_fold = folds[int(fold)]
        lists = {name: self.gene_lists[name] for name in filter(None, (panel, ranking))}
        return {
            "samples": samples_of(of_fold, "train", "validation", "test"),
            "fold": of_fold,
            "gap_um": self.gap_um,
            "cohort": self.source(cohort, encoder),
            "spots": self.config["spots"],
            "patches": self.config["patches"],
            "genes": lists,
            "genes_of": list(self.samples[cohort].index),
            "scaling": self.config["genes"]["scaling"],
            "encoder": self.encoders[encoder],
            # the weights' hash is among the inputs', and tables are made where they are gone
            "embeddings": made_by
            and {key: made_by[key] for key in made_by if not key.startswith("weights_")},
            "head": self.heads[head],
            "auxiliary": self.auxiliary[auxiliary],
            "losses": self.losses,
            "seeds": self.config["seeds"],
            "code": code_hash("fit", "pair", "panel", *["simulate"] * self.is_simulated(cohort)),
        }

    def score_of(self, cohort, split, encoder, panel, head, auxiliary, fold):
        """Everything that decides the scores of a fit but its predictions and the data."""
        samples = samples_of(self.plans[cohort, split][int(fold)], "test")
        return {
            "cell": [cohort, split, encoder, panel, head, auxiliary, int(fold)],
            "samples": samples,
            "patients": {sample: self.patients[cohort][sample] for sample in samples},
            "scaling": self.config["genes"]["scaling"],
            "leak": self.leak(cohort, split, int(fold), panel),
            "code": code_hash("score"),
        }

    def made_by_now(self):
        """`{path of scores: {part: hash}}` of all cells, as config and code now stand."""
        return {
            self.file_of("scores/scores.parquet", **cell): provenance.digests(
                {f"fit {key}": value for key, value in self.fit_of(**cell).items()}
                | {f"score {key}": value for key, value in self.score_of(**cell).items()}
            )
            for cell in self.cells
        }

    @property
    def synthetic_parts(self):
        """Each `(sampling, thinning)` of the synthetic study."""
        options = self.synthetic or {"sampling": [], "thinning": []}
        return list(product(options["sampling"], options["thinning"]))

    def synthetic_file(self, name, sampling, thinning):
        """Path of 'scores' or 'curves' of a part of the synthetic study."""
        return f"results/{self.name}/synthetic/{sampling}/thinning{thinning}/{name}.parquet"

    def synthetic_of(self, sampling, thinning):
        """Everything that decides a part of the synthetic study."""
        options = {key: x for key, x in self.synthetic.items() if key != "list_sizes"}
        return {
            "losses": self.synthetic_losses,
            "seeds": self.config["seeds"],
            "options": options | {"sampling": sampling, "thinning": float(thinning)},
            "code": code_hash("synthetic"),
        }

    def synthetic_made_by_now(self):
        """`{path of scores: {part: hash}}` of the synthetic study, as config and code now stand."""
        return {
            self.synthetic_file("scores", *part): provenance.digests(
                {f"synthetic {key}": value for key, value in self.synthetic_of(*part).items()}
            )
            for part in self.synthetic_parts
        }

    @property
    def synthetic_tables(self):
        """STRank's tables that the synthetic study can be set beside."""
        if not self.synthetic:
            return []
        return ["strank_table1"] + ["strank_table3"] * bool(self.synthetic["list_sizes"])

    def is_simulated(self, cohort):
        return self.cohorts[cohort]["source"] == "simulated"

    def leak(self, cohort, strategy, fold, panel):
        """What a fold leaks, in words, or ''."""
        plan = self.plans[cohort, strategy][fold]
        said = [split.leaks(plan, self.patients[cohort])]
        if self.panels[panel].get("samples") == "all":
            said.append("genes chosen with the test samples in view")
        return "; ".join(filter(None, said))
