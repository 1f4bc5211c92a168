"""Files that are no ledger, each with the sentence that it must give."""

from spotrank.report import ledger

LEDGERS = {
    "none yet": (lambda folder: None, "ledger.tsv: no such file; run a study first"),
    "another table": (
        lambda folder: (folder / "ledger.tsv").write_text("id\tpatient\nSIM1\tP1\n"),
        "ledger.tsv: no ledger (other columns than a ledger's); give another path in the key",
    ),
    "no table": (
        lambda folder: (folder / "ledger.tsv").write_bytes(b"a\tb\n\xff\xfe\t1\n"),
        "ledger.tsv: no ledger",
    ),
    "lines of unequal length": (
        lambda folder: (folder / "ledger.tsv").write_text("a\tb\n1\t2\n1\t2\t3\t4\n"),
        "ledger.tsv: no ledger (Error tokenizing data",
    ),
}


def check_ledger(edit, folder, _):
    edit(folder)
    ledger.read(folder / "ledger.tsv")
