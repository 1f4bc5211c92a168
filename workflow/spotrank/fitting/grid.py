"""The runs of a fit that train together: scores, losses and one epoch of all of them at once."""

import numpy as np
import torch

from spotrank.fitting import surroundings
from spotrank.fitting.auxiliary import LOWEST
from spotrank.fitting.batches import BATCHES, blocks, slide_batches
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
        self.rate = training["learning_rate"]
        self.optimiser = torch.optim.AdamW(
            [self.parameters[key].requires_grad_() for key in self.trained],
            lr=self.rate,
            weight_decay=training["weight_decay"],
            fused=True,
        )
        self.batch_size = training["batch_size"]
        self.batches = slide_batches if head.slides else BATCHES[training["batches"]]
        self._go_on(np.arange(len(runs)))

    def _go_on(self, active):
        """Lay out the runs `active`: their seeds, and the rows of each loss."""
        self.active = active
        labels, seeds = zip(*(self.runs[run] for run in active), strict=True)
        self.seeds = list(dict.fromkeys(seeds))
        self.runs_of_seed = [seeds.count(seed) for seed in self.seeds]
        self.rows = {label: [i for i, own in enumerate(labels) if own == label] for label in labels}
        self.seed_of_row = [self.seeds.index(seed) for seed in seeds]

    def scores(self, parameters, side, spots, training):
        """Scores of the active runs; spots: indices `(seeds, n)`, or a slice for all."""
        parts = {key: value.split(self.runs_of_seed) for key, value in parameters.items()}
        scores = []
        for i, seed in enumerate(self.seeds):
            own = spots if isinstance(spots, slice) else spots[i]
            of_seed = {key: part[i] for key, part in parts.items()}
            order = self.order[seed] if training else None
            around = surroundings.keyword(side.around, own)
            scores.append(self.head.score(of_seed, side.x[own], side.place[own], order, **around))
        return torch.cat(scores)

    def losses_of(self, of_rows, parameters, side, spots):
        """Yield `(label, rows, scores, loss (rows, n_genes))` of each loss.

        of_rows: gives the scores of `rows`.
        """
        batch = side.of(spots, len(self.seeds))
        for label, rows in self.rows.items():
            seeds = [self.seed_of_row[row] for row in rows]
            own = batch
            if seeds != list(range(len(self.seeds))):
                own = {key: x[seeds] for key, x in batch.items()}

            def uniform(k, rows=rows):
                generators = [self.noise[self.active[row]] for row in rows]
                shape = k, batch["tissue"].shape[1]
                return torch.stack(
                    [torch.rand(shape, generator=own, device=own.device) for own in generators]
                )

            name, options = self.losses[label]
            scores, log_theta = of_rows(rows), parameters["log_theta"][rows]
            own = Batch(**own, n_tissues=len(side.slides), log_theta=log_theta, uniform=uniform)
            yield label, rows, scores, ALL[name](scores, own, **options)

    def loss_of(self, parameters, side, spots):
        """Loss of each active run and gene, to be differentiated by `parameters`."""
        score = self.scores(parameters, side, spots, training=True)
        parts = [
            (rows, loss)
            for _, rows, _, loss in self.losses_of(
                lambda rows: score[rows], parameters, side, spots
            )
        ]
        order = [row for rows, _ in parts for row in rows]
        return torch.cat([loss for _, loss in parts])[np.argsort(order)]

    def epoch(self, side):
        """Train on `side` once; the mean loss of each active run."""
        total = seen = 0
        orders = [self.order[seed] for seed in self.seeds]
        for spots in self.batches(side, self.batch_size, orders, self.of_tissues):
            score = self.scores(self.parameters, side, spots, training=True)
            self.optimiser.zero_grad()
            gradient, mean = self.gradient(score, side, spots)
            scores, gradients = [score], [gradient]
            for own, of_loss, of_distance in self.head.asides():
                pull = 2 * (own - score).detach() / score[0].numel()
                gradients.append(of_loss * self.gradient(own, side, spots)[0] + of_distance * pull)
                scores.append(own)
            torch.autograd.backward(scores, gradients)
            self.optimiser.step()
            total, seen = total + mean * spots.shape[1], seen + spots.shape[1]
        return total / seen

    def gradient(self, score, side, spots):
        """Derivative of the losses by scores `(runs, n_spots, n_genes)`, and their means over genes
        `(runs,)`."""
        gradient, mean = torch.empty_like(score), score.new_empty(len(score))
        # a loss at a time, apart from the head: its graph is gone before the next one's is made
        for label, rows, own, loss in self.losses_of(
            lambda rows: score.detach()[rows].requires_grad_(), self.parameters, side, spots
        ):
            of_rows = {key: self.parameters[key][rows] for key in self.besides}
            value = self.auxiliary.combine(loss, of_rows, LOWEST.get(self.losses[label][0], 0))
            value.sum().backward()
            gradient[rows], mean[rows] = own.grad, value.detach()
        return gradient, mean

    @torch.no_grad()
    def validate(self, side):
        """Loss and scores of the panel on all spots of `side`."""
        score = torch.cat(
            [
                self.scores(self.parameters, side, block, training=False)
                for block in blocks(self.head, side.tissue.cpu().numpy())
            ],
            1,
        )
        losses, n_panel = score.new_empty(len(score)), self.auxiliary.n_panel
        for _, rows, _, loss in self.losses_of(
            lambda rows: score[rows], self.parameters, side, slice(None)
        ):
            losses[rows] = loss[:, :n_panel].mean(1)
        return losses, score[..., :n_panel]

    def keep(self, rows):
        """Go on with these rows of the active runs."""
        for key, old in self.parameters.items():
            self.parameters[key] = new = old.detach()[rows]
            if key in self.trained:
                state = self.optimiser.state.pop(old, {})  # nothing yet for what no loss uses
                self.optimiser.state[new.requires_grad_()] = {
                    name: value[rows] if value.shape == old.shape else value
                    for name, value in state.items()
                }
        self.optimiser.param_groups[0]["params"] = [self.parameters[key] for key in self.trained]
        if rows.any():
            self._go_on(self.active[rows])
