"""Gather all scores in tables."""

from spotrank.store import job, whole

with job(snakemake.log[0]):
    import pyarrow as pa
    import pyarrow.parquet as pq
    from spotrank import tables

    scores = pa.concat_tables(map(pq.read_table, snakemake.input)).replace_schema_metadata()
    summary = tables.summary(scores.to_pandas(strings_to_categorical=True))
    numbers, leaks = tables.wide(summary)
    output = snakemake.output
    with whole(output.scores) as path:
        pq.write_table(scores, path)
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
