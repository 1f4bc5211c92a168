"""Fetch files of HEST-1k from the hub."""

from spotrank.base.store import job

with job(snakemake.log[0]):
    from spotrank.cohorts import fetch

    fetch.bring(snakemake.wildcards.home, snakemake.output)
