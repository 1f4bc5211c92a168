"""Dry runs of all published studies: how many jobs, and what they cost: `make published`."""

import contextlib
import re
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pandas as pd
from snakemake.api import SnakemakeApi
from snakemake.settings.enums import Quietness
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings

ROOT = Path(__file__).parents[1]


def dry_run(config):
    """What Snakemake prints of a dry run of a config, without the list of jobs."""
    with tempfile.TemporaryFile("w+") as printed:
        quiet = OutputSettings(quiet={Quietness.RULES, Quietness.REASON, Quietness.HOST})
        with (
            contextlib.redirect_stderr(printed),
            contextlib.redirect_stdout(printed),
            SnakemakeApi(quiet) as api,
        ):
            try:
                workflow = api.workflow(
                    ResourceSettings(cores=1),
                    ConfigSettings(configfiles=[config]),
                    snakefile=ROOT / "workflow/Snakefile",
                )
                workflow.dag(DAGSettings()).execute_workflow("dryrun")
            except Exception as error:
                api.print_exception(error)
        printed.seek(0)
        return printed.read()


def row(printed):
    """Jobs and GPU hours in what a dry run printed."""
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", printed, re.MULTILINE))
    hours = re.search(r"about ([\d.]+) GPU hours to embed and at most ([\d.]+)", printed)
    embed, fit = hours.groups() if hours else ("?", "?")
    of_rules = {rule: int(jobs.get(rule, 0)) for rule in ("fetch", "embed", "fit", "total")}
    return of_rules | {"GPU h to embed": embed, "GPU h to fit, at most": fit}


def main(configs):
    """Print a table of dry runs, and what those said that failed."""
    # the largest first, so that all end together
    configs = sorted(configs, key=lambda path: -len(path.read_text(encoding="utf-8")))
    with ProcessPoolExecutor() as pool:
        printed = dict(zip(configs, pool.map(dry_run, configs), strict=True))
    rows = {path.stem: row(text) for path, text in sorted(printed.items())}
    print(pd.DataFrame(rows).T.rename_axis("study").reset_index().to_string(index=False))
    failed = [text for path, text in printed.items() if not rows[path.stem]["total"]]
    print("", *failed, sep="\n", end="")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(list((ROOT / "config/published").glob("*.yaml"))))
