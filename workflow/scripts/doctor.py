"""Print what each encoder of a study needs and has."""

import sys

from spotrank.base.store import InputError, job

with job(snakemake.log[0]):
    from spotrank.study import doctor

    table, away = doctor.encoders_table(snakemake.params.encoders, snakemake.params.patches)
    print(table, file=sys.__stdout__)
    if away:
        raise InputError(away)
