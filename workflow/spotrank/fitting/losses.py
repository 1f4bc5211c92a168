"""Losses of a fit, each for many runs at once.

Every loss takes the scores of a head, `(runs, n_spots, n_genes)`, and a `Batch` whose tensors have
the same leading axis, and returns one value a run and gene, `(runs, n_genes)`: published losses are
their mean over genes. Only methods of tensors are used, so that naming a loss does not import
torch. A new loss is a function and a row of `LOSSES`.

The relative losses (`strank_*`, `margin_rank`, `pearson*`) look at a spot beside other spots; a
tissue is one slide. Equations are those of STRank (arXiv 2512.06612); `(released)` marks what its
code does beyond or against the paper.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from spotrank.fitting import own
from spotrank.scoring.metrics import ranks

TINY = 1e-6


@dataclass
class Batch:
    """What a loss may look at besides the scores.

    counts: raw counts `(runs, n_spots, n_genes)`
    target: the expression to predict, log1p of scaled counts, as `counts`
    rank: mid-rank of the target among all spots of its slide, in 0 to 1, as `counts`
    size: depth of a spot, in mean counts a gene of the panel `(runs, n_spots)`
    tissue: index of the spot's slide, from 0 `(runs, n_spots)`
    n_tissues: number of slides
    log_theta: log of the negative binomial's inverse dispersion, learnt `(runs, n_genes)`
    uniform: `uniform(k)` gives fresh random numbers in [0, 1) `(runs, k, n_spots)`
    """

    counts: object
    target: object
    rank: object
    size: object
    tissue: object
    n_tissues: int
    log_theta: object = None
    uniform: Callable = None

    @cached_property
    def member(self):
        """1 where a spot belongs to a tissue: `(runs, n_tissues, n_spots)`."""
        tissues = self.tissue.new_ones(self.n_tissues).cumsum(0) - 1
        return (self.tissue[:, None] == tissues[:, None]).to(self.target.dtype)

    @cached_property
    def place(self):
        """Place of a spot among those of its tissue, from 0 `(runs, n_spots)`."""
        return ((self.member.cumsum(-1) - 1) * self.member).sum(1).to(self.tissue.dtype)

    @cached_property
    def target_ranks(self):
        """Of the target, within tissues: kept by spots that are looked at again."""
        return ranks(self.target, self.tissue)


def mse(score, batch):
    """Mean squared error against the target."""
    return (score - batch.target).square().mean(1)


def poisson(score, batch):
    """Negative log-likelihood of Poisson counts with log rate score + log size (without log k!)."""
    log_rate = score + _log_size(batch)
    return (log_rate.exp() - batch.counts * log_rate).mean(1)


def negative_binomial(score, batch):
    """Negative log-likelihood of NB counts with log mean score + log size, a θ for each gene."""
    counts = batch.counts
    log_theta = batch.log_theta[:, None]
    theta = log_theta.exp()
    log_mean = score + _log_size(batch)
    log_total = log_mean.logaddexp(log_theta)
    log_likelihood = (
        (counts + theta).lgamma()
        - theta.lgamma()
        - (counts + 1).lgamma()
        + theta * (log_theta - log_total)
        + counts * (log_mean - log_total)
    )
    return -log_likelihood.mean(1)


def margin_rank(score, batch, permutations=None, n_permutations=0, within_tissue=True):
    """Hinge on the order of pairs of spots of a tissue, margin 0; ties are 'less' (released).

    A sum of hinges of margin 0 is its own slope times the scores. Over all ordered pairs the slope
    is twice the rank of the score less that of the target: what random pairs give on average, for
    the price of sorting.
    within_tissue: otherwise spots of any tissue are paired;
    n_permutations: pair each spot with so many random ones instead (32 as released);
    permutations: these partners `(runs, n_permutations, n_spots)`.
    """
    if permutations is None and n_permutations:
        permutations = _permutations(batch.tissue * within_tissue, batch.uniform(n_permutations))
    if permutations is None:
        member = _membership(batch, pooled=not within_tissue)
        n_partners = (member * member.sum(-1, keepdim=True)).sum(1)[:, :, None]
        if within_tissue:
            wrong = ranks(score.detach(), batch.tissue) - batch.target_ranks
        else:
            wrong = ranks(score.detach()) - ranks(batch.target)
        return (2 * wrong / n_partners * score).mean(1)
    values, slope = score.detach(), 0
    for k in range(permutations.shape[1]):  # one at a time: memory stays that of the scores
        partner = permutations[:, k]
        above = batch.target > _take(batch.target, partner)
        difference = values - _take(values, partner)
        wrong = ((difference > 0) & ~above).float() - ((difference < 0) & above).float()
        slope = slope + wrong - _take(wrong, partner.argsort(-1))
    return (slope / permutations.shape[1] * score).mean(1)


def pearson(score, batch):
    """Minus Pearson's correlation over all spots, tissues pooled."""
    return pearson_within(score, batch, pooled=True)


