# the scores of a lot, see `fit`
rule score:
    input:
        unpack(lambda wildcards: together(scores_of(*wildcards))),
        fits=lambda wildcards: lists_of_fits(lots.of[tuple(wildcards)]),
    output:
        f"results/{study.name}/lots/score/{{stage}}/{{cohort}}/{{split}}/{{lot}}.json",
    log:
        f"logs/{study.name}/score/{{stage}}/{{cohort}}/{{split}}/{{lot}}.log",
    conda:
        "../../envs/fit.yaml"
    resources:
        mem_mb=memory_of_scores,
        runtime=minutes(120),
    params:
        scores=lambda wildcards: scores_of(*wildcards),
    script:
        "../scripts/score.py"
