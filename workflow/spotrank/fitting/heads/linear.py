"""Linear heads."""

from spotrank.fitting.heads.head import Head, affine, apply, at_least, shared


class Linear(Head):
    """A weight a feature and gene."""

    trunk, by_seed = False, False

    def start(self, generator):
        return affine("", self.dimension, self.n_genes, generator)

    def score(self, parameters, x, place, generator=None):
        return shared(parameters, "", x)


class LowRank(Linear):
    """Genes share `rank` linear features of the embedding, and so borrow strength."""

    trunk = True

    def __init__(self, dimension, n_genes, rank=8):
        super().__init__(dimension, n_genes)
        self.rank = at_least(1, rank, "low_rank", "rank")

    def start(self, generator):
        trunk = affine("trunk_", self.dimension, self.rank, generator)
        return trunk | affine("", self.rank, self.n_genes, generator)

    def score(self, parameters, x, place, generator=None):
        return apply(parameters, "", shared(parameters, "trunk_", x))

    def hidden(self):
        return self.rank