def pearson_within(score, batch, pooled=False):
    """Minus Pearson's correlation within each tissue, averaged over tissues by spots.

    An undefined correlation (constant truth or score) counts as 0 and has no gradient.
    """
    return _minus_correlation(score, batch.target, batch, pooled)


def spearman_within(score, batch):
    """As `pearson_within`, with the ranks of the target in its place.

    As Spearman's correlation it ignores any monotone change of a slide's target, but it stays
    smooth in the scores, which are not ranked.
    """
    return _minus_correlation(score, batch.rank, batch)


def strank_list(
    score, batch, library_size=True, gene_weights=False, within_tissue=True, list_size=0
):
    """Listwise STRank: multinomial likelihood of a gene's counts over the spots of a tissue.

    −Σ e log p / n_spots, p the softmax of score + log size over the tissue's spots.
    library_size: add log size; gene_weights: divide a gene by its mean count;
    within_tissue: otherwise all spots of the batch are one list;
    list_size: cut a tissue, in the batch's order, in lists of so many spots (the last may be
    shorter), each with a softmax of its own; 0 for the whole tissue.
    """
    logit = _logit(score, batch, library_size)
    log_p = logit - _logsumexp_by_list(logit, batch, list_size, pooled=not within_tissue)
    return -(batch.counts * log_p * _gene_weights(batch, gene_weights)).mean(1)


def strank_pair(
    score,
    batch,
    pairs=None,
    library_size=True,
    gene_weights=False,
    within_tissue=True,
    entropy=False,
):
    """Pairwise STRank: binomial likelihood of a gene's counts in two spots of a tissue.

    pairs: indices of the first and of the second spots, two `(runs, n_pairs)`; if not given, the
    spots of a tissue are put in a random ring and neighbours make pairs: none meets itself.
    entropy: add the mean entropy of p (released). Other options as in `strank_list`.
    """
    if pairs is None:
        pairs = _ring(batch.tissue if within_tissue else batch.tissue * 0, batch.uniform(1)[:, 0])
    first, second = pairs
    logit = _logit(score, batch, library_size)
    difference = _take(logit, first) - _take(logit, second)
    weight = _gene_weights(batch, gene_weights)
    loss = 0
    for log_p, spot in ((_log_sigmoid(difference), first), (_log_sigmoid(-difference), second)):
        log_p = log_p * weight
        loss = loss - _take(batch.counts, spot) * log_p
        if entropy:
            loss = loss - log_p.exp() * log_p
    return loss.mean(1) / 2


LOSSES = {
    function.__name__: function
    for function in (
        mse,
        poisson,
        negative_binomial,
        margin_rank,
        pearson,
        pearson_within,
        spearman_within,
        strank_pair,
        strank_list,
    )
}
ALL = LOSSES | {"own": own.loss}  # those that a config may name


def _log_size(batch):
    return (batch.size + TINY).log()[:, :, None]


def _logit(score, batch, library_size):
    return score + _log_size(batch) if library_size else score


def _permutations(tissue, uniform):
    """Random partners of one tissue, `(runs, k, n_spots)` as `uniform`; a spot may meet itself."""
    tissue = tissue[:, None].expand(uniform.shape)
    partners = (tissue + uniform).argsort(-1)  # by tissue, and by chance within it
    return partners.gather(-1, tissue.argsort(dim=-1, stable=True).argsort(-1))


