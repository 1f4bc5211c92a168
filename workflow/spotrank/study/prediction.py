"""What a config's `predict` asks for: slides, and what is given of them."""

from pathlib import Path

from spotrank.base.store import InputError
from spotrank.base.words import one_of
from spotrank.prediction import slide

GIVEN = ("patches", "embeddings")  # folders of files in place of what is made of a slide


class Prediction:
    """The slides that a study predicts on; `InputError` for what is wrong with that.

    slides: `{name: path}`, none where the config has no `predict`; bundle: its folder; options: the
    config's.
    """

    def __init__(self, study):
        self.options = options = study.config.get("predict", {})
        self.slides = slide.named(options["slides"]) if options else {}
        own = f"results/{study.name}/bundle"
        self.bundle = options.get("bundle", own)
        if options and "bundle" not in options and not study.cohorts:
            raise InputError("config: 'predict' lacks the key 'bundle', a folder; add it.")
        self._check(is_own=self.bundle == own and bool(study.cohorts))

    @property
    def about(self):
        """The bundle's description, a file."""
        return f"{self.bundle}/bundle.json"

    def given(self, name, *kinds):
        """Files that the config gives of a slide, of `kinds`."""
        return [
            str(Path(self.options[kind]) / f"{name}.h5") for kind in kinds if kind in self.options
        ]

    def um_per_px(self, name):
        """µm/px of a slide as the config gives it, or None."""
        said = self.options.get("um_per_px")
        return said.get(name) if isinstance(said, dict) else said

    def _check(self, is_own):
        """Raise at once what a job would else raise later."""
        if not self.options:
            return
        if set(GIVEN) <= set(self.options):
            raise InputError(
                "config: 'predict' has both 'patches' and 'embeddings', of which one says where to "
                "look; keep one."
            )
        if isinstance(self.options.get("um_per_px"), dict):
            for name in self.options["um_per_px"]:
                one_of(name, self.slides, "predict.um_per_px")
        for name in self.slides:
            for path in self.given(name, *GIVEN):
                if not Path(path).is_file():
                    raise InputError(
                        f"config: predict: {path} is missing; put the file of the slide '{name}' "
                        "there, or leave the slide out."
                    )
