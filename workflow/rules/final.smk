FINAL = (
    f"results/{study.name}/final/{{cohort}}/{{split}}/{{encoder}}/{{panel}}/{{head}}/{{auxiliary}}"
)


rule panel_of_all:
    input:
        spots=spots_of(),
        file=file_of_panel,
    output:
        files.panel("{cohort}", "{split}", "{panel}"),
    log:
        f"logs/{study.name}/panel_of_all/{{cohort}}/{{split}}/{{panel}}.log",
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory(2000, 20),
        runtime=minutes(30),
    params:
        panel=lambda wildcards: made_by.panel(**wildcards),
    script:
        "../scripts/panel_of_all.py"


rule final:
    input:
        unpack(lambda wildcards: in_lists(features_of(wildcards))),
        unpack(genes_of),
        spots=spots_of(),
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
