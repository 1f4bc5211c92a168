"""Write a first table of the runs beneath a folder, for a person to fill in."""

from spotrank.base.store import job

with job(snakemake.log[0]):
    from pathlib import Path

    from spotrank.base.store import InputError, write_texts
    from spotrank.cohorts.sources import runs

    path = Path(snakemake.params.table)
    if path.exists():
        raise InputError(f"{path}: is there already, perhaps filled in; rename it, or delete it.")
    table = runs.find(snakemake.params.folder)
    write_texts({path: table.to_csv(index=False)})
    print(f"{path}: {len(table)} runs; fill in 'patient' and what is empty. For the config:")
    print(runs.in_config(table, path), end="")
