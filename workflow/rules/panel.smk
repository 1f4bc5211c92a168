rule panel:
    input:
        spots=spots_of(),
        file=lambda wildcards: [
            path
            for key, path in study.gene_list(wildcards.cohort, wildcards.panel).items()
            if key in ("file", "ranking")
        ],
    output:
        f"results/{study.name}/panels/{{cohort}}/{{split}}/{{panel}}/fold{{fold}}.tsv",
    log:
        f"logs/{study.name}/panel/{{cohort}}/{{split}}/{{panel}}/fold{{fold}}.log",
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory(2000, 20),
        runtime=minutes(30),
    params:
        panel=lambda wildcards: study.gene_list(wildcards.cohort, wildcards.panel),
        samples=samples_of,
        fold=fold_of,
        gap_um=study.gap_um,
        min_spots=study.config["spots"]["min_spots"],
        numbers=numbers("panel"),
    script:
        "../scripts/panel.py"
