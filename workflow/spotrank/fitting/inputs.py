"""What a fit reads: the spots of its samples with their embeddings or patches, and its genes."""

from dataclasses import dataclass
from functools import partial
from itertools import tee

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from spotrank.base import provenance
from spotrank.base.store import read_h5ad
from spotrank.encoders import embed, loading, registry, stored, weights
from spotrank.fitting.batches import Spots, assemble
from spotrank.genes import panel
from spotrank.spots import floors


@dataclass
class Inputs:
    """`spots` of all samples; `genes`, the `n_panel` of the panel and then auxiliary ones; the
    `head (name, options)`; where they come from: `parents`, records of files that stages made,
    `files` that none made, and what is known of `encoders` that train as well."""

    spots: Spots
    genes: list
    n_panel: int
    head: tuple
    parents: list
    files: list
    encoders: dict


class Reader:
    """What reads the files of a fit; `pieces`: see `batches.assemble`."""

    pieces = None

    def spots(self, path):
        """The AnnData of a sample's spots."""
        return read_h5ad(path)

    def embeddings(self, made_by, path, st):
        """The `(barcodes, vectors)` of a sample; see `stored.read`, or `read_given` for None."""
        return stored.read(path, made_by) if made_by else stored.read_given(path, st)


def read(params, given, encoder, threads, known=None, reader=None):
    """The `Inputs` of a fit, or of a model's test.

    params: of `made_by.fit`; given: lists of input files by name; encoder: what the config calls
    it; threads: to read patches with; known: genes, number of the panel's and records of a model,
    whose genes samples may lack; reader: `together.Together`, where fits share what is read. Raises
    `InputError` for what does not fit together.
    """
    genes, n_panel, parents = known or _genes(given, params["auxiliary"]["number"])
    options, encoders = dict(params["head"]["options"]), {}
    reader = reader or Reader()
    samples, again = tee(map(reader.spots, given["spots"]))
    if known:
        samples = map(partial(_uncounted, genes), samples)
    if "st" in given:
        px = registry.PIXELS
        if params["encoder"] != "pixels":
            options["network"] = partial(loading.network, **params["encoder"])
            px = loading.input_size(params["encoder"])
            of_weights = weights.identity(params["encoder"])
            encoders = {encoder: registry.decides(params["encoder"]) | of_weights}
        features = _patches(px, params, given, threads)
    else:
        read_of = partial(reader.embeddings, params["embeddings"])
        features = map(read_of, given["embeddings"], given["spots"])
    if "floors" in options:
        embedded = features if given["embeddings"] else [None] * len(given["spots"])
        features = map(partial(floors.features, options["floors"]), again, embedded)
    of_fold = params["fold"], params["gap_um"], params["samples"]
    spots = assemble(*of_fold, samples, features, genes, reader.pieces)
    names = ("st", "metadata", "wsi", "patch_file", "weights", "embeddings")
    made = _made(params, given)
    files = [path for name in names for path in given.get(name, []) if path not in made]
    parents += map(provenance.read, made)
    head = params["head"]["head"], options
    return Inputs(spots, genes, n_panel, head, parents, files, encoders)


def parents(params, given):
    """Records of the files of a fit that other stages made, see `read`."""
    lists = [panel.load(path)[1] for path in [*given["panel"], *given["ranking"]]]
    return lists + list(map(provenance.read, _made(params, given)))


def _made(params, given):
    """Spots, and embeddings but those that are given."""
    return [*given["spots"], *(given.get("embeddings", []) if params["embeddings"] else [])]


def _genes(given, number):
    """The panel and `number` genes of the ranking, if there is one; how many are the panel's; the
    records of both."""
    genes, of_panel = panel.load(given["panel"][0])
    if not given["ranking"]:
        return genes, len(genes), [of_panel]
    ranking, of_ranking = panel.load(given["ranking"][0])
    chosen = set(genes)
    others = [gene for gene in ranking if gene not in chosen]
    others = others if number == "all" else others[:number]
    return genes + others, len(genes), [of_panel, of_ranking]


def _uncounted(genes, spots):
    """AnnData of the spots and `genes` without a count, of which a model's test has no use."""
    none = sparse.csr_matrix((spots.n_obs, len(genes)), dtype=np.float32)
    return AnnData(none, spots.obs, pd.DataFrame(index=genes), spots.uns, spots.obsm)


def _patches(px, params, given, threads):
    images = given.get("wsi"), given.get("patch_file")
    images = [own or [None] * len(params["samples"]) for own in images]
    return (
        embed.all_patches(px, params["patches"], *paths, threads=threads)
        for paths in zip(given["st"], given["metadata"], *images, strict=True)
    )
