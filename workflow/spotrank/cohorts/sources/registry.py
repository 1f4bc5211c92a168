"""Sources of samples: where the table of a cohort and the files of its samples are.

A source is a class and a row of `SOURCES`: `SOURCES[cohort["source"]](name, cohort)`, of the
cohort's name and its part of the config. One that reads runs of a machine is `Runs` with the module
that reads them.
"""

from functools import partial
from pathlib import Path

from spotrank.base.store import InputError
from spotrank.cohorts import fetch, hest_bench, simulate, slide_files, slide_import
from spotrank.cohorts.sources import spaceranger, spatialdata, visium_hd, xenium
from spotrank.cohorts.sources import table as tables

FOLDER = Path("resources/cohorts")  # of cohorts that the workflow makes ...
OWN = Path("resources/own")  # ... and imports


class Source:
    """A cohort laid out as HEST-1k lays out its samples.

    here: whether files are the user's and lie there from the start; keeps: whether no job makes
    them anew; simulated: whether the truth behind the counts is known; fetched: kinds of files,
    besides images, that come from the hub.
    """

    here, keeps, simulated, fetched = False, False, False, ()

    def __init__(self, name, cohort):
        self.name, self.cohort = name, cohort

    def samples(self):
        """The metadata of the samples that the config asks for, indexed by `sample`."""
        table = tables.read(self.table()).set_index("id").rename_axis("sample")
        return table.loc[self.chosen(table)]

    def chosen(self, table):
        """Ids that the config names, finds by a query, or takes from a published task."""
        wanted, key = self.cohort.get("samples"), f"cohorts.{self.name}.samples"
        if isinstance(wanted, str):
            wanted = tables.task(wanted, key)["samples"]
        if isinstance(wanted, dict):
            return tables.query(table, wanted, key)
        return tables.named(table, wanted or self._all(), self.name)

    def split(self):
        """The published split of the cohort's task, as the config's `split.ids`, or nothing."""
        wanted = self.cohort.get("samples")
        if not isinstance(wanted, str):
            return {}
        task = tables.task(wanted, f"cohorts.{self.name}.samples")
        named = {"validation": "validation", "test": "folds"}
        return {key: task[part] for part, key in named.items() if part in task}

    def genes(self):
        """Path of the list of genes that the cohort's task comes with; `InputError` if none."""
        raise InputError(
            f"config: genes.selection is 'task', but cohorts.{self.name} comes with no list of "
            "genes; choose another selection, or source: hest_bench."
        )

    def not_read(self):
        """Names of files like tables that are not read."""
        return []


class Simulated(Source):
    simulated = True

    def options(self):
        """Arguments of `simulate.design`."""
        keys = ("patients", "spots", "genes", "seed", "context")
        own = {key: self.cohort[key] for key in keys if key in self.cohort}
        # a false `context` is left out: cohorts of before it was known are the same
        return {key: value for key, value in own.items() if value is not False}

    def samples(self):
        table = simulate.design(**self.options()).set_index("id").rename_axis("sample")
        return table.loc[self.chosen(table)] if "samples" in self.cohort else table

    def table(self):
        return FOLDER / self.name / "HEST_v1_1_0.csv"

    def path(self, kind, sample):
        return FOLDER / self.name / fetch.name_of(kind, sample)


class Hest(Source):
    """HEST-1k itself, or another repository in its layout, fetched from the hub."""

    keeps, fetched = True, ("st", "metadata")

    def __init__(self, name, cohort):
        super().__init__(name, cohort)
        self.home = fetch.home(cohort["repository"], cohort["revision"])

    def table(self):
        return fetch.hest_table(self.home)

    def path(self, kind, sample):
        return fetch.HEST / self.home / fetch.name_of(kind, sample)


class HestBench(Source):
    """A task of HEST-Benchmark in its own files, see `hest_bench`, fetched from the hub."""

    keeps, fetched = True, ("st",)

    def __init__(self, name, cohort):
        super().__init__(name, cohort)
        self.home = fetch.home(hest_bench.REPOSITORY, cohort["revision"])
        self.task = cohort["task"]

    def table(self):
        return hest_bench.table()

    def chosen(self, table):
        return tables.named(table, hest_bench.samples(self.home, self.task), self.name)

    def split(self):
        return {"folds": hest_bench.folds(self.home, self.task)}

    def genes(self):
        return hest_bench.folder_of(self.home, self.task) / hest_bench.GENES

    def path(self, kind, sample):
        if kind == "wsis":
            raise InputError(
                f"config: patches.source is 'wsis', but cohorts.{self.name} has patches only; set "
                "it to patches."
            )
        return fetch.HEST / self.home / self.task / hest_bench.NAMES[kind].format(sample)


