"""Print what a study would download."""

import sys

from spotrank.base.store import job

with job(snakemake.log[0]):
    from spotrank.study import doctor

    params = snakemake.params
    table = doctor.downloads(params.hub_files, params.encoders)
    print(table, file=sys.__stdout__)
