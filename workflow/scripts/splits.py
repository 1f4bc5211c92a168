"""Write the plan of all folds."""

from spotrank.store import job, whole

with job(snakemake.log[0]):
    from spotrank import split

    plan = split.table(snakemake.params.plans, snakemake.params.patients)
    with whole(snakemake.output[0]) as path:
        plan.to_csv(path, sep="\t", index=False)
