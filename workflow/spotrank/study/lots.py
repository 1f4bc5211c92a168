"""The lots of a study: cells that one job fits, or scores, and what their jobs share.

Which things make a lot follows from the study alone, not from what is there: jobs of a cluster read
the study again and must find the same lots.
"""

from functools import cached_property

from spotrank.fitting.heads import OF_FLOORS
from spotrank.fitting.heads.ridge import Ridge
from spotrank.study import cost, embedding, grids, panels, plans

SHARE = 0.1  # of `max_epochs`, until a fit stops by itself
SPOTS = 3000  # of a sample of which neither the table nor the config tells


class Lots:
    """`of`: `{(stage, cohort, split, lot): cells}`, every cell of the study in one of them; `keys`:
    `{values of a cell: key of its lot}`; `embedded`, `panels`: see `embedding.lots` and
    `panels.lots`.

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
        self.keys = {tuple(cell.values()): key for key, cells in self.of.items() for cell in cells}
        self.embedded = embedding.lots(study, self._spots)
        self.panels = panels.lots(study, self._spots)

    def embeddings(self, key):
        """Path of the list of a lot's embeddings."""
        return self._list("embed", *key)

    def chosen(self, key):
        """Path of the list of a lot's panels."""
        return self._list("panel", *key)

    def fits(self, key):
        """Path of the list of a lot's fits."""
        return self._list(*key)

    def scores(self, key):
        """Path of the list of a lot's scores."""
        return self._list("score", *key)

    def _list(self, *names):
        return "/".join(["results", self.study.name, "lots", *names]) + ".json"

    @property
    def chains(self):
        """Paths of lists, whether there or not: for each lot of cells those of the embeddings that
        it looks at, and in a chain of their own those of its panels; then of its fits if it has
        any, and of its scores."""
        return [
            (
                *self._looked_at(cells, shared, lists),
                *([self.fits(key)] if plans.stage(cells[0]) == "fit" else []),
                self.scores(key),
            )
            for key, cells in self.of.items()
            for shared, lists in ((embedding, self.list_of), (panels, self.list_of_panel))
        ]

    def _looked_at(self, cells, shared, lists):
        seen = (lists.get(one) for cell in cells for one in shared.looked_at(self.study, cell))
        return dict.fromkeys(filter(None, seen))

    @cached_property
    def list_of(self):
        """`{(cohort, sample, encoder): path of the list that has its embeddings}`."""
        return {
            (cohort, *thing): self.embeddings((cohort, lot))
            for (cohort, lot), things in self.embedded.items()
            for thing in things
        }

    @cached_property
    def list_of_panel(self):
        """`{values of PANEL: path of the list that has it}`."""
        return {one: self.chosen(key) for key, own in self.panels.items() for one in own}

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
