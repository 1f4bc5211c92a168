# samples of a lot by encoders that are loaded once, see `fit`; the files belong to no study
rule embed:
    input:
        unpack(lambda wildcards: together(embeddings_of(*wildcards))),
    output:
        f"results/{study.name}/lots/embed/{{cohort}}/{{lot}}.json",
    log:
        f"logs/{study.name}/embed/{{cohort}}/{{lot}}.log",
    conda:
        "../../envs/embed.yaml"
    threads: 2
    resources:
        # encoders of a billion weights together, read and built, what they compute with, and the
        # patches of a sample
        mem_mb=lambda wildcards, input, attempt: attempt * (18000 if input.weights else 6000),
        runtime=minutes(240),
        gpu=lambda wildcards: max(map(study.uses_gpu, encoders_of(*wildcards))),
    params:
        encoders=lambda wildcards: encoders_of(*wildcards),
        batch_size=lambda wildcards: study.batch_size(next(iter(encoders_of(*wildcards)))),
        patches=study.config["patches"],
        embeddings=lambda wildcards: embeddings_of(*wildcards),
    script:
        "../scripts/embed.py"
