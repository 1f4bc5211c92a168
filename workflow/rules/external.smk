# a cohort's final model on the samples of another's patient, in the form of what `fit` writes
rule external:
    input:
        unpack(lambda wildcards: in_lists(input_of_external(wildcards))),
        model=lambda wildcards: expand(rules.final.output, **of_final(wildcards)),
    output:
        PREDICTIONS,
    log:
        f"logs/{study.name}/external/{{cohort}}/{{split}}/{{encoder}}/{{panel}}/{{head}}/{{auxiliary}}/fold{{fold}}.log",
    wildcard_constraints:
        split=f"{plans.FROM}[^/]+",
        head=rf"(?!{GIVEN}/)[^/]+",
    conda:
        "../../envs/fit.yaml"
    threads: 1
    resources:
        mem_mb=by_files(memory_of_fit, input_of_external),
        runtime=minutes(60),
        gpu=lambda wildcards: study.fit_uses_gpu(wildcards.head),
    params:
        input=input_of_external,
        external=lambda wildcards: made_by.external(**wildcards),
    script:
        "../scripts/external.py"
