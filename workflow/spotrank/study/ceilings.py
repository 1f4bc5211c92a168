"""Which ceilings of sampling noise one job takes."""

from spotrank.spots.split import samples_of
from spotrank.study import cost

SECONDS = 20  # of a lot: less than of fits, for cores that share them have little else to do yet
LEAST, GENE, VALUE = 2, 4e-3, 5e-6  # seconds of a sample, of a gene, and of that in a spot
GENES = 20_000  # where nothing tells


def lots(study, spots):
    """`{(cohort, lot): [(cohort, sample), …]}` of all samples that are tested.

    Scaled by the panel, ceilings are a fold's: `(cohort, sample, split, panel, fold)`.
    spots: `{cohort: {sample: number of spots}}`.
    """

    def seconds(one):
        cohort, sample, *of_fold = one
        n_genes = study.cohorts[cohort].get("genes", GENES)
        if of_fold:
            number = study.panels[of_fold[1]].get("number", "all")
            n_genes = n_genes if number == "all" else number
        return LEAST + n_genes * (GENE + VALUE * spots[cohort][sample])

    groups = {}
    for cell in study.cells:
        groups.setdefault(cell["cohort"], {}).update(dict.fromkeys(looked_at(study, cell)))
    return {
        (cohort, str(number)): part
        for cohort, own in groups.items()
        for number, part in enumerate(cost.cut(own, seconds, within=SECONDS))
    }


def looked_at(study, cell):
    """The ceilings of a cell's test samples, in their order."""
    place = cell["cohort"], cell["split"]
    by_panel = study.config["genes"]["scaling"] == "panel"
    of_fold = (place[1], cell["panel"], int(cell["fold"])) if by_panel else ()
    samples = samples_of(study.plans[place][int(cell["fold"])], "test")
    return [(cell["cohort"], sample, *of_fold) for sample in samples]
