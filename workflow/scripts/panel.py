"""Choose the genes of the folds of a lot, each sample read once."""

from spotrank.base.store import job, whole

with job(snakemake.log[0]):
    from functools import cache

    from spotrank.base import lot, provenance
    from spotrank.base.store import read_h5ad
    from spotrank.genes import panel

    seen, read, record_of = {}, cache(read_h5ad), cache(provenance.read)

    def is_kept(thing):
        own = panel.load(thing["output"]["panel"])[1]
        asked = provenance.of_stage("panel", thing["made_by"])
        parents = map(record_of, thing["input"]["spots"])
        return not provenance.differences(own, asked, parents, seen, thing["input"]["file"])

    def make(thing):
        began, params, output = provenance.now(), thing["made_by"], thing["output"]["panel"]
        paths, files = thing["input"]["spots"], thing["input"]["file"]
        spots = dict(zip(params["samples"], map(read, paths), strict=True))
        genes = panel.of_fold(params, spots, snakemake.wildcards.cohort)
        parents = map(record_of, paths)
        record = provenance.record("panel", output, files, began, parents, params)
        with whole(output) as path:
            panel.save(genes, path, record)

    lot.make(snakemake.output[0], snakemake.params.panels, is_kept, make)
