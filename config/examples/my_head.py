"""A head of one's own: the spot beside the mean of its neighbours."""

import torch
from torch import nn


class MyHead(nn.Module):
    def __init__(self, dimension, n_genes, width=64):
        super().__init__()
        self.spot = nn.Linear(dimension, width)
        self.near = nn.Linear(dimension, width)
        self.out = nn.Linear(width, n_genes)

    def forward(self, x, place, neighbours=None):
        mean = neighbours.x.sum(1) / neighbours.there.sum(1, keepdim=True).clamp(min=1)
        return self.out(torch.relu(self.spot(x) + self.near(mean)))
