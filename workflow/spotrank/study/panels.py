"""Which lists of genes one job chooses."""

from spotrank.spots.split import cohort_of
from spotrank.study import cost, plans

PANEL = "cohort", "split", "panel", "fold"  # a list of genes; of a final model it has no fold


def lots(study, spots):
    """`{(cohort, split, lot): [values of PANEL, …]}` of all that the study's cells look at.

    Those of final models, of which few are wanted, come alone.
    spots: `{cohort: {sample: number of spots}}`.
    """

    def seconds(one):
        cohort, strategy, _, number = one
        fold = study.plans[cohort, strategy][number]
        samples = plans.samples_seen(study, cohort, fold)
        n_spots = sum(spots[cohort_of(fold, cohort, sample)][sample] for sample in samples)
        return cost.LEAST + n_spots * cost.CHOICE

    groups = {}
    for one in dict.fromkeys(one for cell in study.cells for one in _looked_at(study, cell)):
        groups.setdefault(one[:2], []).append(one)
    found = {
        (*place, str(number)): part
        for place, own in groups.items()
        for number, part in enumerate(cost.cut(own, seconds))
    }
    finals = dict.fromkeys(one[:-1] for own in groups.values() for one in own)
    return found | {(*place, f"all-{name}"): [(*place, name)] for *place, name in finals}


def _looked_at(study, cell):
    """Values of PANEL of the panel of a cell, and of its auxiliary genes."""
    if plans.is_external(cell["split"]):
        return []  # those of its final model
    names = cell["panel"], study.ranking(cell["auxiliary"], cell["panel"])
    return [(cell["cohort"], cell["split"], name, cell["fold"]) for name in names if name]
