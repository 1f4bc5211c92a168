"""Write the metadata table of a simulated cohort."""

from spotrank.store import job, whole

with job(snakemake.log[0]):
    from spotrank import simulate

    with whole(snakemake.output[0]) as path:
        simulate.design(**snakemake.params.cohort).to_csv(path, index=False)
