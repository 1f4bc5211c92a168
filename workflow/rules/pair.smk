# the spots of the samples of a lot, see `fit`; the files belong to no study
rule pair:
    input:
        unpack(lambda wildcards: together(pairs_of(*wildcards))),
    output:
        f"results/{study.name}/lots/pair/{{cohort}}/{{lot}}.json",
    log:
        f"logs/{study.name}/pair/{{cohort}}/{{lot}}.log",
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory_of_counts,
        runtime=minutes(60),
    params:
        pairs=lambda wildcards: pairs_of(*wildcards),
    script:
        "../scripts/pair.py"
