FIT = f"results/{study.name}/fits/{{cohort}}/{{split}}/{{encoder}}/{{panel}}/{{head}}/{{auxiliary}}/fold{{fold}}"


rule fit:
    input:
        unpack(features_of),
        spots=spots_of("train", "validation", "test"),
        panel=rules.panel.output,
        ranking=ranking_of,
    output:
        weights=f"{FIT}/weights.safetensors",
        predictions=f"{FIT}/predictions.h5",
        history=f"{FIT}/history.parquet",
    log:
        f"logs/{study.name}/fit/{{cohort}}/{{split}}/{{encoder}}/{{panel}}/{{head}}/{{auxiliary}}/fold{{fold}}.log",
    conda:
        "../../envs/spotrank.yaml"
    # one thread: folds run side by side, and sums come out the same on every machine's share
    threads: 1
    resources:
        mem_mb=lambda wildcards, input: 4000 + 20 * int(input.size_mb),
        runtime=240,
    params:
        samples=lambda wildcards: samples_of(wildcards, "train", "validation", "test"),
        fold=fold_of,
        losses=study.losses,
        seeds=study.config["seeds"],
        head=lambda wildcards: study.heads[wildcards.head],
        auxiliary=lambda wildcards: study.auxiliary[wildcards.auxiliary],
        encoder=lambda wildcards: study.encoders[wildcards.encoder],
        patches=study.config["patches"],
        scaling=study.config["genes"]["scaling"],
        gap_um=study.gap_um,
        made_by=lambda wildcards: study.made_by(wildcards.cohort, wildcards.encoder),
        code=code_hash("fit"),
    script:
        "../scripts/fit.py"
