rule splits:
    input:
        [fetch.table_path(name, cohort) for name, cohort in study.cohorts.items()],
    output:
        f"results/{study.name}/tables/splits.tsv",
    log:
        f"logs/{study.name}/splits.log",
    localrule: True
    conda:
        "../../envs/data.yaml"
    params:
        plans=study.plans,
        patients={name: table["patient"].to_dict() for name, table in study.samples.items()},
        code=code_hash("split"),
    script:
        "../scripts/splits.py"


rule tables:
    input:
        fits("scores/scores.parquet"),
    output:
        scores=f"results/{study.name}/tables/scores.parquet",
        summary=f"results/{study.name}/tables/summary.tsv",
        tsv=f"results/{study.name}/tables/losses.tsv",
        markdown=f"results/{study.name}/tables/losses.md",
        latex=f"results/{study.name}/tables/losses.tex",
        html=report(
            f"results/{study.name}/tables/losses.html",
            category="Tables",
            caption="../report/losses.rst",
            labels={"table": "losses × cohorts"},
        ),
    log:
        f"logs/{study.name}/tables.log",
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory(2000, 20),
        runtime=minutes(30),
    params:
        code=code_hash("tables"),
    script:
        "../scripts/tables.py"
