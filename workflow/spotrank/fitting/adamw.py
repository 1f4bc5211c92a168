"""AdamW of tensors of which rows leave while they train.

The steps are PyTorch's own. `torch.optim.AdamW` would load PyTorch's compiler too: a third of the
time of a small job.
"""

import torch
from torch.optim.adamw import adamw


class AdamW:
    """Moments `{name: (mean, square, steps)}` of the tensors that were moved so far."""

    def __init__(self, learning_rate, weight_decay):
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.moments = {}

    @torch.no_grad()
    def step(self, tensors):
        """Move each of `{name: tensor}` that has a gradient, and forget the gradient."""
        moved = {name: x for name, x in tensors.items() if x.grad is not None}
        for name in moved.keys() - self.moments.keys():
            x = moved[name]
            steps = torch.zeros((), device=x.device)
            self.moments[name] = torch.zeros_like(x), torch.zeros_like(x), steps
        means, squares, steps = map(list, zip(*map(self.moments.get, moved), strict=True))
        adamw(
            [*moved.values()],
            [x.grad for x in moved.values()],
            means,
            squares,
            [],
            steps,
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self.learning_rate,
            weight_decay=self.weight_decay,
            eps=1e-8,
            maximize=False,
        )
        for x in moved.values():
            x.grad = None

    def keep(self, rows):
        """Go on with these rows of all tensors."""
        for name, (mean, square, steps) in self.moments.items():
            self.moments[name] = mean[rows], square[rows], steps
