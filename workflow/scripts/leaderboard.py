"""Draw the standing of all encoders in the ledger."""

import sys

from spotrank.base.store import job

with job(snakemake.log[0]):
    from pathlib import Path

    from spotrank.base.store import write_texts
    from spotrank.report import leaderboard, ledger, published
    from spotrank.report.page import board, page

    params = snakemake.params
    cells, left_out = leaderboard.cells(ledger.read(params.ledger))
    patients = leaderboard.read_patients(cells, Path(params.page).parent)
    found = list(leaderboard.boards(cells, patients))
    tables = {path.stem: published.read(path) for path in sorted(published.FOLDER.glob("*.tsv"))}
    shown = board.data(cells, found, leaderboard.printed(cells, tables), left_out)
    write_texts(
        {
            params.table: leaderboard.text(found),
            params.page: page.html(shown, "leaderboard.html", board.SCRIPTS, page.STYLES[:1]),
        }
    )
    print(f"{shown['boards'][0]['said'][0]}\n{params.page}", file=sys.__stdout__)
