"""A bundle: one folder with a model, what it was trained on and what to expect of it.

`bundle.json` tells everything but the numbers, with the hashes of the other files;
`weights.safetensors` holds the head's parameters with a leading axis of seeds and the line to log1p
units, `home.safetensors` what `home.measure` gives, `genes.tsv` what `expected.expected` gives, and
`README.md` is for people. Nothing in it is pickled.
"""

import hashlib
import io
import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from spotrank.base.provenance import digest
from spotrank.base.store import InputError, whole
from spotrank.bundles import home
from spotrank.bundles.entry import spec_of
from spotrank.encoders import loading, registry
from spotrank.fitting import predict
from spotrank.fitting.batches import blocks, slides_of
from spotrank.fitting.heads import ALL

FORMAT, UNITS = 1, "log1p"
LINE = ("slope", "intercept")
FILES = ("weights.safetensors", "home.safetensors", "genes.tsv")
NEEDED = (
    "id",
    "row",
    "encoder",
    "patches",
    "dimension",
    "head",
    "units",
    "scaling",
    "genes",
    "sha256",
)


def write(folder, about, parameters, line, of_home, genes):
    """Write a bundle but its card; `bundle.json` last, so that it is never there without the rest.

    about: what `bundle.json` is to hold besides format, id and hashes; parameters: of the head,
    `(seeds, …)`; line: `slope, intercept (seeds, n_genes)`; of_home: of `home.measure`; genes:
    DataFrame, see `expected.expected`. Returns all of `bundle.json`. Raises `InputError` for
    parameters that are no numbers.
    """
    import torch
    from safetensors.torch import save

    tensors = parameters | dict(zip(LINE, map(torch.as_tensor, line), strict=True))
    for name, own in tensors.items():
        if own.is_floating_point() and not torch.isfinite(own).all():
            raise InputError(
                f"{folder}: the model diverged ('{name}' is not finite); name another row by "
                "'bundle'."
            )
    kept = {name: torch.as_tensor(np.asarray(own)) for name, own in of_home.items()}
    contents = {
        "weights.safetensors": save({key: own.contiguous() for key, own in tensors.items()}),
        "home.safetensors": save(kept),
        "genes.tsv": genes.to_csv(sep="\t").encode(),
    }
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    about = {"format": FORMAT, "units": UNITS} | about | {"sha256": hashes}
    # of what decides a prediction, not of where and when
    encoder = about["encoder"]["spec"]
    if isinstance(encoder, dict):
        encoder = {key: own for key, own in registry.decides(encoder).items() if key != "weights"}
    told = [about[key] for key in ("patches", "head", "genes")]
    about["id"] = digest([encoder, about["encoder"].get("about"), hashes, *told])
    contents["bundle.json"] = json.dumps(about, indent=1, ensure_ascii=False).encode()
    for name, content in contents.items():
        with whole(Path(folder) / name) as path:
            path.write_bytes(content)
    return about


def read(folder):
    """The `Bundle` in a folder.

    `InputError` where it is none, of another format or other units, or not whole.
    """
    folder = Path(folder)
    manifest = folder / "bundle.json"
    if not manifest.is_file():
        raise InputError(
            f"{folder}: is no bundle, for there is no bundle.json; make one by `snakemake bundle`, "
            "or correct 'bundle'."
        )
    try:
        about = json.loads(manifest.read_text(encoding="utf-8"))
        version = about["format"]
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{manifest}: is not readable; get the bundle again.") from None
    if version != FORMAT:
        raise InputError(
            f"{manifest}: is of format {version}, but this version of spotrank reads {FORMAT}; "
            "take a version that reads it, or make the bundle anew."
        )
    if lacking := [key for key in NEEDED if key not in about]:
        raise InputError(f"{manifest}: lacks '{lacking[0]}'; get the bundle again.")
    if about["units"] != UNITS:
        raise InputError(
            f"{manifest}: predicts in units of '{about['units']}', but only {UNITS} can be used; "
            "make the bundle anew."
        )
    contents = {name: _content(folder / name, about["sha256"].get(name)) for name in FILES}
    return Bundle(about, contents)


def _content(path, sha256):
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; get the bundle again.") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(
            f"{path}: is not the file that bundle.json tells of, by its hash; get the bundle again."
        )
    return content


class Bundle:
    """What `read` gives: `about`, the dict of bundle.json; `genes`, DataFrame of `expected.COLUMNS`
    and `id` by gene; and the model.

    spec: the encoder's entry, see `registry.resolve`; sees: 'embeddings' or 'patches', what
    `predict` takes; home_encoder: whose embeddings `distance` takes.
    """

    def __init__(self, about, contents):
        from safetensors.torch import load

        self.about = about
        self.spec = spec_of(about)
        self.genes = pd.read_csv(
            io.BytesIO(contents["genes.tsv"]), sep="\t", index_col="gene",
            dtype={"gene": str, "id": str, "predictable": str}, keep_default_na=False,
            na_values={name: [""] for name in ("spearman", "spearman_low", "spearman_high",
                                               "ceiling_spearman", "share")},
        )  # fmt: skip
        self._parameters = load(contents["weights.safetensors"])
        line = (self._parameters.pop(name).numpy() for name in LINE)
        self._slope, self._intercept = line
        self._home = {key: own.numpy() for key, own in load(contents["home.safetensors"]).items()}

    @property
    def side_um(self):
        """Side of a patch in µm."""
        return self.about["patches"]["size"] * self.about["patches"]["um_per_px"]

    @property
    def sees(self):
        return self.about["head"]["sees"]

    @property
    def home_encoder(self):
        return self.about["encoder"]["home"]

    def head(self, dimension):
        """The head for embeddings `(n, dimension)`, or patches of as many numbers."""
        options = dict(self.about["head"]["options"])
        if self.about["head"]["head"] == "finetune":
            # its weights are the bundle's
            options["network"] = partial(loading.network, **(self.spec | {"weights": "random"}))
        n_genes = self.about["head"]["n_genes"]
        return ALL[self.about["head"]["head"]](dimension, n_genes, **options)

    def predict(self, x, place, slide=None):
        """Yield `(slice of spots, predictions (n, n_genes) float32)` in log1p units, the mean over
        seeds.

        x: embeddings `(n, d)` or uint8 patches `(n, px, px, 3)`, an array or a data set of HDF5;
        place: in µm `(n, 2)`; slide: number of each spot's slide, those of one together, by default
        all of one. Raises `InputError` for embeddings of another dimension.
        """
        dimension = int(np.prod(x.shape[1:]))
        if dimension != self.about["dimension"]:
            raise InputError(
                f"the bundle {self.about['id']} takes {self.about['dimension']} numbers a spot, "
                f"not {dimension}; give embeddings of {self.about['encoder']['name']}."
            )
        head = self.head(dimension)
        slide = np.zeros(len(x), int) if slide is None else slide
        n_panel = self._slope.shape[1]
        for block in slides_of(slide) if head.neighbours else blocks(head, slide):
            own = SimpleNamespace(x=x[block], place=place[block], tissue=slide[block], whole=None)
            mean = np.zeros((len(own.x), n_panel))
            for seed, part, score in predict.scores(self._parameters, head, own, n_panel):
                mean[part] += score * self._slope[seed] + self._intercept[seed]
            yield block, (mean / len(self._slope)).astype(np.float32)

    def distance(self, x):
        """Distance of embeddings `(n, d)` from the training's, in units of what 99 % of held-out
        training spots keep below `(n,)`."""
        own = home.distance(x, self._home["mean"], self._home["whiten"])
        return own / self._home["threshold"]
