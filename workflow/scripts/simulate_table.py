"""Write the metadata table of a simulated cohort."""

from spotrank.base.store import job, whole

with job(snakemake.log[0]):
    from spotrank.cohorts import simulate

    with whole(snakemake.output[0]) as path:
        simulate.design(**snakemake.params.cohort).to_csv(path, index=False)
