"""Fetch files of HEST-1k from the hub."""

from spotrank.store import job

with job(snakemake.log[0]):
    from spotrank import fetch

    fetch.bring(snakemake.wildcards.revision, snakemake.output)
