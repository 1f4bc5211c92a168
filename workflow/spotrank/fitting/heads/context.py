"""A spot beside an order-free set of its neighbours."""

from spotrank.fitting.heads.head import Head, affine, apply, at_least, share


class Context(Head):
    """A spot and the set of its neighbours, after DeepSpot (Nonchev et al. 2025).

    φ, two layers, maps each neighbour's embedding with its relative place; ρ, a layer and a linear
    one, maps the spot's own features beside the mean of φ over its neighbours. Nothing hangs on the
    neighbours' order or number. DeepSpot has sub-spots besides, and neighbours without places.
    """

    RINGS = 4  # bumps along the distance, from 0 to the radius

    def __init__(self, dimension, n_genes, width=128, neighbours=36, radius_um=400.0, dropout=0.2):
        super().__init__(dimension, n_genes)
        self.width = at_least(1, width, "context", "width")
        self.neighbours = at_least(1, neighbours, "context", "neighbours")
        self.radius_um = at_least(1, radius_um, "context", "radius_um")
        self.dropout = share(dropout, "context", "dropout")

    def start(self, generator):
        width, of_place = self.width, 3 + self.RINGS
        return (
            affine("spot_", self.dimension, width, generator)
            | affine("phi0_", self.dimension + of_place, width, generator)
            | affine("phi1_", width, width, generator)
            | affine("rho_", 2 * width, width, generator)
            | affine("", self.dimension + width, self.n_genes, generator)
        )

    def score(self, parameters, x, place, generator=None, around=None):
        import torch

        runs, there = len(parameters["bias"]), around.there.flatten()
        seen = torch.cat((around.x, relative(around.place, self.radius_um, self.RINGS)), -1)
        seen = seen.flatten(0, 1)[None].expand(runs, -1, -1)
        phi = apply(parameters, "phi0_", seen).relu()
        phi = apply(parameters, "phi1_", phi).relu() * there[:, None]
        pooled = phi.unflatten(1, around.there.shape).sum(2)
        pooled = pooled / around.there.sum(1).clamp(min=1)[:, None]
        x = x.expand(runs, -1, -1)
        own = apply(parameters, "spot_", x).relu()
        features = apply(parameters, "rho_", torch.cat((own, pooled), -1)).relu()
        if generator is not None and self.dropout:
            # the same for all runs of a seed
            uniform = features.new_empty(features.shape[1:]).uniform_(generator=generator)
            features = features * (uniform >= self.dropout) / (1 - self.dropout)
        return apply(parameters, "", torch.cat((x, features), -1))

    def hidden(self):
        return self.width * (4 * self.neighbours + 7)


def relative(place, radius_um, rings):
    """Places `(…, 2)` from a spot in µm as features `(…, 3 + rings)`: direction and distance over
    the radius, and bumps along the distance."""
    import torch

    place = place / radius_um
    distance = place.norm(dim=-1, keepdim=True)
    centres = torch.linspace(0, 1, rings, device=place.device)
    bumps = (-(((distance - centres) * (rings - 1)) ** 2)).exp()
    return torch.cat((place, distance, bumps), -1)
