"""Write the page of the study."""

from spotrank.base.store import job, write_texts

with job(snakemake.log[0]):
    import json
    from pathlib import Path

    from spotrank.report.page import chosen, genes, page, slides
    from spotrank.verdicts.compare import read

    given, params = snakemake.input, snakemake.params
    known = json.loads(Path(given.provenance).read_text(encoding="utf-8"))
    summary = page.read(given.summary)
    shown = page.data(
        known,
        summary,
        read(given.comparisons),
        page.read(given.samples),
        given.scores,
        [*params.histories, *params.found],
        page.read(given.published) if given.published else None,
        page.read(given.sets) if given.sets else None,
    )
    scaling = known["config"]["genes"]["scaling"]
    fits = chosen.choose(summary, given.scores, params.cells, params.files, scaling)
    shown["genes"] = genes.data(fits)
    shown["slides"] = slides.data(fits, known["config"]["patches"])
    write_texts({snakemake.output[0]: page.html(shown)})
