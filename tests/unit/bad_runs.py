"""Malformed tables of own runs, each with the sentence that it must give."""

from spotrank.study.files import Files
from spotrank.study.study import Study

HEAD = "id,patient,folder,image\nB,P2,a,a.tif\n"
WHOLE = HEAD + "A,P1,a2,a.tif\n"
# what is in the table, what else the cohort's part of the config and the config say
RUNS = {
    "no table": ((None,), "samples.csv: no such file; put it there"),
    "no column of folders": (
        ("id,patient,image\nA,P1,a.tif\n",),
        "lacks the column 'folder'; add it",
    ),
    "no folder": ((HEAD + "A,P1,,a.tif\n",), "'A' has no 'folder'; name that of the run"),
    "a folder that is not there": (
        (HEAD + "A,P1,b,a.tif\n",),
        "the 'folder' b of 'A' is not there; correct the path, which is taken from the table's",
    ),
    "no image": ((HEAD + "A,P1,a2,\n",), "'A' has no 'image'; name its slide"),
    "a run twice": (
        (WHOLE + "C,P1,a,a.tif\n",),
        "'B' and 'C' are the same run; keep one row",
    ),
    "query that finds nothing": (
        (WHOLE, {"query": {"patient": "P3"}}),
        "cohorts.c.query finds no sample; widen the query",
    ),
    "query of no column": (
        (WHOLE, {"query": {"pateint": "P1"}}),
        "asks for 'pateint', which is no column of the metadata table, did you mean 'patient'",
    ),
    "patches": (
        (WHOLE, {}, {"patches": {"source": "patches"}}),
        "patches.source is 'patches', but cohorts.c has slides only; set it to wsis",
    ),
}


def check_runs(edit, folder, config):
    text, of_cohort, of_config = (*edit, {}, {})[:3]
    path = folder / "samples.csv"
    (folder / "a").mkdir()
    (folder / "a2").mkdir()
    (folder / "a.tif").symlink_to(folder / "wsis/SIM1.tif")
    if text is not None:
        path.write_text(text)
    config["cohorts"]["c"] = {"source": "spaceranger", "samples": str(path)} | of_cohort
    Files(Study(config | of_config))
