"""The network of the head `flow`, apart from its options, which are checked without torch."""

import torch
from torch import nn
from torch.nn.functional import gelu

from spotrank.fitting.heads.places import gathered


class Network(nn.Module):
    """The expression of a slide, told from embeddings and from expression mixed with noise."""

    UNREAD = 0.3  # of the features in training, when genes are read off, or they learn by heart

    def __init__(self, dimension, n_genes, width, layers, heads, dropout):
        super().__init__()
        self.embedding, self.mixed = nn.Linear(dimension, width), nn.Linear(n_genes, width)
        self.share = nn.Linear(1, width)
        self.layers = nn.ModuleList(Layer(width, heads, dropout) for _ in range(layers))
        self.norm, self.last = nn.LayerNorm(width), nn.Linear(width, n_genes)
        self.unread = nn.Dropout(self.UNREAD)
        self.direct = nn.Linear(dimension, n_genes)

    def forward(self, x, mixed, share, where):
        """Of `x (n, d)`, `mixed (…, n, n_genes)` and the share of expression in it; where: of
        `places.around`. What the mixture alone tells, of expression and noise of unit variance,
        comes first, and the network adds to it; of mere noise it sees nothing (after Karras et al.
        2022)."""
        length = (share**2 + (1 - share) ** 2).sqrt()
        direct, told = self.direct(x), share / length**2 * mixed
        x = self.embedding(x) + self.mixed(share / length * mixed) + self.share(share[None])
        for layer in self.layers:
            x = layer(x, where)
        return told + (1 - share) / length * (direct + self.last(self.unread(self.norm(x))))


class Layer(nn.Module):
    """Attention of each spot to itself and its neighbours, by their distances, then two maps."""

    BUMPS = 16  # functions of the distance, up to 5 mm

    def __init__(self, width, heads, dropout):
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.of_distance = nn.Linear(self.BUMPS, heads)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, where):
        x = x + self.dropout(self.attention(self.before(x), where))
        return x + self.dropout(self.narrow(gelu(self.wide(self.between(x)))))

    def attention(self, x, where):
        query, key, value = (layer(x) for layer in (self.query, self.key, self.value))
        query = query.unflatten(-1, (self.heads, -1))[..., None, :, :]
        key, value = (
            torch.cat((own[..., None, :], gathered(own, where)), -2).unflatten(-1, (self.heads, -1))
            for own in (key, value)
        )  # (…, n, 1 + k, heads, c)
        itself = torch.zeros_like(where.distance[:, :1])
        bias = self.of_distance(self.bumps(torch.cat((itself, where.distance), 1)))
        bias = bias + torch.cat((itself + 1, where.weight), 1).log()[:, :, None]
        share = ((query * key).sum(-1) / key.shape[-1] ** 0.5 + bias).softmax(-2)
        return self.out((share[..., None] * value).sum(-3).flatten(-2))

    def bumps(self, distance):
        """Of the logarithm of the distance in µm."""
        centres = torch.linspace(0, 4, self.BUMPS, device=distance.device)
        return (-8 * ((distance[..., None] / 100).log1p() - centres).square()).exp()
