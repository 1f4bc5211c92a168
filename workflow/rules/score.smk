rule score:
    input:
        predictions=rules.fit.output.predictions,
        spots=spots_of("test"),
    output:
        f"results/{study.name}/scores/{{cohort}}/{{split}}/{{encoder}}/{{panel}}/{{head}}/{{auxiliary}}/fold{{fold}}/scores.parquet",
    log:
        f"logs/{study.name}/score/{{cohort}}/{{split}}/{{encoder}}/{{panel}}/{{head}}/{{auxiliary}}/fold{{fold}}.log",
    conda:
        "../../envs/fit.yaml"
    resources:
        mem_mb=memory(2000, 20),
        runtime=minutes(60),
    params:
        samples=lambda wildcards: samples_of(wildcards, "test"),
        patients=lambda wildcards: study.samples[wildcards.cohort]["patient"].to_dict(),
        scaling=study.config["genes"]["scaling"],
        leak=lambda wildcards: study.leak(
            wildcards.cohort, wildcards.split, int(wildcards.fold), wildcards.panel
        ),
        code=code_hash("score"),
    script:
        "../scripts/score.py"
