SYNTHETIC = f"results/{study.name}/synthetic/{{sampling}}/thinning{{thinning}}"


rule synthetic:
    output:
        scores=f"{SYNTHETIC}/scores.parquet",
        curves=f"{SYNTHETIC}/curves.parquet",
    log:
        f"logs/{study.name}/synthetic/{{sampling}}/thinning{{thinning}}.log",
    conda:
        "../../envs/fit.yaml"
    # one thread: the networks are tiny, and samplings run side by side
    threads: 1
    resources:
        mem_mb=memory(4000, 0),
        runtime=minutes(720),
        gpu=1,
    params:
        synthetic=lambda wildcards: made_by.synthetic(**wildcards),
    script:
        "../scripts/synthetic.py"


# without cohorts there is but one provenance.json
ruleorder: synthetic_tables > tables


rule synthetic_tables:
    input:
        scores=asked(synthetic_files("scores")),
        curves=asked(synthetic_files("curves")),
    output:
        **{
            key: file
            for table in study.synthetic_tables
            for key, file in beside_published(
                table,
                f"results/{study.name}/tables/{table}",
                "Synthetic",
                f"{table.replace('_', ', ')}, beside the printed numbers",
            ).items()
        },
        provenance=f"results/{study.name}/{'synthetic/' * bool(study.cohorts)}provenance.json",
        scores=f"results/{study.name}/tables/synthetic.parquet",
        summary=f"results/{study.name}/tables/synthetic.tsv",
        figure=report(
            f"results/{study.name}/figures/synthetic.png",
            category="Synthetic",
            caption="../report/synthetic.rst",
            labels={"figure": "scores by loss"},
        ),
        curves=report(
            f"results/{study.name}/figures/synthetic_curves.png",
            category="Synthetic",
            caption="../report/synthetic.rst",
            labels={"figure": "curves by loss"},
        ),
    log:
        f"logs/{study.name}/synthetic/tables.log",
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory(2000, 20),
        runtime=minutes(30),
    params:
        config=study.config,
        cells=lambda wildcards: made_by.synthetic_cells(),
        marks_holes=study.marks_holes,
        found=lambda wildcards: found(synthetic_files("scores")),
        curves=lambda wildcards: found(synthetic_files("curves")),
        published=study.synthetic_tables,
        code=code_hash("synthetic_tables"),
    script:
        "../scripts/synthetic_tables.py"
