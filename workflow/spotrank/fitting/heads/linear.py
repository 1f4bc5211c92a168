"""Linear heads."""

from spotrank.fitting.heads.head import Head, affine, apply, at_least


class Linear(Head):
    """A weight a feature and gene."""

    trunk = False

    def start(self, generator):
        return affine("", self.dimension, self.n_genes, generator)

    def score(self, parameters, x, place, generator=None):
        return apply(parameters, "", x.expand(len(parameters["weight"]), -1, -1))


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
        x = x.expand(len(parameters["weight"]), -1, -1)
        return apply(parameters, "", apply(parameters, "trunk_", x))

    def hidden(self):
        return self.rank
