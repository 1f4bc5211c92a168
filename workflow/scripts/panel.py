"""Choose the genes of one fold."""

from spotrank.base.store import job, whole

with job(snakemake.log[0]):
    from spotrank.base import provenance
    from spotrank.base.store import read_h5ad
    from spotrank.genes import panel
    from spotrank.spots import features

    began, params, output = provenance.now(), snakemake.params, snakemake.output[0]
    spots = dict(zip(params.samples, map(read_h5ad, snakemake.input.spots), strict=True))
    all_genes = {sample: adata.var_names for sample, adata in spots.items()}
    features.check_kinds(all_genes, f"cohorts.{snakemake.wildcards.cohort}")
    features.check_shared(all_genes, f"cohorts.{snakemake.wildcards.cohort}")
    if "file" in params.panel:
        genes = panel.from_file(params.panel["file"], all_genes)
    elif "ranking" in params.panel:
        genes = panel.ranking_from_file(params.panel["ranking"], all_genes)
    else:
        genes = panel.choose(
            panel.looked_at(
                spots, params.fold, params.panel["samples"], params.gap_um, params.min_spots
            ),
            params.panel["selection"],
            params.panel["number"],
            all_genes,
        )
    parents = map(provenance.read, snakemake.input.spots)
    record = provenance.record("panel", output, snakemake.input.file, began, parents)
    with whole(output) as path:
        panel.save(genes, path, record)
