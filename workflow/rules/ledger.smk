# the ledger itself is nobody's output: Snakemake would delete it before a job
rule ledger:
    input:
        provenance=rules.tables.output.provenance,
        summary=rules.tables.output.summary,
        samples=rules.tables.output.samples,
    output:
        f"results/{study.name}/ledger.tsv",
    log:
        f"logs/{study.name}/ledger.log",
    # on the machine that the run was started on: a lock holds on one
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        ledger=study.config["ledger"],
        settings=settings.settings(study),
        code=code_hash("ledger"),
    script:
        "../scripts/ledger.py"
