"""What a config's `predict` asks for: slides, a bundle, and what is given of them."""

import json
from pathlib import Path

from spotrank.base import provenance
from spotrank.base.store import InputError, in_a_line
from spotrank.base.words import one_of
from spotrank.bundles.entry import spec_of
from spotrank.encoders import embed, registry
from spotrank.prediction import slide
from spotrank.prediction.places import path_of_spots
from spotrank.study.made_by import EMBED_PACKAGES

BUNDLE = ("bundle.json", "weights.safetensors", "home.safetensors", "genes.tsv")
GIVEN = ("patches", "embeddings")  # folders of a file a slide, in place of what is made of it


class Prediction:
    """The slides that a study predicts on; `InputError` for what is wrong with that.

    slides: `{name: path}`, none where the config has no `predict`; folder: where predictions go;
    bundle: its folder; options: the config's. What a bundle tells is asked by the path of its
    bundle.json, which the study may be yet to make.
    """

    def __init__(self, study):
        self.options = options = study.config.get("predict", {})
        self.slides = slide.named(options["slides"]) if options else {}
        self.folder = f"results/{study.name}/predictions"
        self.is_own = "bundle" not in options and bool(study.cohorts)
        self.bundle = options.get("bundle", f"results/{study.name}/bundle")
        if options:
            self._check()

    @property
    def about(self):
        """The bundle's description, a file."""
        return f"{self.bundle}/{BUNDLE[0]}"

    def given(self, name):
        """`{option: path}` of what is given of a slide; of spots their folder."""
        files = {key: f"{self.options[key]}/{name}.h5" for key in GIVEN if key in self.options}
        return files | {key: self.options[key] for key in ("spots",) if key in self.options}

    def files(self, name):
        """Files that are given of a slide."""
        given = self.given(name)
        spots = [path_of_spots(given["spots"], name)] if "spots" in given else []
        return [given[key] for key in GIVEN if key in given] + list(map(str, spots))

    def patch_file(self, name):
        """`{'patch_file': path}` of a slide, if it is given."""
        given = self.given(name)
        return {"patch_file": given["patches"]} if "patches" in given else {}

    def um_per_px(self, name):
        """µm/px of a slide as the config gives it, or None."""
        said = self.options.get("um_per_px")
        return said.get(name) if isinstance(said, dict) else said

    def told(self, path):
        """What a bundle.json tells; whether it is whole, a job finds out."""
        try:
            return json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(
                f"{path}: is not readable ({in_a_line(error)}); get the bundle again."
            ) from None

    def spec(self, path):
        """Entry of the encoder that a bundle takes embeddings of, None where it can't tell; of a
        head that takes patches, of that by which distance is told."""
        told = self.told(path)
        return spec_of(told) if told["head"]["sees"] == "embeddings" else told["encoder"]["home"]

    def uses_gpu(self, path):
        """Number of GPUs that a bundle's encoder makes use of: 1, or 0 if it has no weights."""
        return int(isinstance(self.spec(path), dict))

    def batch_size(self, path):
        """Patches that a bundle's encoder takes at a time."""
        spec = self.spec(path)
        return spec["batch_size"] if isinstance(spec, dict) else 64

    def made_by(self, path):
        """Everything that decides a slide's embeddings but the slide, see `MadeBy.embeddings`."""
        told, spec = self.told(path), self.spec(path)
        made_by = {
            "encoder": told["encoder"]["name"] if isinstance(spec, dict) else spec,
            **{f"patches_{key}": value for key, value in told["patches"].items()},
            "numbers": embed.NUMBERS,
            "versions": {package: provenance.installed(package) for package in EMBED_PACKAGES},
        }
        return made_by | (registry.decides(spec) if isinstance(spec, dict) else {})

    def weights(self):
        """The encoder's file of weights, given or from the hub, as a list of input files."""
        if "weights" in self.options:
            return [self.options["weights"]]
        if not Path(self.about).exists():
            return []  # is made in this run, so that the weights are here
        spec = self.spec(self.about)
        return [spec["weights"]] if isinstance(spec, dict) and spec["weights"] != "random" else []

    @property
    def remarks(self):
        """A sentence on each slide that was found unlike the bundle's training."""
        files = (Path(self.folder) / name / "slide.json" for name in self.slides)
        told = (json.loads(path.read_text()) for path in files if path.exists())
        return [
            f"{own['slide']}: {own['remark']} ({own['share_far']:.0%} of its patches are far)"
            for own in told
            if own["remark"]
        ]

    def _check(self):
        """Raise at once what a job would else raise later."""
        if "bundle" not in self.options and not self.is_own:
            raise InputError("config: 'predict' lacks the key 'bundle', a folder; add it.")
        if not self.is_own and not Path(self.about).is_file():
            raise InputError(
                f"config: predict.bundle: {self.bundle} is no bundle, for there is no "
                "bundle.json; make one by `snakemake bundle`, or correct the path."
            )
        if set(GIVEN) <= set(self.options):
            raise InputError(
                "config: predict has both 'patches' and 'embeddings', each of which says where to "
                "look; keep one."
            )
        if isinstance(self.options.get("um_per_px"), dict):
            for name in self.options["um_per_px"]:
                one_of(name, self.slides, "predict.um_per_px")
        for name in self.slides:
            for key in set(GIVEN) & set(self.options):
                path = self.given(name)[key]
                if not Path(path).is_file():
                    raise InputError(
                        f"config: predict.{key}: {path} is missing; put the file of the slide "
                        f"'{name}' there, or leave the slide out."
                    )
        for path in map(Path, self.weights()):
            if not registry.from_hub({"weights": str(path)}) and not path.is_file():
                raise InputError(
                    f"config: predict: the weights {path} of the bundle's encoder are no file; "
                    "give their path on this machine as predict.weights."
                )
        if Path(self.about).exists():
            self._check_told()

    def _check_told(self):
        """`_check` of what the bundle tells."""
        told = self.told(self.about)
        for gene in self.options.get("genes", ()):
            one_of(gene, told["genes"], "predict.genes")
        if "embeddings" in self.options and told["head"]["sees"] == "patches":
            raise InputError(
                f"config: predict.embeddings: the bundle's head '{told['head']['head']}' takes "
                "patches, not embeddings; leave the key out."
            )
        if self.spec(self.about) is None and "embeddings" not in self.options:
            raise InputError(
                f"config: predict: the bundle was trained on embeddings that were given "
                f"('{told['encoder']['name']}'), so that it can't make them; give "
                "predict.embeddings."
            )
