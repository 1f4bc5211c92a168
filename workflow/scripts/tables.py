"""Gather all scores in tables, if they can be trusted."""

from spotrank.store import InputError, job, whole

with job(snakemake.log[0]):
    import json
    from functools import partial

    import pyarrow as pa
    import pyarrow.parquet as pq
    from spotrank import provenance, published, tables

    output, params = snakemake.output, snakemake.params
    paths = [*snakemake.input.scores, *params.found]
    records = {path: provenance.of_scores(path) for path in paths}
    holes = provenance.check(params.cells, records)
    if not params.marks_holes:
        provenance.refuse(holes)
    records = {path: record for path, record in records.items() if path not in holes}
    if not records:
        raise InputError(f"study '{params.study}': no scores are there; set report.holes: refuse.")
    known = provenance.gather(params.study, params.config, records, holes)
    source = f"Made by {output.provenance}, id {known['id']}."
    for path, words in holes.items():
        print(f"left out: {path} {words}")

    scores = pa.concat_tables(map(pq.read_table, records))
    scores = scores.replace_schema_metadata({"provenance": known["id"]})
    summary = tables.summary(scores.to_pandas(strings_to_categorical=True), params.n_folds)
    numbers, leaks, lacking = tables.wide(summary)
    below = [*tables.notes(leaks), *tables.notes(lacking, "‡"), source]
    if lost := len(holes):
        below.insert(
            -1, f"‡ {lost} of {len(params.cells)} cells are left out: see provenance.json."
        )
    below = [*tables.notes(leaks), *tables.notes(lacking, "‡"), source]
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
        below = [*published.notes(beside), source]
        text_of = partial(published.formatted, beside)
        texts |= {
            output.published_tsv: beside.assign(provenance=known["id"]).to_csv(sep="\t"),
            output.published_markdown: tables.markdown(text_of, below),
            output.published_latex: tables.latex(text_of, below),
            output.published_html: tables.html(text_of, below),
        }
    with whole(output.scores) as path:
        pq.write_table(scores, path)
    for path, text in texts.items():
        with whole(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
