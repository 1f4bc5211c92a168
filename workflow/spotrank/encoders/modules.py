"""Modules that encoders are made of, beside those of timm and transformers."""

from functools import partial
from itertools import pairwise

import timm
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention


class TokenAndMean(nn.Module):
    """The class token and the mean of the patch tokens, side by side `(n, 2d)`."""

    def __init__(self, trunk):
        super().__init__()
        self.trunk = trunk

    def forward(self, x):
        tokens = self.trunk.forward_features(x)
        return torch.cat([tokens[:, 0], tokens[:, self.trunk.num_prefix_tokens :].mean(1)], 1)


class Tokens(nn.Module):
    """A transformers model behind timm's names; tokens are class, registers, patches."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.num_prefix_tokens = 1 + getattr(model.config, "num_register_tokens", 0)

    def forward_features(self, x):
        return self.model(pixel_values=x).last_hidden_state

    def forward(self, x):
        return self.forward_features(x)[:, 0]


class Output(nn.Module):
    """An output of a transformers model, by its name there."""

    def __init__(self, model, name):
        super().__init__()
        self.model, self.name = model, name

    def forward(self, x):
        return self.model(pixel_values=x)[self.name]


class ChannelByChannel(nn.Module):
    """A network of grey images on red, green and blue in turn, side by side `(n, 3d)`."""

    def __init__(self, trunk):
        super().__init__()
        self.trunk = trunk

    def forward(self, x):
        return self.trunk(x.flatten(0, 1)[:, None]).unflatten(0, x.shape[:2]).flatten(1)


class AttentionPooled(nn.Module):
    """A ViT whose tokens one learnt query pools by attention, as CONCH has it; `(n, dimension)`.

    projected: whether a linear layer follows, as in open_clip's CoCa. Names are those of CONCH's
    checkpoints.
    """

    def __init__(self, pool, trunk, dimension, projected=False):
        super().__init__()
        self.trunk, self.attn_pool_contrast = trunk, pool(dimension, trunk.embed_dim)
        self.ln_contrast = nn.LayerNorm(dimension)
        self.proj = nn.Linear(dimension, dimension, bias=False) if projected else nn.Identity()

    def forward(self, x):
        pooled = self.attn_pool_contrast(self.trunk.forward_features(x))[:, 0]
        return self.proj(self.ln_contrast(pooled))


class MultiheadPool(nn.Module):
    """CONCH's query: tokens `(n, tokens, width)` to `(n, 1, d)` by torch's own attention."""

    def __init__(self, d, width, heads=8):
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, d))
        self.ln_q, self.ln_k = nn.LayerNorm(d), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(d, heads, kdim=width, vdim=width, batch_first=True)

    def forward(self, tokens):
        query, tokens = self.ln_q(self.query).expand(len(tokens), 1, -1), self.ln_k(tokens)
        return self.attn(query, tokens, tokens, need_weights=False)[0]


class ProjectedPool(nn.Module):
    """CONCH v1.5's query: the same with projections that have no bias."""

    def __init__(self, d, width, heads=8):
        super().__init__()
        self.heads, self.query = heads, nn.Parameter(torch.randn(1, d))
        self.ln_q, self.ln_k = nn.LayerNorm(d), nn.LayerNorm(width)
        self.to_q, self.to_out = nn.Linear(d, d, bias=False), nn.Linear(d, d, bias=False)
        self.to_kv = nn.Linear(width, 2 * d, bias=False)

    def forward(self, tokens):
        query = self.to_q(self.ln_q(self.query)).expand(len(tokens), 1, -1)
        q, k, v = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in (query, *self.to_kv(self.ln_k(tokens)).chunk(2, 2))
        )
        return self.to_out(scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class ConvStem(nn.Module):
    """CTransPath's patch embedding: two strided convolutions and a projection, `(n, h, w, d)`."""

    def __init__(self, img_size, patch_size, in_chans, embed_dim, norm_layer, **_):
        super().__init__()
        self.grid_size = tuple(px // patch_size for px in timm.layers.to_2tuple(img_size))
        widths, layers = (in_chans, embed_dim // 8, embed_dim // 4), []
        for narrow, wide in pairwise(widths):
            conv = nn.Conv2d(narrow, wide, 3, stride=2, padding=1, bias=False)
            layers += [conv, nn.BatchNorm2d(wide), nn.ReLU()]
        self.proj = nn.Sequential(*layers, nn.Conv2d(widths[-1], embed_dim, 1))
        self.norm = norm_layer(embed_dim)

    def forward(self, x):
        return self.norm(self.proj(x).permute(0, 2, 3, 1))


# what a row's `arguments` may name
MODULES = {
    "SwiGLUPacked": timm.layers.SwiGLUPacked,
    "SiLU": nn.SiLU,
    "LayerNorm1e-6": partial(timm.layers.LayerNorm, eps=1e-6),
    "ConvStem": ConvStem,
}
QUERIES = {
    "multihead_query": partial(AttentionPooled, MultiheadPool),
    "projected_query": partial(AttentionPooled, ProjectedPool),
    "coca_query": partial(AttentionPooled, MultiheadPool, projected=True),
}
