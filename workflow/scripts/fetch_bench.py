"""Fetch a sample of HEST-Benchmark from the hub."""

from spotrank.base.store import job

with job(snakemake.log[0]):
    from spotrank.cohorts import hest_bench

    wildcards, output = snakemake.wildcards, snakemake.output
    hest_bench.bring(wildcards.home, output.st, wildcards.sample, output.metadata)
