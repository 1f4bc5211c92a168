"""Write the plan of all folds."""

from spotrank.base.store import job, write_texts

with job(snakemake.log[0]):
    from spotrank.spots import split

    params = snakemake.params
    plan = split.table(params.plans, params.patients, params.leaks)
    plan = plan.assign(provenance=params.provenance)
    write_texts({snakemake.output[0]: plan.to_csv(sep="\t", index=False)})
