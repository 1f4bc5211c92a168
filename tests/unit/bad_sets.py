"""Malformed files of gene sets, each with the sentence that it must give."""

from spotrank.study.files import Files
from spotrank.study.study import Study

SETS = {
    "missing": (None, "sets.gmt: no such file"),
    "empty": ("\n\n", "has no gene set; write a line each"),
    "set without genes": ("A\tx\tSIM001\nB\tx\t\t\n", "line 2 has no genes"),
    "genes without tabs": ("A x SIM001 SIM002\n", "line 1 has no genes; write a name"),
    "set without a name": ("\tx\tSIM001\n", "line 1 has no name"),
    "set twice": ("A\tx\tSIM001\nB\tx\tSIM002\nA\ty\tSIM003\n", "the set 'A' stands there twice"),
    "genes of another kind": (
        "A\tx\tENSG00000141510\n",
        "none of its genes, such as 'ENSG00000141510', is measured in cohorts.c, whose genes have",
    ),
}


def check_sets(text, folder, config):
    config["genes"]["sets"] = str(folder / "sets.gmt")
    if text is not None:
        (folder / "sets.gmt").write_text(text)
    Files(Study(config)).check_genes()
