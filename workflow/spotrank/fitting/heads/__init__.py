"""Heads: from what is known of a spot to one score a gene, many runs at once.

A head is a class and a row of `HEADS`: `HEADS[name](dimension, n_genes, **options)`. It has

- `start(generator)`: the first parameters of one run, a dict of tensors on the generator's device;
  those whose name says `running_` or `tracked` are kept but not trained;
- `score(parameters, x, place, generator=None)`: parameters with a leading axis of runs, spots
  `x (n_spots, dimension)` and their `place (n_spots, 2)` in µm, to scores
  `(runs, n_spots, n_genes)`; a generator is given in training only;
- or, in place of training, `solve(train, validation, monitor, penalty=None)`: the parameters at
  once, of a run for each of `labels`, which tables call its loss. Those that it chooses by
  validation it returns as `penalty (runs,)`, and takes where there is none.

`sees` says what `x` is: 'embeddings', 'patches' (uint8 `(n_spots, px, px, 3)`), or 'either';
`slides` that a batch has to be a whole slide; `alone` that it takes one run at a time; `trunk` that
genes share some of its weights; `scales` that it standardises embeddings itself; `training` is what
it was published with. Options are checked before torch is imported. Parameters whose name begins
with `spots_` are training spots, which are not written with the others.
"""

from functools import partial

from spotrank.fitting.heads.floor import Floor
from spotrank.fitting.heads.linear import Linear, LowRank
from spotrank.fitting.heads.mlp import MLP
from spotrank.fitting.heads.modules import FineTune, HisToGene
from spotrank.fitting.heads.nearest import Nearest
from spotrank.fitting.heads.ridge import Ridge

HEADS = {
    "linear": Linear,
    "low_rank": LowRank,
    "mlp": MLP,
    "ridge": Ridge,
    "hest_bench": partial(Ridge, pca=256, alpha="hest", intercept=False),
    "nearest": Nearest,
    "histogene": HisToGene,
    "finetune": FineTune,
}

ALL = HEADS | {"floor": Floor}  # those that a config may name, and the floors' own
OF_FLOORS = ("floor", "nearest")  # labels, in tables, of the heads that floors have
GIVEN = "given"  # label, in tables, of what other tools predicted; each is a loss of it
