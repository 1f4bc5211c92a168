FIT = f"results/{study.name}/fits/{{cohort}}/{{split}}/{{encoder}}/{{panel}}/{{head}}/fold{{fold}}"


rule fit:
    input:
        spots=spots_of("train", "validation", "test"),
        embeddings=lambda wildcards: [
            study.embeddings(wildcards.cohort, wildcards.encoder, sample)
            for sample in samples_of(wildcards, "train", "validation", "test")
        ],
        panel=rules.panel.output,
    output:
        weights=f"{FIT}/weights.safetensors",
        predictions=f"{FIT}/predictions.h5",
        history=f"{FIT}/history.parquet",
    log:
        f"logs/{study.name}/fit/{{cohort}}/{{split}}/{{encoder}}/{{panel}}/{{head}}/fold{{fold}}.log",
    conda:
        "../../envs/fit.yaml"
    # one thread: folds run side by side, and sums come out the same on every machine's share
    threads: 1
    resources:
        mem_mb=memory(4000, 20),
        runtime=minutes(240),
        gpu=1,
    params:
        samples=lambda wildcards: samples_of(wildcards, "train", "validation", "test"),
        fold=fold_of,
        losses=study.losses,
        seeds=study.config["seeds"],
        training=study.config["training"],
        scaling=study.config["genes"]["scaling"],
        gap_um=study.patch_um,
        made_by=lambda wildcards: study.made_by(wildcards.cohort, wildcards.encoder),
        code=code_hash("fit"),
    script:
        "../scripts/fit.py"
