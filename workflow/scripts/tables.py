"""Gather all scores in tables, if they can be trusted."""

from spotrank.store import job, whole

with job(snakemake.log[0]):
    import json
    from functools import partial

    import pyarrow as pa
    from spotrank import provenance, published, tables
    from spotrank.store import read_parquet, write_parquet, write_texts

    output, params = snakemake.output, snakemake.params
    paths = [*snakemake.input.scores, *params.found]
    records, holes = provenance.trusted(params.cells, paths, params.marks_holes)
    known = provenance.gather(output.provenance, params.config, records, holes)

    scores = pa.concat_tables(map(read_parquet, records))
    scores = scores.replace_schema_metadata({"provenance": known["id"]})
    summary = tables.summary(scores.to_pandas(strings_to_categorical=True), params.n_folds)
    numbers, leaks, lacking = tables.wide(summary)
    below = [*tables.notes(leaks), *tables.notes(lacking, "‡"), known["source"]]
    text_of = partial(tables.formatted, numbers, leaks, lacking)
    texts = {
        output.provenance: provenance.public(json.dumps(known, indent=1, ensure_ascii=False)),
        output.summary: summary.assign(provenance=known["id"]).to_csv(sep="\t", index=False),
        output.tsv: tables.tsv(numbers, leaks, known["id"]),
        output.markdown: tables.markdown(text_of, below),
        output.latex: tables.latex(text_of, below),
        output.html: tables.html(text_of, below),
    }
    for printed in snakemake.input.published:
        summary["number"] = summary["panel"].map(params.numbers)
        beside = published.beside(summary, *published.read(printed))
        for form, text in published.forms(beside, known).items():
            texts[output[f"published_{form}"]] = text
    with whole(output.scores) as path:
        write_parquet(scores, path)
    write_texts(texts)
