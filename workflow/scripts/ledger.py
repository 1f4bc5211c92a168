"""Append to the ledger what a study's tables have found."""

from spotrank.base.store import job, write_texts

with job(snakemake.log[0]):
    import json
    from pathlib import Path

    from spotrank.report import ledger
    from spotrank.report.page import page

    given, params = snakemake.input, snakemake.params
    known = json.loads(Path(given.provenance).read_text(encoding="utf-8"))
    lines = ledger.lines(page.read(given.summary), page.read(given.samples), known, params.settings)
    print(f"{params.ledger}: {ledger.append(params.ledger, lines)} of {len(lines)} lines are new")
    write_texts({snakemake.output[0]: lines.to_csv(sep="\t", index=False)})
