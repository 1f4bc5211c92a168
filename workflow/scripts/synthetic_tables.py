"""Gather the scores of the synthetic study in tables, and draw them and the curves."""

from spotrank.store import job, whole

with job(snakemake.log[0]):
    import pandas as pd
    from spotrank import report, tables

    scores, curves = (
        pd.concat(map(pd.read_parquet, paths), ignore_index=True)
        for paths in (snakemake.input.scores, snakemake.input.curves)
    )
    with whole(snakemake.output.scores) as path:
        scores.to_parquet(path, index=False)
    with whole(snakemake.output.summary) as path:
        tables.synthetic(scores).to_csv(path, sep="\t", index=False)
    report.save(report.synthetic_scores(scores), snakemake.output.figure)
    report.save(report.synthetic_curves(curves), snakemake.output.curves)
