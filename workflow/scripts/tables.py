"""Gather all scores in tables, if they can be trusted."""

from spotrank.base.store import job, whole

with job(snakemake.log[0]):
    from functools import partial

    import pyarrow as pa

    from spotrank.base.store import lots, read_parquet, row_groups, write_lots, write_texts
    from spotrank.report import comparisons, published, samples, tables, trust
    from spotrank.verdicts import best, slides
    from spotrank.verdicts.compare import compare
    from spotrank.verdicts.floors import is_floor
    from spotrank.verdicts.sets import summarise_sets
    from spotrank.verdicts.summary import summarise
    from spotrank.verdicts.units import patients

    output, params = snakemake.output, snakemake.params
    # where holes are marked, scores without those of the gene sets are one
    sets_of = {path: path.replace("scores.parquet", "sets.parquet") for path in params.cells}
    with_sets = "sets" in output.keys()  # noqa: SIM118 (a list with names)
    found = [path for path in params.found if not with_sets or sets_of[path] in params.sets]
    paths = [*params.scores, *found]
    known = trust.collect(
        output.provenance, params.config, params.cells, paths, params.marks_holes, params.tables
    )
    with whole(output.scores) as path:
        write_lots(lots(known["cells"]), path, {"provenance": known["id"]})
    of_slides = slides.gather(partial(row_groups, output.scores))
    summary = summarise(of_slides.means, params.planned)
    pairs = compare(of_slides, summary, params.persons)
    summary = best.beside(summary, of_slides.means, params.persons)
    of_patients = patients(of_slides.means, params.persons)
    numbers, leaks, lacking = tables.wide(summary)
    places, apart = tables.verdicts(numbers, pairs)
    below = [
        *tables.notes(leaks),
        *tables.notes(lacking, "‡"),
        *apart,
        *tables.ceilings(summary),
        known["source"],
    ]
    text_of = partial(tables.formatted, numbers, leaks, lacking, places)
    of_samples = samples.table(
        known["samples"], params.plans, params.written, params.patients, params.sections
    )
    texts = {
        output.samples: of_samples.assign(provenance=known["id"]).to_csv(sep="\t", index=False),
        output.samples_html: samples.html(of_samples, known["source"]),
        output.provenance: trust.as_text(known),
        output.summary: summary.assign(provenance=known["id"]).to_csv(sep="\t", index=False),
        output.patients: of_patients.assign(provenance=known["id"]).to_csv(sep="\t", index=False),
        output.comparisons: pairs.assign(provenance=known["id"]).to_csv(sep="\t", index=False),
        output.comparisons_html: comparisons.html(pairs, known["source"]),
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
    if with_sets:
        sets = pa.concat_tables([read_parquet(sets_of[path]) for path in known["cells"]])
        sets = summarise_sets(sets.to_pandas(strings_to_categorical=True))
        texts[output.sets] = sets.assign(provenance=known["id"]).to_csv(sep="\t", index=False)
    write_texts(texts)