def _log_sigmoid(x):
    return x.clamp(max=0) - (-x.abs()).exp().log1p()


def _gene_weights(batch, wanted):
    return 1 / (batch.counts.mean(1, keepdim=True) + TINY) if wanted else 1


def _take(x, spots):
    """Rows `spots` `(runs, m)` of `x` `(runs, n_spots, n_genes)`."""
    first = spots.new_ones(len(x)).cumsum(0)[:, None] * x.shape[1] - x.shape[1]
    rows = x.flatten(0, 1).index_select(0, (spots + first).flatten())
    return rows.view(*spots.shape, x.shape[2])


def _minus_correlation(score, truth, batch, pooled=False):
    member = _membership(batch, pooled)  # (runs, tissues, spots)
    share = member / member.sum(-1, keepdim=True).clamp(min=1)
    a, b = (x - member.mT @ (share @ x) for x in (score, truth))
    covariance, a_variance, b_variance = share @ (a * b), share @ a.square(), share @ b.square()
    # a variance of rounding errors is a constant
    defined = (a_variance > 1e-12) & (b_variance > 1e-12)
    norm = (a_variance * b_variance).masked_fill(~defined, 1).sqrt()
    correlation = covariance.masked_fill(~defined, 0) / norm
    return -(member.sum(-1)[:, :, None] * correlation).sum(1) / member.shape[-1]


def _membership(batch, pooled):
    """`Batch.member`, or all spots as one tissue `(runs, 1, n_spots)`."""
    return batch.member.amax(1, keepdim=True) if pooled else batch.member


def _logsumexp_by_list(x, batch, list_size, pooled):
    """For each spot the log-sum-exp of `x` over its list: `(runs, n_spots, n_genes)`."""
    tissue, place = batch.tissue, batch.place
    if pooled:
        place = tissue.new_ones(tissue.shape).cumsum(1) - 1
        tissue = tissue * 0
    longest = int(place.max()) + 1 if list_size else 0
    if longest <= list_size:
        return _logsumexp_by_tissue(x, batch, pooled)
    n_lists = -(-longest // list_size)
    own = tissue * n_lists + place // list_size
    slot = (own * list_size + place % list_size)[:, :, None].expand_as(x)
    # far below any score, but finite: a list without a spot has a gradient, of 0
    slots = x.new_full((len(x), batch.n_tissues * n_lists * list_size, x.shape[2]), -1e30)
    total = slots.scatter(1, slot, x).unflatten(1, (-1, list_size)).logsumexp(2)
    return total.gather(1, own[:, :, None].expand_as(x))


def _logsumexp_by_tissue(x, batch, pooled):
    """For each spot the log-sum-exp of `x` over its tissue: `(runs, n_spots, n_genes)`."""
    if pooled:
        return x.logsumexp(1, keepdim=True)
    index = batch.tissue[:, :, None].expand_as(x)
    shape = (x.shape[0], batch.n_tissues, x.shape[2])
    highest = (
        x.detach().new_zeros(shape).scatter_reduce(1, index, x.detach(), "amax", include_self=False)
    )
    total = _membership(batch, False) @ (x - highest.gather(1, index)).exp()
    # a tissue without a spot in the batch has total 0 and is never looked up
    return (total.clamp(min=TINY).log() + highest).gather(1, index)


def _ring(tissue, uniform):
    """Neighbours on a random ring through the spots of each tissue: two `(runs, n_spots)`."""
    order = (tissue + uniform).argsort(-1)
    tissue = tissue.gather(1, order)
    size = tissue.new_zeros(len(tissue), int(tissue.max()) + 1).scatter_add(
        1, tissue, tissue.new_ones(tissue.shape)
    )
    end = size.cumsum(1)
    following = tissue.new_ones(tissue.shape).cumsum(1)
    closes = following == end.gather(1, tissue)
    following = following.where(~closes, (end - size).gather(1, tissue))
    return order, order.gather(1, following)