class Local(Source):
    """A folder of the user's."""

    here = keeps = True

    def __init__(self, name, cohort):
        super().__init__(name, cohort)
        self.folder = Path(cohort["folder"])

    def table(self):
        if not (table := tables.newest(self.folder.glob("HEST_v*.csv"))):
            others = ", ".join(self.not_read())
            raise InputError(
                f"cohorts.{self.name}: there is no metadata table HEST_v*.csv in {self.folder}"
                f"{others and f', and {others} is not named as one'}; check 'folder', or write one "
                "(README, your own slides)."
            )
        return table

    def not_read(self):
        names = (path.name for path in self.folder.glob("*HEST_v*"))
        return sorted(name for name in names if not tables.VERSION.fullmatch(name))

    def _all(self):
        found = sorted(path.stem for path in self.folder.glob("st/[!.]*.h5ad"))
        if not found:
            raise InputError(
                f"cohorts.{self.name}: there is no st/*.h5ad in {self.folder}; check 'folder'."
            )
        return found

    def path(self, kind, sample):
        """Path of a sample's file; `InputError` if it is missing."""
        file = self.folder / fetch.name_of(kind, sample)
        if kind == "wsis":
            return slide_files.slide_of(file.parent, sample)
        if not file.exists():
            raise InputError(
                f"cohorts.{self.name}: {file} is missing; put it there or leave the sample out."
            )
        return file


class Runs(Source):
    """Runs of a machine, a row each in a table of the user's, imported to HEST-1k's layout.

    reader: module with `read`, see `sample.Sample`; `FILES`, patterns of what it reads of a run's
    folder; `COLUMNS` of the table that it looks at, and `PATHS`, those that must be paths, from the
    table's own folder unless absolute.
    """

    NEEDED = ("id", "patient", "folder")
    MAYBE = ("folder", "image", "alignment", "spatial")  # columns that may be paths

    def __init__(self, reader, name, cohort):
        super().__init__(name, cohort)
        self.reader = reader

    def table(self):
        return Path(self.cohort["samples"])

    def samples(self):
        table = tables.read(self.table(), self.NEEDED).set_index("id").rename_axis("sample")
        if "dataset_title" not in table:
            table["dataset_title"] = str(self.table())
        query, key = self.cohort.get("query"), f"cohorts.{self.name}.query"
        table = table.loc[tables.query(table, query, key)] if query else table
        runs = table.reindex(columns=self.reader.COLUMNS).fillna("")
        if runs.duplicated().any():
            twice = table.index[runs.eq(runs[runs.duplicated()].iloc[0]).all(axis=1)]
            raise InputError(
                f"{self.table()}: '{twice[0]}' and '{twice[1]}' are the same run; keep one row."
            )
        return table

    def row(self, sample):
        """What the table says of a sample's run; `InputError` for a path that leads nowhere."""
        row = self.samples().loc[sample].reindex(self.reader.COLUMNS).dropna().to_dict()
        for column in self.reader.PATHS:
            if column in ("folder", "image") and column not in row:
                raise InputError(
                    f"{self.table()}: '{sample}' has no '{column}'; name "
                    + {"folder": "that of the run.", "image": "its slide in full resolution."}[
                        column
                    ]
                )
        for column in {*self.MAYBE} & {*row}:
            path = self.table().parent / row[column]
            if path.exists():
                row[column] = str(path)
            elif column in self.reader.PATHS:
                raise InputError(
                    f"{self.table()}: the '{column}' {row[column]} of '{sample}' is not there; "
                    "correct the path, which is taken from the table's own folder."
                )
        return row

    def slide(self, sample):
        """Path of the slide that the table names, or None where it is a picture in the run."""
        image = self.row(sample).get("image")
        return Path(image) if image and Path(image).is_file() else None

    def files(self, sample):
        """Paths of what is read of a sample's run, but its slide."""
        row = self.row(sample)
        folders = (Path(row[key]) for key in ("folder", "spatial") if key in row)
        found = {path for own in folders for what in self.reader.FILES for path in own.glob(what)}
        if (alignment := Path(row.get("alignment", ""))).is_file():
            found.add(alignment)
        if "image" in row:  # its alignment may lie there
            image = Path(row["image"])
            found |= {*image.parent.glob(f"{image.name.partition('.')[0]}*alignment.csv")}
        return sorted(map(str, found))

    def path(self, kind, sample):
        """Path of a sample's file; of a slide as it is, if OpenSlide can read it."""
        if kind == "patches":
            raise InputError(
                f"config: patches.source is 'patches', but cohorts.{self.name} has slides only; "
                "set it to wsis."
            )
        slide = self.slide(sample) if kind == "wsis" else None
        if slide and not slide_import.needs_import(slide):
            return slide
        return OWN / self.name / fetch.name_of(kind, sample)


READERS = {
    "spaceranger": spaceranger,
    "visium_hd": visium_hd,
    "xenium": xenium,
    "spatialdata": spatialdata,
}
SOURCES = {
    "simulated": Simulated,
    "local": Local,
    "hest": Hest,
    "hest_bench": HestBench,
    **{name: partial(Runs, reader) for name, reader in READERS.items()},
}
