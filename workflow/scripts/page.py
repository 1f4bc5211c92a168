"""Write the page of the study."""

from spotrank.base.store import job, write_texts

with job(snakemake.log[0]):
    import json
    from pathlib import Path

    from spotrank.base.store import read_parquet
    from spotrank.report.page import chosen, genes, page, slides
    from spotrank.verdicts.compare import read

    given, params = snakemake.input, snakemake.params
    known = json.loads(Path(given.provenance).read_text(encoding="utf-8"))
    shown = page.data(
        known,
        page.read(given.summary),
        read(given.comparisons),
        page.read(given.samples),
        given.scores,
        [*given.histories, *params.found],
        page.read(given.published) if given.published else None,
        page.read(given.sets) if given.sets else None,
    )
    scores = read_parquet(given.scores).to_pandas(strings_to_categorical=True)
    fits = chosen.choose(scores, params.cells, params.files, known["config"]["genes"]["scaling"])
    shown["genes"] = genes.data(fits)
    shown["slides"] = slides.data(fits, known["config"]["patches"])
    write_texts({snakemake.output[0]: page.html(shown)})
