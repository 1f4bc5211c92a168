"""Show what imports found in each sample, and where its spots lie."""

import sys

from spotrank.base.store import InputError, job

with job(snakemake.log[0]):
    from spotrank.report import import_check, style

    given, params = snakemake.input, snakemake.params
    if not params.samples:
        raise InputError(
            "config: no cohort is read from runs; set its source to spaceranger, visium_hd, xenium "
            "or spatialdata."
        )
    files = zip(params.samples, given.st, given.metadata, given.wsis, strict=True)
    looks = [import_check.look(*own, params.side_um) for own in files]
    style.save(import_check.picture(looks, params.side_um), snakemake.output[0])
    print(import_check.table(looks), file=sys.__stdout__)
    print(f"Picture: {snakemake.output[0]}", file=sys.__stdout__)
