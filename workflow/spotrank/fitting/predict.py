"""From the parameters of a fit to scores of new spots, and to the units of the target."""

import numpy as np
import torch

from spotrank.fitting.batches import blocks
from spotrank.fitting.heads import ALL
from spotrank.spots import expression

CLIP = 10  # standard deviations


def head_for(head, spots):
    """The head `(name, options)` for what `spots` hold."""
    name, options = head
    return ALL[name](int(np.prod(spots.x.shape[1:])), spots.counts.shape[1], **options)


def scale_of(x):
    """Mean and standard deviation of embeddings `(n_spots, d)`, as arguments of `standardised`."""
    centre, spread = x.mean(0), x.std(0)
    spread[spread <= 1e-6 * np.abs(centre)] = 1  # a constant
    return {"centre": centre, "spread": spread}


def standardised(x, centre=None, spread=None):
    """Embeddings in standard deviations of the training spots `(n_spots, d)`, or as they are.

    Cut at ±CLIP: what hardly varies in training may lie anywhere in another slide.
    """
    return x if centre is None else np.clip((x - centre) / spread, -CLIP, CLIP)


def predict(parameters, head, spots, n_panel=None):
    """Yield `(run, slice of spots, scores)`, scores float32 `(n_spots of the slice, n_panel)`."""
    head = head_for(head, spots)
    yield from scores(parameters, head, spots.x, spots.place, spots.tissue, n_panel)


@torch.no_grad()
def scores(parameters, head, x, place, tissue, n_panel=None):
    """As `predict`, by a head that was made; x, place, tissue: see `batches.Spots`."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    scaler = {key: parameters[key].numpy() for key in ("centre", "spread") if key in parameters}
    weights = {key: value for key, value in parameters.items() if key not in scaler}
    for run in range(len(next(iter(weights.values())))):
        own = {key: value[run : run + 1].to(device) for key, value in weights.items()}
        for block in blocks(head, tissue):
            features = torch.as_tensor(standardised(x[block], **scaler), device=device)
            where = torch.as_tensor(np.float32(place[block]), device=device)
            score = head.score(own, features, where)
            yield run, block, score[0, :, :n_panel].float().cpu().numpy()


def line(parameters, head, train, n_panel, scaling, n_runs):
    """`calibrate` on the training spots of a fit; n_panel, scaling: of `fit.fit`."""
    counts = train.counts[:, :n_panel]
    target = expression.target(counts, expression.total(counts, train.library, scaling))
    return calibrate(predict(parameters, head, train, n_panel), target, n_runs)


def calibrate(predicted, target, n_runs):
    """Least-squares line from scores to target, for each run and gene.

    predicted: of training spots, as `predict` yields; target: theirs `(n_spots, n_genes)`.
    Returns `slope, intercept, pearson`, each `(n_runs, n_genes)`; a constant score has slope 0, and
    where it or the target is constant, their correlation is NaN. The line gives the scores of any
    loss, whose scale is free, the units of the target.
    """
    centred = target - target.mean(0, dtype=float)
    moments = np.zeros((n_runs, 3, target.shape[1]))
    for run, block, score in predicted:
        score = score.astype(float)
        moments[run] += score.sum(0), (score**2).sum(0), (score * centred[block]).sum(0)
    mean, square, covariance = moments.swapaxes(0, 1) / len(target)
    variance = square - mean**2
    varies = variance > 1e-12
    slope = np.divide(covariance, variance, out=np.zeros_like(variance), where=varies)
    spread = np.sqrt(variance * (centred**2).mean(0))
    pearson = np.full_like(slope, np.nan)
    np.divide(covariance, spread, out=pearson, where=varies & (np.ptp(target, 0) > 0))
    return slope, target.mean(0, dtype=float) - slope * mean, pearson.clip(-1, 1)
