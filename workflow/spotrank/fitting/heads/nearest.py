"""The mean of the nearest training spots."""

from spotrank.fitting.heads.head import Head, at_least


class Nearest(Head):
    """The mean target of the `k` training spots that are nearest in the embedding (Euclidean)."""

    trunk, labels = False, ("nearest",)

    def __init__(self, dimension, n_genes, k=25):
        super().__init__(dimension, n_genes)
        self.k = at_least(1, k, "nearest", "k")

    def solve(self, train, validation, monitor, penalty=None):
        return {"spots_x": train.x[None], "spots_target": train.target[None]}

    def score(self, parameters, x, place, generator=None):
        import torch

        known, target = parameters["spots_x"][0], parameters["spots_target"][0]
        distance = torch.cdist(x.to(known.dtype), known)
        nearest = distance.topk(min(self.k, len(known)), largest=False).indices
        return torch.nn.functional.embedding_bag(nearest, target, mode="mean")[None]
