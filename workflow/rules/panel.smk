# the genes of the folds of a lot, see `fit`
rule panel:
    input:
        unpack(lambda wildcards: together(panels_of(*wildcards))),
    output:
        f"results/{study.name}/lots/panel/{{cohort}}/{{split}}/{{lot}}.json",
    log:
        f"logs/{study.name}/panel/{{cohort}}/{{split}}/{{lot}}.log",
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory_of_largest(panels_of),
        runtime=minutes(30),
    params:
        panels=lambda wildcards: panels_of(*wildcards),
    script:
        "../scripts/panel.py"
