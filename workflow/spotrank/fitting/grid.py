"""The runs of a fit that train together: scores, losses and one epoch of all of them at once."""

from functools import partial

import numpy as np
import torch

from spotrank.fitting import surroundings
from spotrank.fitting.adamw import AdamW
from spotrank.fitting.auxiliary import LOWEST
from spotrank.fitting.batches import BATCHES, blocks, rows_of
from spotrank.fitting.losses import ALL, Batch


class Grid:
    """The runs (a loss, a seed) that still train, with one batched tensor for each parameter.

    Runs of a seed stand together: they see the same spots.
    """

    def __init__(self, runs, losses, head, auxiliary, training, device):
        self.runs, self.losses, self.head, self.auxiliary = runs, losses, head, auxiliary
        self.order = {seed: torch.Generator(device).manual_seed(seed) for _, seed in runs}
        self.noise = [torch.Generator(device).manual_seed(seed) for _, seed in runs]
        self.of_tissues = torch.Generator(device).manual_seed(0)
        starts = {seed: head.start(generator) for seed, generator in self.order.items()}
        besides = {"log_theta": torch.zeros(head.n_genes, device=device)} | auxiliary.start(device)
        starts = [starts[seed] | besides for _, seed in runs]
        self.parameters = {key: torch.stack([start[key] for start in starts]) for key in starts[0]}
        self.besides = list(besides)
        untrained = {*besides} - {"log_theta", *auxiliary.trained}
        self.trained = [
            key for key in starts[0]
            if not (key in untrained or "running_" in key or "tracked" in key)
        ]  # fmt: skip
        for key in self.trained:
            self.parameters[key].requires_grad_()
        self.rate = training["learning_rate"]
        self.optimiser = AdamW(self.rate, training["weight_decay"])
        self.batch_size = training["batch_size"]
        self.batches = BATCHES["tissue" if head.slides else training["batches"]]
        self._go_on(np.arange(len(runs)))

    def _go_on(self, active):
        """Lay out the runs `active`: their seeds, and the rows of each loss."""
        self.active = active
        labels, seeds = zip(*(self.runs[run] for run in active), strict=True)
        self.seeds = list(dict.fromkeys(seeds))
        self.runs_of_seed = [seeds.count(seed) for seed in self.seeds]
        self.rows, self.seeds_of, self.held_out = {}, {}, {}
        for label in dict.fromkeys(labels):
            rows = [row for row, own in enumerate(labels) if own == label]
            of = [self.seeds.index(seeds[row]) for row in rows]
            self.rows[label], self.seeds_of[label] = (
                torch.tensor(own, device=self.of_tissues.device) for own in (rows, of)
            )

    def of_seeds(self, parameters):
        """The parameters of each seed's runs."""
        parts = {key: value.split(self.runs_of_seed) for key, value in parameters.items()}
        return [{key: part[i] for key, part in parts.items()} for i in range(len(self.seeds))]

    def scores(self, parameters, side, spots):
        """Scores of the active runs in training; spots: indices `(seeds, n)`."""
        scores = []
        for own, seed, of_seed in zip(spots, self.seeds, self.of_seeds(parameters), strict=True):
            seen, rows = self._seen(side, own)
            around = surroundings.keyword(side.around, seen)
            x, place = rows_of(side.x, seen), rows_of(side.place, seen)
            score = self.head.score(of_seed, x, place, self.order[seed], **around)
            scores.append(_of(score, rows))
        return torch.cat(scores)

    def _seen(self, side, spots):
        """The spots that the head sees, and where a batch's stand among them, if there are more."""
        return side.slide_of(spots) if self.head.slides else (spots, None)

    def batches_of(self, side, spots):
        """What each loss sees of `spots`, indices `(seeds, n)` or a slice: `{label: Batch}`."""
        drawn, batches = side.of(spots, len(self.seeds)), {}
        for label, seeds in self.seeds_of.items():
            own = drawn
            if isinstance(spots, slice):
                own = {key: x[: len(seeds)] for key, x in drawn.items()}
            elif len(seeds) < len(self.seeds):
                own = {key: x.index_select(0, seeds) for key, x in drawn.items()}
            uniform = partial(self._uniform, self.rows[label], drawn["tissue"].shape[1])
            batches[label] = Batch(**own, n_tissues=len(side.slides), uniform=uniform)
        return batches

    def _uniform(self, rows, n, k):
        generators = [self.noise[self.active[row]] for row in rows]
        return torch.stack(
            [torch.rand((k, n), generator=own, device=own.device) for own in generators]
        )

    def losses_of(self, of_rows, parameters, batches):
        """Yield `(label, rows, scores, loss (rows, n_genes))` of each loss.

        of_rows: gives the scores of `rows`; batches: of `batches_of`.
        """
        for label, rows in self.rows.items():
            name, options = self.losses[label]
            scores, batch = of_rows(rows), batches[label]
            batch.log_theta = parameters["log_theta"].index_select(0, rows)
            yield label, rows, scores, ALL[name](scores, batch, **options)

    def loss_of(self, parameters, side, spots):
        """Loss of each active run and gene, to be differentiated by `parameters`."""
        of_rows = partial(self.scores(parameters, side, spots).index_select, 0)
        parts = self.losses_of(of_rows, parameters, self.batches_of(side, spots))
        rows, losses = zip(*((rows, loss) for _, rows, _, loss in parts), strict=True)
        return torch.cat(losses)[torch.cat(rows).argsort()]

    def draw(self, side):
        """The batches of an epoch, indices `(seeds, n)` each."""
        orders = [self.order[seed] for seed in self.seeds]
        size = len(side) if self.head.whole else self.batch_size
        return self.batches(side, size, orders, self.of_tissues)

    def epoch(self, side):
        """Train on `side` once; the mean loss of each active run."""
        total = seen = 0
        for spots in self.draw(side):
            of_head = hasattr(self.head, "objective")
            mean = (self._objective if of_head else self._losses)(side, spots)
            self.optimiser.step({key: self.parameters[key] for key in self.trained})
            total, seen = total + mean * spots.shape[1], seen + spots.shape[1]
        return total / seen

    def _losses(self, side, spots):
        """Gradients of the losses; their means over genes `(runs,)`."""
        score = self.scores(self.parameters, side, spots)
        gradient, mean = self.gradient(score, side, spots)
        scores, gradients = [score], [gradient]
        for own, of_loss, of_distance in self.head.asides():
            own = _of(own, self._seen(side, spots[0])[1])
            pull = 2 * (own - score).detach() / score[0].numel()
            gradients.append(of_loss * self.gradient(own, side, spots)[0] + of_distance * pull)
            scores.append(own)
        torch.autograd.backward(scores, gradients)
        return mean

    def _objective(self, side, spots):
        """Gradients of what the head itself minimises, and that `(runs,)`."""
        found = torch.cat(
            [
                self.head.objective(own, side, spots[i], self.order[self.seeds[i]])
                for i, own in enumerate(self.of_seeds(self.parameters))
            ]
        )
        found.sum().backward()
        return found.detach()

    def gradient(self, score, side, spots):
        """Derivative of the losses by scores `(runs, n_spots, n_genes)`, and their means over genes
        `(runs,)`."""
        gradient, mean = torch.empty_like(score), score.new_empty(len(score))
        # a loss at a time, apart from the head: its graph is gone before the next one's is made
        for label, rows, own, loss in self.losses_of(
            lambda rows: score.detach().index_select(0, rows).requires_grad_(),
            self.parameters,
            self.batches_of(side, spots),
        ):
            of_rows = {key: self.parameters[key][rows] for key in self.besides}
            value = self.auxiliary.combine(loss, of_rows, LOWEST.get(self.losses[label][0], 0))
            value.sum().backward()
            gradient.index_copy_(0, rows, own.grad)
            mean[rows] = value.detach()
        return gradient, mean

    @torch.no_grad()
    def validate(self, side, train):
        """Loss and scores of the panel on all spots of `side`; squared error of a head that trains
        by no loss."""
        parameters = self.parameters | self.head.known(self.parameters, train)
        score = torch.cat(
            [
                self.head.score(
                    parameters,
                    side.x[block],
                    side.place[block],
                    **surroundings.keyword(side.around, block),
                )
                for block in blocks(self.head, side.tissue.cpu().numpy())
            ],
            1,
        )
        losses, n_panel = score.new_empty(len(score)), self.auxiliary.n_panel
        if hasattr(self.head, "objective"):
            return (score - side.target).square().mean((1, 2)), score
        self.held_out = self.held_out or self.batches_of(side, slice(None))
        of_rows = partial(score.index_select, 0)
        for _, rows, _, loss in self.losses_of(of_rows, self.parameters, self.held_out):
            losses[rows] = loss[:, :n_panel].mean(1)
        return losses, score[..., :n_panel]

    def keep(self, rows):
        """Go on with these rows of the active runs."""
        for key, old in self.parameters.items():
            self.parameters[key] = old.detach()[rows].requires_grad_(key in self.trained)
        self.optimiser.keep(rows)
        if rows.any():
            self._go_on(self.active[rows])


def _of(score, rows):
    """The scores of a batch's spots, of those `(runs, n_seen, n_genes)` that the head saw."""
    return score if rows is None else score.index_select(1, rows)
