rule panel:
    input:
        spots=spots_of(),
        file=lambda wildcards: study.panels[wildcards.panel].get("file", []),
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
        panel=lambda wildcards: study.panels[wildcards.panel],
        samples=samples_of,
        fold=fold_of,
        gap_um=study.patch_um,
        code=code_hash("panel"),
    script:
        "../scripts/panel.py"
