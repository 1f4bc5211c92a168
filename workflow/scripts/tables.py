"""Gather all scores in tables, if they can be trusted."""

from spotrank.base.store import job, whole

with job(snakemake.log[0]):
    from functools import partial

    from spotrank.base.store import write_parquet, write_texts
    from spotrank.report import published, samples, tables, trust
    from spotrank.verdicts.floors import is_floor
    from spotrank.verdicts.summary import summarise

    output, params = snakemake.output, snakemake.params
    paths = [*snakemake.input.scores, *params.found]
    known, scores = trust.collect(
        output.provenance, params.config, params.cells, paths, params.marks_holes, params.tables
    )
    summary = summarise(scores.to_pandas(strings_to_categorical=True), params.planned)
    numbers, leaks, lacking = tables.wide(summary)
    below = [*tables.notes(leaks), *tables.notes(lacking, "‡"), known["source"]]
    text_of = partial(tables.formatted, numbers, leaks, lacking)
    of_samples = samples.table(
        known["samples"], params.plans, params.written, params.patients, params.sections
    )
    texts = {
        output.samples: of_samples.assign(provenance=known["id"]).to_csv(sep="\t", index=False),
        output.samples_html: samples.html(of_samples, known["source"]),
        output.provenance: trust.as_text(known),
        output.summary: summary.assign(provenance=known["id"]).to_csv(sep="\t", index=False),
        output.tsv: tables.tsv(numbers, leaks, known["id"]),
        output.markdown: tables.markdown(text_of, below),
        output.latex: tables.latex(text_of, below),
        output.html: tables.html(text_of, below),
    }
    for printed in snakemake.input.published:
        summary["number"] = summary["panel"].map(params.numbers)
        of_losses = summary[~is_floor(summary)]
        beside = published.beside(of_losses, *published.read(printed))
        for form, text in published.forms(beside, known).items():
            texts[output[f"published_{form}"]] = text
    with whole(output.scores) as path:
        write_parquet(scores, path)
    write_texts(texts)
