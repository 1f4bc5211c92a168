"""Read a run of the user's, and keep it as HEST-1k lays out a sample."""

from spotrank.base.store import job

with job(snakemake.log[0]):
    from spotrank.base import provenance
    from spotrank.cohorts.slide_files import open_slide
    from spotrank.cohorts.sources import frame
    from spotrank.cohorts.sources.registry import READERS

    params, slide = snakemake.params, snakemake.input.slide
    with open_slide(slide) as opened:
        row = params.row | {"slide_size": opened.dimensions}
    sample = READERS[params.source].read(row, params.side_um)
    sample = frame.fitted(sample, slide)
    for what, value in sample.found.items():
        print(f"{what}: {value}")
    read = {provenance.public(path): provenance.stamp(path) for path in snakemake.input}
    sample.write(snakemake.output.st, snakemake.output.metadata, {"files": read})
