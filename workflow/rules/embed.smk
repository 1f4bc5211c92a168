rule embed:
    input:
        unpack(images_of),
        st=lambda wildcards: files.path(wildcards.cohort, "st", wildcards.sample),
        metadata=lambda wildcards: files.path(wildcards.cohort, "metadata", wildcards.sample),
        weights=lambda wildcards: files.weights(wildcards.encoder),
    output:
        "results/embeddings/{cohort}/{encoder}/{sample}.h5",
    log:
        "logs/embed/{cohort}/{encoder}/{sample}.log",
    conda:
        "../../envs/embed.yaml"
    threads: 2
    resources:
        # an encoder of a billion weights, read and built, and what it computes with
        mem_mb=lambda wildcards, attempt: attempt
        * (16000 if files.weights(wildcards.encoder) else 4000),
        runtime=minutes(240),
        gpu=lambda wildcards: study.uses_gpu(wildcards.encoder),
    params:
        encoder=lambda wildcards: study.entry(wildcards.encoder),
        batch_size=lambda wildcards: study.batch_size(wildcards.encoder),
        patches=study.config["patches"],
        made_by=lambda wildcards: made_by.embeddings(wildcards.cohort, wildcards.encoder),
    script:
        "../scripts/embed.py"
