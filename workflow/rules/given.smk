# other tools' predictions, in the form of those that `fit` writes
rule given:
    input:
        files=lambda wildcards: given.files(study, wildcards.cohort, samples_of(wildcards, "test")),
        spots=spots_of("test"),
        panel=lambda wildcards: in_list(panel_of(wildcards)),
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
        mem_mb=memory(2000, 20, "spots"),
        runtime=minutes(60),
    params:
        panel=panel_of,
        given=lambda wildcards: made_by.given(**wildcards),
    script:
        "../scripts/given.py"
