"""Write a first table of the runs beneath a folder, for a person to fill in."""

import sys

from spotrank.base.store import InputError, job

with job(snakemake.log[0]):
    from pathlib import Path

    from spotrank.base.store import write_texts
    from spotrank.cohorts.sources import runs

    if snakemake.params.folder is None:
        raise InputError("`snakemake samples` needs --config folder=…; name that of your runs.")
    path = Path(snakemake.params.table)
    if path.exists():
        raise InputError(f"{path}: is there already, perhaps filled in; rename it, or delete it.")
    table = runs.find(snakemake.params.folder)
    write_texts({path: table.to_csv(index=False)})
    told = f"{path}: {len(table)} runs; fill in 'patient' and what is empty. For the config:"
    print(told, runs.in_config(table, path), sep="\n", file=sys.__stdout__)
