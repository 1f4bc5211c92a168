"""The head of the floors that look at no embedding."""

from copy import copy

from spotrank.fitting.heads.ridge import Ridge
from spotrank.spots.floors import FLOORS


class Floor(Ridge):
    """A run a floor, `Ridge` on the floor's own columns of `spots.floors.features`.

    floors: names of `FLOORS`, in the order of the columns.
    """

    def __init__(self, dimension, n_genes, floors=()):
        super().__init__(dimension, n_genes)
        self.labels = tuple(floors)

    def solve(self, train, validation, monitor, penalty=None):
        """Parameters `(floors, …)`; weights of other floors' columns are 0."""
        import torch

        from spotrank.fitting.sums import Sums

        of_column = [i for i, floor in enumerate(self.labels) for _ in FLOORS[floor]]
        solved = []
        for i in range(len(self.labels)):
            own = torch.as_tensor(of_column, device=train.x.device) == i
            sides = copy(train), copy(validation)
            for side in filter(None, sides):
                side.x, side.sums = side.x * own, Sums()
            known = None if penalty is None else penalty[i : i + 1]
            found = super().solve(*sides, monitor, known)
            solved.append(found | {"weight": found["weight"] * own[:, None]})
        return {key: torch.cat([found[key] for found in solved]) for key in solved[0]}
