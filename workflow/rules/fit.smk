PREDICTIONS = f"results/{study.name}/fits/{{cohort}}/{{split}}/{{encoder}}/{{panel}}/{{head}}/{{auxiliary}}/fold{{fold}}/predictions.h5"


# the fits of a lot: its list is the one output, so that fits which are there outlive its job
rule fit:
    input:
        unpack(lambda wildcards: together(fits_of(*wildcards))),
    output:
        f"results/{study.name}/lots/{{stage}}/{{cohort}}/{{split}}/{{lot}}.json",
    log:
        f"logs/{study.name}/{{stage}}/{{cohort}}/{{split}}/{{lot}}.log",
    wildcard_constraints:
        stage="fit",
    conda:
        "../../envs/fit.yaml"
    # one thread: lots run side by side, and sums come out the same on every machine's share
    threads: 1
    resources:
        mem_mb=memory_of_lot,
        runtime=minutes(240),
        gpu=lambda wildcards: int(wildcards.stage == "fit"),
    params:
        fits=lambda wildcards: fits_of(*wildcards),
    script:
        "../scripts/fit.py"


# a rule of its own: what a site says of `fit`, such as a partition with GPUs, is not for floors
use rule fit as floor with:
    wildcard_constraints:
        stage="floor",
