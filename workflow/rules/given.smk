# other tools' predictions, in the form of those that `fit` writes
rule given:
    input:
        unpack(lambda wildcards: in_lists(input_of_given(wildcards))),
    output:
        PREDICTIONS,
    log:
        f"logs/{study.name}/given/{{cohort}}/{{split}}/{{encoder}}/{{panel}}/{{head}}/{{auxiliary}}/fold{{fold}}.log",
    wildcard_constraints:
        head=GIVEN,
    conda:
        "../../envs/fit.yaml"
    threads: 1
    resources:
        mem_mb=by_files(memory(2000, 20, "spots"), input_of_given),
        runtime=minutes(60),
    params:
        input=input_of_given,
        given=lambda wildcards: made_by.given(**wildcards),
    script:
        "../scripts/given.py"
