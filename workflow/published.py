"""Plans of all published studies: how many jobs they have and what they cost: `make published`."""

import contextlib
import gc
import re
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pandas as pd
from snakemake.api import SnakemakeApi
from snakemake.settings.enums import PrintDag, Quietness
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings

from spotrank.base.store import InputError
from spotrank.cohorts import fetch

ROOT = Path(__file__).parents[1]


def plan(config):
    """What Snakemake prints of a config's jobs, in DOT, none of them scheduled or listed."""
    with tempfile.TemporaryFile("w+") as printed:
        with (
            contextlib.redirect_stderr(printed),
            contextlib.redirect_stdout(printed),
            SnakemakeApi(OutputSettings(quiet={Quietness.HOST})) as api,
        ):
            try:
                workflow = api.workflow(
                    ResourceSettings(cores=1),
                    ConfigSettings(configfiles=[config]),
                    snakefile=ROOT / "workflow/Snakefile",
                )
                # Snakemake compares with the name
                workflow.dag(DAGSettings(print_dag_as=str(PrintDag.DOT))).printdag()
            except Exception as error:
                api.print_exception(error)
        printed.seek(0)
        return printed.read()


def row(printed):
    """Jobs yet to run and GPU hours in what was printed of a plan."""
    # jobs that are done have a dashed line round them
    jobs = Counter(re.findall(r'label = "(\w+).*style="rounded"', printed))
    hours = re.search(r"about ([\d.]+) GPU hours to embed and at most ([\d.]+)", printed)
    embed, fit = hours.groups() if hours else ("?", "?")
    jobs_of = {"fetch": ("fetch", "fetch_bench"), "embed": ("embed",), "fit": ("fit",)}
    of_rules = {name: sum(jobs[rule] for rule in rules) for name, rules in jobs_of.items()}
    of_rules["total"] = jobs.total()
    return of_rules | {"GPU h to embed": embed, "GPU h to fit, at most": fit}


def main(configs):
    """Print a table of plans, and what those said that failed."""
    try:
        fetch.hest_table("main")  # once, or all plans would ask for it together
    except InputError as error:
        sys.exit(str(error))
    # the largest first, so that all end together
    configs = sorted(configs, key=lambda path: -len(path.read_text(encoding="utf-8")))
    # no garbage collection: a plan's jobs are needed to its end, looking through them takes long
    with ProcessPoolExecutor(initializer=gc.disable) as pool:
        printed = dict(zip(configs, pool.map(plan, configs), strict=True))
    rows = {path.stem: row(text) for path, text in sorted(printed.items())}
    print(pd.DataFrame(rows).T.rename_axis("study").reset_index().to_string(index=False))
    failed = [text for text in printed.values() if "digraph" not in text]
    print("", *failed, sep="\n", end="")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(list((ROOT / "config/published").glob("*.yaml"))))
