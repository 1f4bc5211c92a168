# ceilings of a lot, see `fit`; scaled by the library or not at all, they depend on a sample's counts
# only, and studies share them
rule ceiling:
    input:
        unpack(lambda wildcards: together(ceilings_of(*wildcards))),
    output:
        f"results/{study.name}/lots/ceiling/{{cohort}}/{{lot}}.json",
    log:
        f"logs/{study.name}/ceiling/{{cohort}}/{{lot}}.log",
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_largest(ceilings_of),
        runtime=minutes(60),
    params:
        ceilings=lambda wildcards: ceilings_of(*wildcards),
    script:
        "../scripts/ceiling.py"
