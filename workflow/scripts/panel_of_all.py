"""Choose the genes of a final model, which is fitted to all samples."""

from spotrank.base.store import job, whole

with job(snakemake.log[0]):
    from spotrank.base import provenance
    from spotrank.base.store import read_h5ad
    from spotrank.genes import panel

    began, given, output = provenance.now(), snakemake.input, snakemake.output[0]
    params = snakemake.params.panel
    spots = dict(zip(params["samples"], map(read_h5ad, given.spots), strict=True))
    genes = panel.of_fold(params, spots, snakemake.wildcards.cohort)
    parents = map(provenance.read, given.spots)
    record = provenance.record("panel", output, given.file, began, parents, params)
    with whole(output) as path:
        panel.save(genes, path, record)
