"""Fetch the weights of one encoder from the hub."""

from spotrank.base.store import job

with job(snakemake.log[0]):
    from spotrank.encoders import weights

    weights.fetch(snakemake.params.row, snakemake.output[0])
