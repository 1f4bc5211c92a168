# scaled by the library or not at all, ceilings depend on a sample's counts only: studies share them
rule ceiling:
    input:
        spots="results/spots/{cohort}/{sample}.h5ad",
    output:
        "results/ceilings/{cohort}/{scaling}/{sample}.parquet",
    log:
        "logs/ceiling/{cohort}/{scaling}/{sample}.log",
    wildcard_constraints:
        scaling="library|none",
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000, 20),
        runtime=minutes(60),
    params:
        scaling="{scaling}",
        numbers=numbers("ceiling"),
    script:
        "../scripts/ceiling.py"


# scaled by the panel, they are those of a fold's few genes
use rule ceiling as ceiling_of_panel with:
    input:
        spots="results/spots/{cohort}/{sample}.h5ad",
        panel=lambda wildcards: in_list(panel_of(wildcards)),
    output:
        f"results/{study.name}/ceilings/{{cohort}}/{{split}}/{{panel}}/fold{{fold}}/{{sample}}.parquet",
    log:
        f"logs/{study.name}/ceiling/{{cohort}}/{{split}}/{{panel}}/fold{{fold}}/{{sample}}.log",
    params:
        panel=panel_of,
        scaling="panel",
        numbers=numbers("ceiling"),
