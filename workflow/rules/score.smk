SCORES = f"results/{study.name}/scores/{{cohort}}/{{split}}/{{encoder}}/{{panel}}/{{head}}/{{auxiliary}}/fold{{fold}}"


rule score:
    input:
        predictions=rules.fit.output.predictions,
        spots=spots_of("test"),
        sets=files.gene_sets,
        ceilings=ceilings_of,
    output:
        **({"sets": f"{SCORES}/sets.parquet"} if files.gene_sets else {}),
        scores=f"{SCORES}/scores.parquet",
    log:
        f"logs/{study.name}/score/{{cohort}}/{{split}}/{{encoder}}/{{panel}}/{{head}}/{{auxiliary}}/fold{{fold}}.log",
    conda:
        "../../envs/fit.yaml"
    resources:
        mem_mb=memory(2000, 20),
        runtime=minutes(60),
    params:
        score=lambda wildcards: made_by.score(**wildcards),
    script:
        "../scripts/score.py"
