FIT = f"results/{study.name}/fits/{{cohort}}/{{split}}/{{encoder}}/{{panel}}/{{head}}/{{auxiliary}}/fold{{fold}}"


rule fit:
    input:
        unpack(features_of),
        spots=spots_of("train", "validation", "test"),
        panel=rules.panel.output,
        ranking=ranking_of,
    output:
        weights=f"{FIT}/weights.safetensors",
        predictions=f"{FIT}/predictions.h5",
        history=f"{FIT}/history.parquet",
    log:
        f"logs/{study.name}/fit/{{cohort}}/{{split}}/{{encoder}}/{{panel}}/{{head}}/{{auxiliary}}/fold{{fold}}.log",
    wildcard_constraints:
        split=rf"(?!{plans.FROM})[^/]+",
        head=rf"(?!({'|'.join([*OF_FLOORS, GIVEN])})/)[^/]+",
    conda:
        "../../envs/fit.yaml"
    # one thread: folds run side by side, and sums come out the same on every machine's share
    threads: 1
    resources:
        mem_mb=memory_of_fit,
        runtime=minutes(240),
        gpu=lambda wildcards: study.fit_uses_gpu(wildcards.head),
    params:
        fit=lambda wildcards: made_by.fit(**wildcards),
    script:
        "../scripts/fit.py"


# a rule of its own: what a site says of `fit`, such as a partition with GPUs, is not for floors
use rule fit as floor with:
    wildcard_constraints:
        split=rf"(?!{plans.FROM})[^/]+",
        head="|".join(OF_FLOORS),
