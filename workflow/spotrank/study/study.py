"""What a study asks: its config, with every name in it looked up and every grid laid out."""

from collections import Counter
from itertools import product

import yaml

from spotrank.base.store import RESOURCES
from spotrank.base.words import path_safe
from spotrank.cohorts.sources import patients
from spotrank.cohorts.sources.registry import SOURCES
from spotrank.fitting.heads import GIVEN, OF_FLOORS
from spotrank.study import config as configs
from spotrank.study import floors, given, grids, plans, units
from spotrank.verdicts.summary import KEYS

SYNTHETIC = RESOURCES / "synthetic.yaml"
CELL = ("cohort", "split", "encoder", "panel", "head", "auxiliary", "fold")  # as paths have it


class Study:
    """What a config asks for; `InputError` for what is wrong with it.

    Where its files lie is told by `files.Files`, what decides each by `made_by.MadeBy`.

    samples: `{cohort: metadata}`; patients, sections: `{cohort: {sample: …}}`; remarks: sentences
    on the data that a user must see; plans, leaks, beside: see `plans`; panels: `{name: {selection,
    number, samples}}`; encoders: `{name: entry}`; trained_on: what those were trained on that test
    slides may be of; losses: `{label: (name, options)}`; heads: `{label: {head, options,
    training}}`; auxiliary: `{label: {strategy, options, prior, number}}`; fits: the
    encoders, heads and strategies that go together; rankings: the lists that auxiliary genes are
    taken from; gene_lists: panels and rankings; synthetic: options of the synthetic study, or None.
    """

    def __init__(self, config):
        self.config = configs.load(config)
        self.name = self.config["study"]
        self.cohorts = self.config["cohorts"]
        self.synthetic = self._synthetic()
        self.sources = {
            name: SOURCES[cohort["source"]](name, cohort) for name, cohort in self.cohorts.items()
        }
        self.samples = {
            name: patients.samples(source, units.known()["donor"])
            for name, source in self.sources.items()
        }
        self.encoders, self.trained_on = grids.encoders(self.config)
        self.panels = grids.panels(self.config["genes"])
        self.losses = grids.losses(self.config)
        said = {key: self.config["training"][key] for key in config.get("training", {})}
        self.heads = grids.heads(self.config, said)
        given.check_heads(self.heads)
        self.auxiliary = grids.auxiliary(self.config, self.losses)
        self.synthetic_losses = grids.synthetic_losses(self.losses, self.synthetic)
        self._check_names()
        found = units.remembered(self.name)
        self.remarks = [
            remark
            for name, source in self.sources.items()
            for remark in units.settle(source, self.samples[name], found.get(name, ()))
        ]
        self.patients, self.sections = (
            {name: own[column].to_dict() for name, own in self.samples.items()}
            for column in ("patient", "section")
        )
        self.plans, self.leaks = plans.plans(self)
        self.beside = plans.beside(self, self.plans)
        self.fits = grids.fits(self.encoders, self.heads, self.auxiliary)
        floors.add_entries(self.config, self.encoders, self.heads, self.auxiliary)
        self.remarks += floors.remarks(self)
        self.rankings = grids.rankings(self.auxiliary, self.config["genes"]["samples"])
        self.gene_lists = self.panels | self.rankings
        for cohort, name in product(filter(self._trains, self.cohorts), self.panels):
            self.gene_list(cohort, name)

    def _synthetic(self):
        """Options of the synthetic study, those of its `settings` filled in."""
        if "synthetic" not in self.config:
            return None
        options = dict(self.config["synthetic"])
        settings = yaml.safe_load(SYNTHETIC.read_text(encoding="utf-8"))
        return settings[options.pop("settings")] | options

    def _trains(self, cohort):
        return not plans.is_test(self, cohort)

    def gene_list(self, cohort, name):
        """A row of `gene_lists`; that of a cohort's own task is a file."""
        chosen = self.gene_lists[name]
        if chosen.get("selection") == "task":
            return {"file": str(self.sources[cohort].genes())}
        return chosen

    def ranking(self, strategy, panel):
        """Name of the list that auxiliary genes beside a panel are taken from, or None."""
        if not grids.uses_auxiliary(self.auxiliary[strategy]):
            return None
        prior = self.auxiliary[strategy]["prior"]
        return grids.ranking_name(prior, self.panels[panel].get("samples", "train"))

    def _check_names(self):
        """The one place where names are checked that become parts of paths."""
        path_safe([self.name], "study")
        path_safe(self.cohorts, "cohorts")
        for cohort, samples in self.samples.items():
            path_safe(samples.index, f"cohorts.{cohort}.samples")
        path_safe(self.encoders, "encoders")
        path_safe(self.panels, "genes")
        path_safe(self.heads, "heads")
        path_safe(self.auxiliary, "auxiliary")

    @property
    def gap_um(self):
        """Distance in µm between spots of one slide that train and such that validate or test; by
        default a patch's diagonal, so that no two of their patches overlap."""
        return self.config["split"].get("gap_um", self.side_um * 2**0.5)

    @property
    def side_um(self):
        """Side of a patch in µm."""
        return self.config["patches"]["size"] * self.config["patches"]["um_per_px"]

    def entry(self, encoder):
        """Entry of an encoder; the name itself of one that only floors look at."""
        return self.encoders.get(encoder, encoder)

    def batch_size(self, encoder):
        """Patches that an encoder takes at a time."""
        spec = self.entry(encoder)
        return 64 if isinstance(spec, str) else spec["batch_size"]

    @property
    def hub_files(self):
        """`{home: {kind: paths}}` of the samples' files that come from the hub, see `fetch`."""
        wanted = {}
        for cohort, source in self.sources.items():
            seen = any(not self.is_given(cohort, encoder) for encoder in self.encoders)
            image = [self.config["patches"]["source"]] * bool(source.fetched and seen)
            for kind, sample in product([*source.fetched, *image], self.samples[cohort].index):
                kinds = wanted.setdefault(source.home, {})
                kinds.setdefault(kind, set()).add(source.path(kind, sample))
        return wanted

    def uses_gpu(self, encoder):
        """Number of GPUs that an encoder makes use of: 1, or 0 if it has no weights."""
        return int(isinstance(self.entry(encoder), dict))

    def fit_uses_gpu(self, head):
        """Number of GPUs that the fit of a head makes use of: 1, or 0 of a floor's."""
        return int(head not in OF_FLOORS)

    def is_given(self, cohort, encoder):
        """Whether the cohort brings these embeddings itself."""
        return encoder in self.cohorts[cohort].get("embeddings", {})

    @property
    def embedding_encoders(self):
        """Encoders whose embeddings a fit takes, each once."""
        pairs = [pair for *pair, _ in self.fits if not self.trains_on_patches(*pair)]
        return list(dict.fromkeys(encoder for encoder, _ in pairs))

    def trains_on_patches(self, encoder, head):
        """Whether the fit reads patches in place of embeddings."""
        return encoder == "pixels" or grids.built(self.heads[head]).sees == "patches"

    def test_samples(self, cohort):
        """Test samples of the cohort's folds of its first split, in order, each once."""
        folds = next((folds for key, folds in self.plans.items() if key[0] == cohort), [])
        return list(dict.fromkeys(sample for fold in folds for sample in fold["test"]))

    def tested_in(self, cohort, sample):
        """Wildcards of a fit that tests a sample: the first of each grid."""
        strategy = next(strategy for name, strategy in self.plans if name == cohort)
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
            dict(zip(CELL, (cohort, strategy, encoder, panel, head, auxiliary, fold), strict=True))
            for (cohort, strategy), folds in self.plans.items()
            for encoder, head, auxiliary in dict.fromkeys(
                [*self.fits, *given.fits(self, cohort), *floors.fits(self, cohort)]
            )
            for panel in self.panels
            for fold in range(len(folds))
        ]

    @property
    def n_folds(self):
        """`{summary.KEYS: folds}` of all rows of the study's tables."""
        return Counter(
            tuple((cell | {"loss": loss})[key] for key in KEYS)
            for cell in self.cells
            for loss in floors.losses_of(self, cell["cohort"], cell["head"])
        )

    @property
    def synthetic_parts(self):
        """Each `(sampling, thinning)` of the synthetic study."""
        options = self.synthetic or {"sampling": [], "thinning": []}
        return list(product(options["sampling"], options["thinning"]))

    @property
    def synthetic_tables(self):
        """STRank's tables that the synthetic study can be set beside."""
        if not self.synthetic:
            return []
        return ["strank_table1"] + ["strank_table3"] * bool(self.synthetic["list_sizes"])

    def leak(self, cohort, strategy, fold, panel, encoder, head):
        """What a fold leaks, in words, or ''; of other tools' training nothing is known."""
        plan = self.plans[cohort, strategy][fold]
        said = [self.leaks[cohort, strategy][fold]] if head != GIVEN else []
        if self.panels[panel].get("samples") == "all" and "final" not in plan:
            said.append("genes chosen with the test samples in view")
        if encoder in self.trained_on:
            said.append(
                f"the encoder {encoder} was trained on {self.trained_on[encoder]} and may have "
                "seen the test slides"
            )
        return "; ".join(filter(None, said))
