rule pair:
    input:
        unpack(images_of),
        st=lambda wildcards: files.path(wildcards.cohort, "st", wildcards.sample),
        metadata=lambda wildcards: files.path(wildcards.cohort, "metadata", wildcards.sample),
    output:
        "results/spots/{cohort}/{sample}.h5ad",
    log:
        "logs/pair/{cohort}/{sample}.log",
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory_of_counts,
        runtime=minutes(30),
    params:
        qc=study.config["spots"],
        patches=study.config["patches"],
        counts_layer=lambda wildcards: study.cohorts[wildcards.cohort].get("counts_layer"),
        simulated=lambda wildcards: study.sources[wildcards.cohort].simulated,
        numbers=pair.NUMBERS,
    script:
        "../scripts/pair.py"
