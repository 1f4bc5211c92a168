"""Message passing between neighbours."""

from types import MappingProxyType

from spotrank.fitting.heads.head import Head, affine, apply, at_least, share
from spotrank.fitting.heads.places import around, averaging


class Graph(Head):
    """Layers of messages over the graph of a slide's spots, after Hist2ST (Zeng et al. 2022).

    Each layer adds to a spot's features a map of them beside the mean of its neighbours'
    (GraphSAGE), the first from a linear map of the embeddings; genes are read off the embedding and
    the features of all layers, of which training drops some. Hist2ST reads them off the layers'
    features by an LSTM, and encodes patches by a network of its own.
    """

    slides, training = True, MappingProxyType({"learning_rate": 1e-3})

    def __init__(
        self, dimension, n_genes, width=128, layers=2, neighbours=36, radius_um=500.0, dropout=0.2
    ):
        super().__init__(dimension, n_genes)
        self.width = at_least(1, width, "graph", "width")
        self.layers = at_least(1, layers, "graph", "layers")
        self.k = at_least(1, neighbours, "graph", "neighbours")
        self.radius = at_least(1, radius_um, "graph", "radius_um")
        self.dropout = share(dropout, "graph", "dropout")

    def start(self, generator):
        start = affine("in_", self.dimension, self.width, generator)
        for layer in range(self.layers):
            start |= affine(f"layer{layer}_", 2 * self.width, self.width, generator)
        n_features = self.dimension + (self.layers + 1) * self.width
        return start | affine("", n_features, self.n_genes, generator)

    def score(self, parameters, x, place, generator=None):
        import torch
        from torch.nn.functional import layer_norm

        mean = averaging(around(place, self.k, self.radius))
        direct = x.expand(len(parameters["bias"]), -1, -1)
        x = apply(parameters, "in_", direct)
        features = [x]
        for layer in range(self.layers):
            of_runs = x.transpose(0, 1)
            message = torch.sparse.mm(mean, of_runs.flatten(1)).view_as(of_runs).transpose(0, 1)
            moved = apply(parameters, f"layer{layer}_", torch.cat((x, message), -1)).relu()
            x = layer_norm(x + self._dropped(moved, generator), (self.width,))
            features.append(x)
        features = self._dropped(torch.cat(features, -1), generator)
        return apply(parameters, "", torch.cat((direct, features), -1))

    def _dropped(self, x, generator):
        if generator is None or not self.dropout:
            return x
        # the same for all runs of a seed
        uniform = x.new_empty(x.shape[1:]).uniform_(generator=generator)
        return x * (uniform >= self.dropout) / (1 - self.dropout)

    def hidden(self):
        return self.width * (7 * self.layers + 3)
