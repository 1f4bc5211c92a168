"""Gather the scores of the synthetic study in tables, and draw them and the curves."""

from spotrank.base.store import job, whole

with job(snakemake.log[0]):
    import pyarrow as pa

    from spotrank.base.store import lots, read_parquet, write_lots, write_texts
    from spotrank.report import published, style, synthetic, trust
    from spotrank.verdicts.summary import summarise_synthetic

    output, params = snakemake.output, snakemake.params
    # where holes are marked, a part without its curves is one
    curves_of = {path: path.replace("scores.parquet", "curves.parquet") for path in params.cells}
    found = [path for path in params.found if curves_of[path] in params.curves]
    paths = [*snakemake.input.scores, *found]
    known = trust.collect(output.provenance, params.config, params.cells, paths, params.marks_holes)
    with whole(output.scores) as path:
        write_lots(lots(known["cells"]), path, {"provenance": known["id"]})
    scores = read_parquet(output.scores).to_pandas()
    summary = summarise_synthetic(scores)
    texts = {
        output.provenance: trust.as_text(known),
        output.summary: summary.assign(provenance=known["id"]).to_csv(sep="\t", index=False),
    }
    lists = summary["list_size"] > 0
    of_table = {"strank_table1": summary[~lists], "strank_table3": summary[lists]}
    for name in params.published:
        printed = published.read(published.path_of(name))
        beside = published.beside(of_table[name], *printed)
        for form, text in published.forms(beside, known).items():
            texts[output[f"{name}_{form}"]] = text
    write_texts(texts)
    curves = [read_parquet(curves_of[path]) for path in known["cells"]]
    curves = pa.concat_tables(curves).to_pandas()
    style.save(synthetic.scores(scores), output.figure)
    style.save(synthetic.curves(curves), output.curves)
