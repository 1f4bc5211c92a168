"""Print what each encoder of a study needs and has."""

import sys

from spotrank.base.store import job

with job(snakemake.log[0]):
    from spotrank.study import doctor

    print(doctor.encoders_table(snakemake.params.encoders, snakemake.params.patches),
          file=sys.__stdout__)  # fmt: skip
