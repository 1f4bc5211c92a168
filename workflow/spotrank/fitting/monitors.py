"""What is watched on validation spots: the lower the better, a number a run."""

import torch

from spotrank.scoring import metrics


def within_spearman_loss(score, side):
    """Minus Spearman within each tissue, mean over tissues by spots and over genes `(runs,)`.

    Of the scores `(runs, n_spots, n_genes)` with the target; what is undefined counts as 0.
    """
    total = score.new_zeros(len(score), dtype=torch.float64)
    for slide in side.slides:
        for run, own in enumerate(score):  # one at a time: ranks take much memory
            rho = metrics.pearson(metrics.ranks(own[slide]), side.rank[slide, : own.shape[1]])
            total[run] -= rho.nan_to_num().mean() * len(slide)
    return total / len(side)


def squared_error(score, side):
    """Mean squared error `(runs,)`."""
    return (score - side.target).square().mean((1, 2))


MONITORS = {"loss": squared_error, "spearman": within_spearman_loss}
