"""Make one slide of a simulated cohort."""

from spotrank.base.store import job

with job(snakemake.log[0]):
    from spotrank.cohorts import simulate

    simulate.write_sample(
        snakemake.output.st,
        snakemake.output.wsi,
        snakemake.output.metadata,
        snakemake.wildcards.sample,
        **snakemake.params.cohort,
    )
