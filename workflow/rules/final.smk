FINAL = (
    f"results/{study.name}/final/{{cohort}}/{{split}}/{{encoder}}/{{panel}}/{{head}}/{{auxiliary}}"
)


use rule panel as panel_of_all with:
    output:
        f"results/{study.name}/panels/{{cohort}}/{{split}}/{{panel}}/all.tsv",
    log:
        f"logs/{study.name}/panel/{{cohort}}/{{split}}/{{panel}}/all.log",


rule final:
    input:
        unpack(lambda wildcards: in_lists(features_of(wildcards))),
        spots=spots_of(),
        panel=rules.panel_of_all.output,
        ranking=lambda wildcards: ranking_of(wildcards, rules.panel_of_all.output),
        lots=lambda wildcards: lists_of_fits(folds_of(wildcards)),
    output:
        f"{FINAL}/model.safetensors",
    log:
        f"logs/{study.name}/final/{{cohort}}/{{split}}/{{encoder}}/{{panel}}/{{head}}/{{auxiliary}}.log",
    conda:
        "../../envs/fit.yaml"
    threads: 1
    resources:
        mem_mb=by_files(memory_of_fit, features_of),
        runtime=minutes(240),
        gpu=lambda wildcards: study.fit_uses_gpu(wildcards.head),
    params:
        features=features_of,
        final=lambda wildcards: made_by.final(**wildcards),
        folds=lambda wildcards: [
            files.of_fit("fits/weights.safetensors", **cell) for cell in folds_of(wildcards)
        ],
    script:
        "../scripts/final.py"
