"""Print how many patients a difference needs, by a study's earlier comparisons."""

import sys

from spotrank.base.store import job

with job(snakemake.log[0]):
    from spotrank.base.store import write_texts
    from spotrank.verdicts import power
    from spotrank.verdicts.compare import read

    params = snakemake.params
    table = power.plan(read(params.comparisons), params.comparisons)
    write_texts({params.table: table.to_csv(sep="\t", index=False)})
    print(power.in_words(table), file=sys.__stdout__)
