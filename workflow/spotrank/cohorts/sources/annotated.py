"""Tables of a SpatialData store: counts, genes, and where the shapes or labels of each row lie."""

import numpy as np
import pandas as pd
from scipy import sparse

from spotrank.base.store import InputError
from spotrank.base.words import nearest
from spotrank.cohorts.h5ad import BLOCK, IDS, LOOKED_AT, TYPES
from spotrank.cohorts.sources import tenx
from spotrank.cohorts.sources.elements import listed

STRANGE = 0.05  # share of a table's rows that may lack a shape


class Table:
    """A table of a store and those of its rows that are spots: in the region, in tissue, placed.

    Attributes: name, region; obs; rows, numbers of those that are spots; instances of these, what
    their shapes or labels are called; found, see `sample.Sample`.
    """

    def __init__(self, store, row):
        self.store, self.row = store, row
        self.name = store.choose(store.tables, row.get("table"), "table")
        self.group = store.root[store.tables][self.name]
        self.where = f"{store.folder}: the table '{self.name}'"
        self.obs = self._read("obs")
        about = self._read("uns/spatialdata_attrs") or {}
        missing = [key for key in ("region_key", "instance_key") if about.get(key) not in self.obs]
        if missing:
            raise InputError(
                f"{self.where} doesn't say what its rows annotate (its '{missing[0]}' is no column "
                "of obs); name a table in the column 'table' of the table of samples that does."
            )
        regions = self.obs[about["region_key"]].astype(str)
        self.region = self._region(sorted(regions.unique()))
        chosen = regions == self.region
        if "in_tissue" in self.obs:
            chosen &= self.obs["in_tissue"].astype(int) == 1
        self.rows = np.flatnonzero(chosen)
        self.instances = pd.Index(tenx.texts(self.obs[about["instance_key"]].iloc[self.rows]))
        self.found = {"table": self.name, "region": self.region}
        self.found |= {"rows": len(self.obs), "of the region, in tissue": len(self.rows)}

    def _read(self, name):
        """A part of the table as anndata reads it, or None where there is none."""
        from anndata.io import read_elem

        return read_elem(self.group[name]) if name in self.group else None

    def _region(self, regions):
        wanted = self.row.get("region")
        if wanted is None and len(regions) == 1:
            return regions[0]
        if wanted in regions:
            return wanted
        lacks = "" if wanted is None else f"not '{wanted}'{nearest(wanted, regions)} but "
        raise InputError(
            f"{self.where} annotates {lacks}{', '.join(regions)}; name one in the column 'region' "
            "of the table of samples."
        )

    def join(self):
        """Centres of the rows in the region's own coordinates `(n, 2)`, x then y, and its
        `{system: matrix}`. Rows that lack a shape are left out."""
        if self.region in self.store.names("shapes"):
            shapes = self.store.centres(self.region)
            systems = self.store.systems("shapes", self.region)
        elif self.region in self.store.names("labels"):
            raster = self.store.raster("labels", self.region)
            shapes, systems = raster.centres(), raster.systems
        else:
            both = [listed(kind, self.store.names(kind)) for kind in ("shapes", "labels")]
            raise InputError(
                f"{self.where} annotates '{self.region}', but {', '.join(both)}; write the store "
                "with them."
            )
        index = pd.Index(tenx.texts(shapes.index))
        if not index.is_unique:
            twice = index[index.duplicated()][0]
            raise InputError(
                f"{self.store.folder}: '{self.region}' has two shapes called {twice}; keep one."
            )
        place = index.get_indexer(self.instances)
        lost = int((place < 0).sum())
        if lost == len(place) or lost > STRANGE * len(place):
            raise InputError(
                f"{self.where}: {lost} of its {len(place)} rows have no shape in '{self.region}'; "
                "write the table and what it annotates together."
            )
        self.rows, self.instances = self.rows[place >= 0], self.instances[place >= 0]
        spare = int((~index.isin(self.instances)).sum())
        self.found |= {"without a shape": lost, "shapes without a row": spare}
        return self._centres(shapes.iloc[place[place >= 0]]), systems

    def _centres(self, shapes):
        """The centres that the table has itself (of Xenium's cells, those of its masks) if all lie
        in their polygons, else the polygons' own, or the circles'."""
        own = self._read("obsm/spatial")
        if own is not None and "left" in shapes:
            own, extents = np.asarray(own, float)[self.rows], shapes.to_numpy()[:, 2:]
            inside = (own[:, :2] >= extents[:, :2]) & (own[:, :2] <= extents[:, 2:])
            if own.shape[1] == 2 and inside.all():
                return own
        return shapes[["x", "y"]].to_numpy()

    def barcodes(self):
        """Names of the spots: the table's, but those of the shapes where it only numbers rows."""
        names = pd.Index(self.obs.index.astype(str))[self.rows]
        names = self.instances if names.str.fullmatch(r"\d+").all() else names
        if not names.is_unique:
            raise InputError(
                f"{self.where} has two rows called '{names[names.duplicated()][0]}'; keep one."
            )
        return names

    def read_counts(self):
        """Counts of the spots, CSR float32 `(n_spots, n_genes)`, and their genes."""
        layer = self.row.get("layer")
        place = {None: "X", "raw": "raw/X"}.get(layer, f"layers/{layer}")
        if place not in self.group:
            raise InputError(f"{self.where} has no {place}; {self._advice()}.")
        counts = self._csr(place)
        genes = self._genes("raw/var" if layer == "raw" else "var", counts.shape[1])
        if counts.shape != (len(self.obs), len(genes)):
            raise InputError(
                f"{self.where}: {place} is of the shape {counts.shape}, but there are "
                f"{len(self.obs)} rows and {len(genes)} genes; write it again."
            )
        counts = counts[self.rows]
        counts, genes, left_out = tenx.gene_expression(counts, genes, self.where)
        self.found |= left_out
        if not _are_counts(counts.data):
            wrong = counts.data[~(counts.data >= 0) | (counts.data % 1 != 0)][0]
            raise InputError(
                f"{self.where}: {place} holds {wrong:g}, but raw counts are needed; "
                f"{self._advice()}."
            )
        counts.eliminate_zeros()
        return counts, genes

    def _genes(self, name, n):
        """Names of the genes, with `id` and `type` ('' where none is told)."""
        var = self._read(name)
        var = pd.DataFrame(index=pd.RangeIndex(n)) if var is None else var  # names are lost
        column, names = self.row.get("gene_names"), var.index.astype(str)
        if column in var:
            names = pd.Index(var[column].astype(str))
        elif column not in (None, "index"):
            raise InputError(
                f"{self.where} has no column '{column}' in var{nearest(column, var)}; correct "
                "'gene_names' in the table of samples, or leave it out."
            )
        elif column is None and names.str.fullmatch(r"\d+").all():
            beside = f"which has {', '.join(var)}" if len(var.columns) else "once it is there"
            raise InputError(
                f"{self.where} has numbers where genes have names ('{names[0]}', …); name the "
                f"column of var that has them, {beside}, as 'gene_names' in the table of samples, "
                "or 'index' if they are meant."
            )
        genes = pd.DataFrame(index=pd.Index(names, name=None))
        known = {column.lower(): column for column in var}
        for column, choices in (("id", IDS), ("type", TYPES)):
            found = next((known[choice] for choice in choices if choice in known), None)
            values = var[found] if found else pd.Series("", var.index)
            genes[column] = values.astype(object).fillna("").astype(str).to_numpy()
        return genes

    def _csr(self, place):
        """A matrix of the table as CSR float32, a dense one read by some rows."""
        element = self.group[place]
        stored = _stored(element)
        if stored.dtype == np.float16:
            raise InputError(
                f"{self.where}: {place} is float16, which rounds counts above 2,048; write the raw "
                "counts as float32 or as whole numbers."
            )
        missing = stored.nchunks - stored.nchunks_initialized  # which are read as zeros
        if stored is element:
            self.found[f"parts of {place} that are missing, and zero"] = missing
            rows = max(BLOCK // (stored.shape[1] * stored.dtype.itemsize), 1)
            blocks = (stored[row : row + rows] for row in range(0, stored.shape[0], rows))
            return sparse.vstack([sparse.csr_matrix(block, dtype=np.float32) for block in blocks])
        if missing:
            raise InputError(
                f"{self.where}: parts of {place} are missing, as an unfinished copy leaves it; "
                "copy the store again."
            )
        matrix = self._read(place)
        matrix.check_format()  # what lies outside the matrix is read outside its memory
        counts = sparse.csr_matrix(matrix, dtype=np.float32)
        counts.sum_duplicates()
        return counts

    def _advice(self):
        """Where else the table holds counts, and what to do."""
        layers = {layer: f"layers/{layer}" for layer in self.group.get("layers", ())}
        for layer, place in ({"raw": "raw/X"} | layers).items():
            if place not in self.group:
                continue
            stored = _stored(self.group[place])
            some = stored[: max(LOOKED_AT // int(np.prod(stored.shape[1:])), 1)]
            if some.any() and _are_counts(some):
                return f"{place} holds counts: name '{layer}' as 'layer' in the table of samples"
        return "raw and layers hold none either: write the raw counts to X"


def _stored(element):
    """The array of a matrix that holds its values: itself, or a part of a sparse one."""
    return element if hasattr(element, "shape") else element["data"]


def _are_counts(values):
    return bool(((values >= 0) & (values % 1 == 0)).all())
