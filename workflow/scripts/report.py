"""Write Snakemake's report of what was drawn, as one HTML file."""

from spotrank.base.store import job, whole

with job(snakemake.log[0]) as log:
    import subprocess
    import sys
    from tempfile import NamedTemporaryFile

    import yaml

    with whole(snakemake.output[0]) as path, NamedTemporaryFile("w", suffix=".yaml") as config:
        yaml.safe_dump(snakemake.params.config, config)
        config.flush()
        command = [sys.executable, "-m", "snakemake", "drawn", "--report", str(path), "--nolock"]
        command += ["--snakefile", snakemake.params.snakefile, "--configfile", config.name]
        subprocess.run(command, check=True, stdout=log, stderr=log)
