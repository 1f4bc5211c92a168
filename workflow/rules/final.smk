FINAL = (
    f"results/{study.name}/final/{{cohort}}/{{split}}/{{encoder}}/{{panel}}/{{head}}/{{auxiliary}}"
)


rule final:
    input:
        unpack(lambda wildcards: in_lists(input_of_fit(wildcards))),
        lots=lambda wildcards: lists_of_fits(folds_of(wildcards)),
    output:
        f"{FINAL}/model.safetensors",
    log:
        f"logs/{study.name}/final/{{cohort}}/{{split}}/{{encoder}}/{{panel}}/{{head}}/{{auxiliary}}.log",
    conda:
        "../../envs/fit.yaml"
    threads: 1
    resources:
        mem_mb=by_files(memory_of_fit, input_of_fit),
        runtime=minutes(240),
        gpu=lambda wildcards: study.fit_uses_gpu(wildcards.head),
    params:
        input=input_of_fit,
        final=lambda wildcards: made_by.final(**wildcards),
        folds=lambda wildcards: [
            files.of_fit("fits/weights.safetensors", **cell) for cell in folds_of(wildcards)
        ],
    script:
        "../scripts/final.py"
