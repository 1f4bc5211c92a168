"""Heads that are solved in closed form."""

from spotrank.base.store import InputError
from spotrank.fitting.heads.head import Head, apply, at_least

INNER = 5  # folds


class Ridge(Head):
    """Ridge regression of the target in closed form, every alpha from one decomposition.

    Features are standardised on the spots that it is fitted to, and reduced to `pca` principal
    components if given. All but a choice by Spearman follows from the sides' `sums`.

    alpha: penalty; 'validation' to choose it there by the study's `monitor`; 'inner' to choose it
    by inner folds over the patients of all spots that train or validate, over the samples of one
    patient, or over strips of one sample; or 'hest', 100 / (components × genes). But for
    'validation', validation spots train as well. patients: `{sample: patient}`, for 'inner'.
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
        patients=None,
    ):
        super().__init__(dimension, n_genes)
        self.pca = pca if pca is None else at_least(1, pca, "ridge", "pca")
        words = "validation", "inner", "hest"
        if alpha not in words and (isinstance(alpha, str) or alpha < 0):
            raise InputError(
                f"config: heads: the option 'alpha' of 'ridge' is {alpha!r}; "
                "give a number from 0 on, 'validation', 'inner' or 'hest'."
            )
        self.alpha, self.intercept, self.patients = alpha, intercept, patients
        self.by_patient = alpha == "inner"

    def solve(self, train, validation, monitor, penalty=None):
        """Parameters `(1, …)` in float64; `penalty` is alpha / the mean squared singular value.

        train, validation: `batches.Side`s; monitor: `monitor(score, validation)` gives `(runs,)`,
        the lower the better; penalty: in place of a choice, where nothing is held out.
        """
        if self.alpha != "validation" and validation is not None:
            train = train + validation
        found = Decomposition(train, self.pca, self.intercept)
        if self.alpha == "hest":
            alpha = 100 / (found.n_components * self.n_genes)
        elif self.alpha not in ("validation", "inner"):
            alpha = self.alpha
        elif penalty is not None:
            alpha = float(penalty[0]) * found.unit
        elif validation is None:
            raise InputError(
                "the folds' weights.safetensors don't tell their penalties; delete these fits "
                "and run again."
            )
        else:
            inner = self.alpha == "inner"
            folds = self._inner(train) if inner else [(found, validation)]
            alpha = self._best(folds, monitor) * found.unit
        weight, bias = found.solution(alpha)
        return {
            "weight": weight[None],
            "bias": bias[None],
            "penalty": weight.new_tensor([alpha / found.unit]),
        }

    def _inner(self, train):
        """Yield the `Decomposition` of an inner fold's training spots, and its held-out spots."""
        from sklearn.model_selection import GroupKFold

        groups = [self.patients[sample] for sample in train.sample]
        if len(set(groups)) == 1:
            groups = train.sample
        if len(set(groups)) == 1:
            groups = _strips(train.place)
            train = train.in_pieces(groups)
        folds = GroupKFold(min(INNER, len(set(groups))))
        for part, held_out in folds.split(groups, groups=groups):
            yield Decomposition(train[part], self.pca, self.intercept), train[held_out]

    def _best(self, folds, monitor):
        """The one of ALPHAS that is best in the mean over `folds`."""
        from spotrank.fitting.monitors import squared_error

        worth = [0] * len(self.ALPHAS)
        for found, held_out in folds:
            solutions = (found.solution(alpha * found.unit) for alpha in self.ALPHAS)
            if monitor is squared_error:
                own = held_out.sums.squared_errors(held_out, solutions)
            else:
                x = held_out.x.double()
                own = (float(monitor((x @ weight + bias)[None], held_out))
                       for weight, bias in solutions)  # fmt: skip
            worth = [before + more for before, more in zip(worth, own, strict=True)]
        return self.ALPHAS[worth.index(min(worth))]

    def score(self, parameters, x, place, generator=None):
        return apply(parameters, "", x.to(parameters["weight"].dtype)[None])


def _strips(place):
    """Numbers of INNER strips of as many spots each, across the longer side of a slide."""
    along = place[:, int((place.amax(0) - place.amin(0)).argmax())]
    return along.argsort(stable=True).argsort().cpu().numpy() * INNER // len(place)


class Decomposition:
    """What ridge regressions of all alphas share. `unit` is the mean squared singular value."""

    def __init__(self, side, pca, intercept):
        found, moments = side.sums.axes(side, pca), side.sums.moments(side)
        self.n_components = min(pca or found.most, found.most)
        self.centre, self.spread = found.centre, found.spread
        self.values, self.axes = found.values[: self.n_components], found.axes[: self.n_components]
        self.offset = moments.y * intercept
        self.projected = self.axes @ (moments.xy / self.spread[:, None])
        self.unit = float(self.values.sum() / self.n_components)

    def solution(self, alpha):
        """`weight (d, n_genes), bias (1, n_genes)`, of features as they are."""
        shrunk = self.projected / (self.values + alpha)[:, None]
        weight = (self.axes.mT @ shrunk) / self.spread[:, None]
        return weight, (self.offset - self.centre @ weight)[None]
