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
        losses=lambda wildcards: study.synthetic_losses,
        seeds=study.config["seeds"],
        options=lambda wildcards: study.synthetic,
        code=code_hash("synthetic"),
    script:
        "../scripts/synthetic.py"


rule synthetic_tables:
    input:
        **{
            name: expand(
                output,
                sampling=(study.synthetic or {}).get("sampling", []),
                thinning=(study.synthetic or {}).get("thinning", []),
            )
            for name, output in rules.synthetic.output.items()
        },
    output:
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
        code=code_hash("tables", "report"),
    script:
        "../scripts/synthetic_tables.py"
