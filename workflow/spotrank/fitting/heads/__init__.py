"""Heads: from what is known of a spot to one score a gene, many runs at once.

A head is a class and a row of `HEADS`: `HEADS[name](dimension, n_genes, **options)`. It has

- `start(generator)`: the first parameters of one run, a dict of tensors on the generator's device;
  those whose name says `running_` or `tracked` are kept but not trained;
- `score(parameters, x, place, generator=None, around=None)`: parameters with a leading axis of
  runs, spots `x (n_spots, dimension)` and their `place (n_spots, 2)` in µm, to scores
  `(runs, n_spots, n_genes)`; a generator is given in training only, and `around`, see
  `surroundings.Neighbours`, to heads that ask for so many `neighbours` within `radius_um`;
- or, in place of training, `solve(train, validation, monitor, penalty=None)`: the parameters at
  once, of a run for each of `labels`, which tables call its loss. What it chooses by validation,
  a penalty or a number of trees, it returns as `penalty (runs,)`, and takes where there is none;
- or, in place of a loss, `objective(parameters, side, spots, generator)`: what a run of its one
  label minimises on the training spots `spots` of a `batches.Side`, `(runs,)`;
- `known(parameters, train)`: what `score` is to find among the parameters besides.

`sees` says what `x` is: 'embeddings', 'patches' (uint8 `(n_spots, px, px, 3)`), or 'either';
`slides` that it is to see a whole slide, of whose spots a batch holds some, or all of them if it is
`whole`; `alone` that it takes one run at a time; `trunk` that genes share some of its weights;
`scales` that it standardises embeddings itself; `by_patient` that it is to be told the `patients
{sample: patient}`; `training` is what it was published with. Options are checked before torch is
imported. Parameters whose name begins with `spots_` are training spots, which are not written with
the others.
"""

from functools import partial

from spotrank.fitting.heads.context import Context
from spotrank.fitting.heads.floor import Floor
from spotrank.fitting.heads.flow import Flow
from spotrank.fitting.heads.graph import Graph
from spotrank.fitting.heads.linear import Linear, LowRank
from spotrank.fitting.heads.mlp import MLP
from spotrank.fitting.heads.modules import FineTune, HisToGene
from spotrank.fitting.heads.nearest import Nearest
from spotrank.fitting.heads.own import Own
from spotrank.fitting.heads.retrieval import Retrieval
from spotrank.fitting.heads.ridge import Ridge
from spotrank.fitting.heads.trees import Boosting, Forest
from spotrank.fitting.heads.triplex import Triplex

HEADS = {
    "linear": Linear,
    "low_rank": LowRank,
    "mlp": MLP,
    "context": Context,
    "triplex": Triplex,
    "ridge": Ridge,
    "hest_bench": partial(Ridge, pca=256, alpha="hest", intercept=False),
    "nearest": Nearest,
    "forest": Forest,
    "boosting": Boosting,
    "retrieval": Retrieval,
    "graph": Graph,
    "flow": Flow,
    "histogene": HisToGene,
    "finetune": FineTune,
}

NAMED = HEADS | {"own": Own}  # those that a config may name
ALL = NAMED | {"floor": Floor}  # and the floors' own
OF_FLOORS = ("floor", "nearest")  # labels, in tables, of the heads that floors have
GIVEN = "given"  # label, in tables, of what other tools predicted; each is a loss of it
