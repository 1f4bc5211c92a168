# the scores of a lot, see `fit`
rule score:
    input:
        unpack(lambda wildcards: together(scores_of(*wildcards))),
    output:
        f"results/{study.name}/lots/score/{{stage}}/{{cohort}}/{{split}}/{{lot}}.json",
    log:
        f"logs/{study.name}/score/{{stage}}/{{cohort}}/{{split}}/{{lot}}.log",
    conda:
        "../../envs/fit.yaml"
    resources:
        mem_mb=memory_of_largest(scores_of),
        runtime=minutes(120),
    params:
        scores=lambda wildcards: scores_of(*wildcards),
    script:
        "../scripts/score.py"
