"""The lots of a study: cells that one job fits, or scores, and what their jobs share.

Which things make a lot follows from the study alone, not from what is there: jobs of a cluster read
the study again and must find the same lots.
"""

from functools import cached_property

from spotrank.fitting.heads import OF_FLOORS
from spotrank.fitting.heads.ridge import Ridge
from spotrank.study import ceilings, cost, embedding, grids, pairs, panels, plans

SHARE = 0.1  # of `max_epochs`, until a fit stops by itself
SPOTS = 3000  # of a sample of which neither the table nor the config tells


class Lots:
    """`of`: `{(stage, cohort, split, lot): cells}`, every cell of the study in one of them;
    `shared`: `{kind: {key: things}}` of what cells share, see `pairs.lots`, `embedding.lots`,
    `panels.lots` and `ceilings.lots`.

    A lot holds cells of a fold, in order, or of all folds where a ridge is solved, which is quick
    once an encoder's embeddings are read. Cells that train on patches come alone, and such as are
    reckoned to take long.
    """

    def __init__(self, study):
        self.study, groups = study, {}
        for cell in study.cells:
            groups.setdefault(self._group(cell), []).append(cell)
        self.of = {
            (*place, f"{group}-{number}" if number else group): part
            for (*place, group), cells in groups.items()
            for number, part in enumerate(cost.cut(cells, self._seconds))
        }
        kinds = {"pair": pairs, "embed": embedding, "panel": panels, "ceiling": ceilings}
        self.shared = {kind: room.lots(study, self._spots) for kind, room in kinds.items()}

    def list(self, kind, key):
        """Path of the list of a lot's things of a kind."""
        names = key if kind == "fit" else (kind, *key)
        return "/".join(["results", self.study.name, "lots", *names]) + ".json"

    def _group(self, cell):
        stage = plans.stage(cell)
        if stage == "fit" and cell["head"] in OF_FLOORS:
            stage = "floor"
        solved = stage == "fit" and cell["head"] in self._ridges
        lot = f"ridge-{cell['encoder']}" if solved else f"fold{cell['fold']}"
        return stage, cell["cohort"], cell["split"], lot

    def _seconds(self, cell):
        if plans.stage(cell) != "fit":
            return cost.LEAST
        if self.study.trains_on_patches(cell["encoder"], cell["head"]):
            return cost.SECONDS
        return cost.LEAST + SHARE * cost.of_fit(self.study, self._spots, cell)

    @cached_property
    def _ridges(self):
        heads = self.study.heads.items()
        return {name for name, head in heads if isinstance(grids.built(head), Ridge)}

    @cached_property
    def _spots(self):
        found = cost.spots(self.study)
        spots = {name: own.get("spots", SPOTS) for name, own in self.study.cohorts.items()}
        return {name: own.fillna(spots[name]).to_dict() for name, own in found.items()}
