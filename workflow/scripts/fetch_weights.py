"""Fetch the weights of one encoder from the hub."""

from spotrank.store import job

with job(snakemake.log[0]):
    from spotrank import encoders

    encoders.fetch_weights(snakemake.params.row, snakemake.output[0])
