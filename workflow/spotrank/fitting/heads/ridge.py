"""Heads that are solved in closed form."""

from spotrank.base.store import InputError
from spotrank.fitting.heads.head import Head, apply, at_least


class Ridge(Head):
    """Ridge regression of the target in closed form, every alpha from one decomposition.

    Features are standardised on the spots that it is fitted to, and reduced to `pca` principal
    components if given.

    alpha: penalty, 'validation' to choose it there by the study's `monitor`, or 'hest', 100 /
    (components × genes). A given alpha needs no validation, so validation spots train as well.
    """

    trunk, scales, labels = False, True, ("mse",)
    ALPHAS = tuple(10 ** (step / 4) for step in range(-24, 17))  # × the mean squared singular value

    def __init__(
        self,
        dimension,
        n_genes,
        pca: int | None = None,
        alpha: float | str = "validation",
        intercept=True,
    ):
        super().__init__(dimension, n_genes)
        self.pca = pca if pca is None else at_least(1, pca, "ridge", "pca")
        if alpha not in ("validation", "hest") and (isinstance(alpha, str) or alpha < 0):
            raise InputError(
                f"config: heads: the option 'alpha' of 'ridge' is {alpha!r}; "
                "give a number from 0 on, 'validation' or 'hest'."
            )
        self.alpha, self.intercept = alpha, intercept

    def solve(self, train, validation, monitor, penalty=None):
        """Parameters `(1, …)` in float64; `penalty` is alpha / the mean squared singular value.

        train, validation: with `x` and `target` as tensors; monitor: `monitor(score, validation)`
        gives `(runs,)`, the lower the better; penalty: in place of a choice by validation, of which
        there is then none.
        """
        import torch

        x, y = train.x.double(), train.target.double()
        if self.alpha != "validation" and validation is not None:
            x = torch.cat((x, validation.x.double()))
            y = torch.cat((y, validation.target.double()))
        centre, spread = x.mean(0), x.std(0, correction=0)
        spread[spread <= 1e-12 * centre.abs()] = 1
        offset = y.mean(0) * self.intercept
        left, size, right = torch.linalg.svd((x - centre) / spread, full_matrices=False)
        rank = int((size > size[0] * 1e-12).sum())
        k = min(self.pca or rank, rank)
        left, size, right = left[:, :k], size[:k], right[:k]
        projected = left.mT @ (y - offset)

        def weights(alpha):
            return right.mT @ ((size / (size.square() + alpha))[:, None] * projected)

        unit = float(size.square().mean())
        if self.alpha == "validation" and penalty is not None:
            alpha = float(penalty[0]) * unit
        elif self.alpha == "validation":
            if validation is None:
                raise InputError(
                    "the folds' weights.safetensors don't tell their penalties; delete these fits "
                    "and run again."
                )
            x = (validation.x.double() - centre) / spread
            alphas = [alpha * unit for alpha in self.ALPHAS]
            worth = [
                float(monitor((x @ weights(alpha) + offset)[None], validation)) for alpha in alphas
            ]
            alpha = alphas[worth.index(min(worth))]
        else:
            alpha = 100 / (k * self.n_genes) if self.alpha == "hest" else self.alpha
        weight = weights(alpha) / spread[:, None]
        return {
            "weight": weight[None],
            "bias": (offset - centre @ weight)[None, None],
            "penalty": weight.new_tensor([alpha / unit]),
        }

    def score(self, parameters, x, place, generator=None):
        return apply(parameters, "", x.to(parameters["weight"].dtype)[None])
