"""Gather all scores in tables."""

from spotrank.store import job, whole

with job(snakemake.log[0]):
    import pandas as pd
    from spotrank import tables

    scores = pd.concat(map(pd.read_parquet, snakemake.input), ignore_index=True)
    summary = tables.summary(scores)
    numbers, leaks = tables.wide(summary)
    output = snakemake.output
    with whole(output.scores) as path:
        scores.to_parquet(path, index=False)
    with whole(output.summary) as path:
        summary.to_csv(path, sep="\t", index=False)
    for path, form in (
        (output.tsv, tables.tsv),
        (output.markdown, tables.markdown),
        (output.latex, tables.latex),
        (output.html, tables.html),
    ):
        with whole(path) as temporary:
            temporary.write_text(form(numbers, leaks), encoding="utf-8")
