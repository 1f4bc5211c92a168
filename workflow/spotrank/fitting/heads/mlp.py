"""Layers with a non-linearity."""

from spotrank.fitting.heads.head import Head, affine, apply, at_least, share


class MLP(Head):
    """Layers of affine map, batch norm, ReLU and dropout, then a linear one (STRank)."""

    def __init__(self, dimension, n_genes, width=256, layers=2, dropout=0.5):
        super().__init__(dimension, n_genes)
        self.width = at_least(1, width, "mlp", "width")
        self.layers = at_least(1, layers, "mlp", "layers")
        self.dropout = share(dropout, "mlp", "dropout")

    def start(self, generator):
        import torch

        start, dimension = {}, self.dimension
        for layer in range(self.layers):
            own = affine(f"layer{layer}_", dimension, self.width, generator)
            del own[f"layer{layer}_bias"]  # batch norm would take it out again
            ones = torch.ones(1, self.width, device=generator.device)
            start |= own | {
                f"layer{layer}_scale": ones,
                f"layer{layer}_shift": ones * 0,
                f"layer{layer}_running_mean": ones * 0,
                f"layer{layer}_running_variance": ones.clone(),
            }
            dimension = self.width
        return start | affine("", dimension, self.n_genes, generator)

    def score(self, parameters, x, place, generator=None):
        x = x.expand(len(parameters["weight"]), -1, -1)
        for layer in range(self.layers):
            own = {
                key.removeprefix(f"layer{layer}_"): value
                for key, value in parameters.items()
                if key.startswith(f"layer{layer}_")
            }
            x = _batch_norm(own, x.bmm(own["weight"]), training=generator is not None).relu()
            if generator is not None and self.dropout:
                # the same for all runs of a seed
                uniform = x.new_empty(x.shape[1:]).uniform_(generator=generator)
                x = x * (uniform >= self.dropout) / (1 - self.dropout)
        return apply(parameters, "", x)

    def hidden(self):
        return 5 * self.layers * self.width


def _batch_norm(own, x, training, momentum=0.1, tiny=1e-5):
    """As torch.nn.BatchNorm1d, a layer of each run: `x (runs, n_spots, width)`."""
    mean, variance = own["running_mean"], own["running_variance"]
    if training:
        mean_now, variance_now = x.mean(1, keepdim=True), x.var(1, keepdim=True, correction=0)
        unbiased = variance_now.detach() * (x.shape[1] / max(x.shape[1] - 1, 1))
        mean.lerp_(mean_now.detach(), momentum)
        variance.lerp_(unbiased, momentum)
        mean, variance = mean_now, variance_now
    return (x - mean) * (variance + tiny).rsqrt() * own["scale"] + own["shift"]
