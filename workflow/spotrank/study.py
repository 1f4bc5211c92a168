"""A study: its config, with every name in it looked up and every grid laid out."""

import inspect
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd

from spotrank import config as configs
from spotrank import fetch, split
from spotrank.encoders import ENCODERS
from spotrank.heads import HEADS
from spotrank.losses import LOSSES
from spotrank.panel import SELECTIONS
from spotrank.store import InputError, code_hash

DONORS = Path(__file__).parents[2] / "resources" / "donors.tsv"
EMBED_PACKAGES = ("torch", "timm", "openslide-python", "pillow", "numpy")
INJECTED = ("score", "batch", "pairs", "permutations")  # arguments of losses that are no options


class Study:
    """What the rules need to know of a config; `InputError` for what is wrong with it.

    samples: `{cohort: metadata}`; plans: `{(cohort, strategy): folds}`; panels: `{name: {selection,
    number, samples}}`; encoders: `{name: entry}`; losses: `{label: (name, options)}`.
    """

    def __init__(self, config):
        self.config = configs.load(config)
        self.name = self.config["study"]
        donors = pd.read_csv(DONORS, sep="\t", index_col="sample", dtype=str)["donor"]
        self.cohorts = self.config["cohorts"]
        self.samples = {
            name: fetch.samples(name, cohort, donors) for name, cohort in self.cohorts.items()
        }
        self.encoders = self._encoders()
        self.panels = self._panels()
        self._check_names()
        self.plans = self._plans()
        self.losses = self._losses()
        self.heads = self.config["heads"]
        for head in self.heads:
            configs.one_of(head, HEADS, "heads")
        self._check_files()

    def _encoders(self):
        given = [name for cohort in self.cohorts.values() for name in cohort.get("embeddings", {})]
        given = list(dict.fromkeys(given))
        encoders = {}
        for entry in self.config.get("encoders", given or ["stain_statistics"]):
            if isinstance(entry, str):
                name = configs.one_of(entry, [*ENCODERS, *given], "encoders")
            else:
                name = entry.get("name", f"{entry['model']}-{Path(entry['weights']).stem}")
                if entry["weights"] != "random" and not Path(entry["weights"]).is_file():
                    raise InputError(
                        f"config: encoders: the weights {entry['weights']} of '{entry['model']}' "
                        "are no file; give a file's path or 'random'."
                    )
            if name in encoders:
                raise InputError(
                    f"config: encoders: '{name}' stands there twice; give each entry its 'name'."
                )
            encoders[name] = entry
        for cohort in self.cohorts:
            for name, entry in encoders.items():
                if entry == name and name not in ENCODERS and not self.is_given(cohort, name):
                    raise InputError(
                        f"config: cohorts.{cohort} has no embeddings '{name}', which 'encoders' "
                        "names; add them there or leave the encoder out."
                    )
        return encoders

    def _plans(self):
        options = self.config["split"]
        for cohort in options["ids"]:
            configs.one_of(cohort, self.cohorts, "split.ids")
        return {
            (cohort, strategy): split.plan(
                cohort, samples, strategy, options | {"ids": options["ids"].get(cohort, {})}
            )
            for cohort, samples in self.samples.items()
            for strategy in options["strategy"]
        }

    def _panels(self):
        genes = self.config["genes"]
        panels = {}
        for selection in genes["selection"]:
            configs.one_of(selection, [*SELECTIONS, "file"], "genes.selection")
            if selection == "file":
                if not Path(genes.get("file", "")).is_file():
                    raise InputError(
                        f"config: genes.file is {genes.get('file')!r}, no file of gene names; "
                        "give its path."
                    )
                panels[f"file-{Path(genes['file']).stem}"] = {"file": genes["file"]}
                continue
            for number in genes["number"]:
                for samples in genes["samples"]:
                    suffix = "" if samples == "train" else "-all_samples"
                    panels[f"{selection}-{number}{suffix}"] = {
                        "selection": selection,
                        "number": number,
                        "samples": samples,
                    }
        return panels

    def _losses(self):
        losses = {}
        for entry in self.config["losses"]:
            options = dict(entry) if isinstance(entry, dict) else {"loss": entry}
            name = options.pop("loss")
            signature = inspect.signature(LOSSES[configs.one_of(name, LOSSES, "losses")]).parameters
            known = {key: p.default for key, p in signature.items() if key not in INJECTED}
            for key, value in options.items():
                if key not in known:
                    raise InputError(
                        f"config: losses: '{name}' has no option '{key}'"
                        f"{configs.nearest(key, known)}; it has {', '.join(known) or 'none'}."
                    )
                if type(value) is not type(known[key]):
                    raise InputError(
                        f"config: losses: the option '{key}' of '{name}' is {value!r}, but must be "
                        f"of type {type(known[key]).__name__}."
                    )
            words = ", ".join(f"{key}={str(value).lower()}" for key, value in options.items())
            label = f"{name} ({words})" if words else name
            if label in losses:
                raise InputError(f"config: losses: '{label}' stands there twice; keep one.")
            losses[label] = (name, options)
        return losses

    def _check_names(self):
        """The one place where names are checked that become parts of paths."""
        configs.path_safe([self.name], "study")
        configs.path_safe(self.cohorts, "cohorts")
        for cohort, samples in self.samples.items():
            configs.path_safe(samples.index, f"cohorts.{cohort}.samples")
        configs.path_safe(self.encoders, "encoders")
        configs.path_safe(self.panels, "genes")

    def _check_files(self):
        """Raise at once what a job would else raise later."""
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

    def path(self, cohort, kind, sample):
        """Path of a sample's file of a kind ('st', 'metadata', 'wsis', 'patches')."""
        return str(fetch.path(cohort, self.cohorts[cohort], kind, sample))

    def simulation(self, cohort):
        """Arguments of `simulate.design`."""
        return {key: value for key, value in self.cohorts[cohort].items() if key != "source"}

    @property
    def patch_um(self):
        """Side of a patch in µm."""
        return self.config["patches"]["size"] * self.config["patches"]["um_per_px"]

    def weights(self, encoder):
        """The encoder's local weights file, as a list of input files."""
        entry = self.encoders[encoder]
        is_file = isinstance(entry, dict) and entry["weights"] != "random"
        return [entry["weights"]] if is_file else []

    def batch_size(self, encoder):
        """Patches that an encoder takes at a time."""
        entry = self.encoders[encoder]
        return entry["batch_size"] if isinstance(entry, dict) else 64

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
            "versions": {package: _installed(package) for package in EMBED_PACKAGES},
        }
        if isinstance(entry, str):
            return made_by | {"precision": "fp32", "pooling": ""}
        for path in map(Path, self.weights(encoder)):
            # its hash is in the file; too slow to take at every start
            stat = path.stat()
            made_by |= {"weights_bytes": stat.st_size, "weights_modified": stat.st_mtime}
        return made_by | {
            key: value for key, value in entry.items() if key not in ("name", "batch_size")
        }

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
            "encoder": next(iter(self.encoders)),
            "panel": next(iter(self.panels)),
            "head": self.heads[0],
            "fold": next(i for i, fold in enumerate(folds) if sample in fold["test"]),
        }

    def leak(self, cohort, strategy, fold, panel):
        """What a fold leaks, in words, or ''."""
        plan = self.plans[cohort, strategy][fold]
        said = [split.leaks(plan, self.samples[cohort]["patient"])]
        if self.panels[panel].get("samples") == "all":
            said.append("genes chosen with the test samples in view")
        return "; ".join(filter(None, said))


def _installed(package):
    try:
        return version(package)
    except (
        PackageNotFoundError
    ):  # it is in the rule's own environment, whose pins Snakemake watches
        return None
