OWN = f"{sources.OWN}/{{cohort}}"


rule import_slide:
    input:
        lambda wildcards: study.sources[wildcards.cohort].slide(wildcards.sample)
        or study.sources[wildcards.cohort].files(wildcards.sample),
    output:
        f"{OWN}/wsis/{{sample}}.tif",
    log:
        "logs/import/{cohort}/{sample}.slide.log",
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory(4000, 0),
        runtime=minutes(120),
    params:
        slide=lambda wildcards: study.sources[wildcards.cohort].slide(wildcards.sample),
        row=lambda wildcards: study.sources[wildcards.cohort].row(wildcards.sample),
    script:
        "../scripts/import_slide.py"


rule import_sample:
    input:
        run=lambda wildcards: study.sources[wildcards.cohort].files(wildcards.sample),
        slide=lambda wildcards: files.path(wildcards.cohort, "wsis", wildcards.sample),
    output:
        st=f"{OWN}/st/{{sample}}.h5ad",
        metadata=f"{OWN}/metadata/{{sample}}.json",
    log:
        "logs/import/{cohort}/{sample}.log",
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory(4000, 1, "run"),
        runtime=minutes(120),
    params:
        source=lambda wildcards: study.cohorts[wildcards.cohort]["source"],
        row=lambda wildcards: study.sources[wildcards.cohort].row(wildcards.sample),
        side_um=study.side_um,
        numbers=own_samples.NUMBERS,
    script:
        "../scripts/import_sample.py"


IMPORTED = [
    (cohort, sample)
    for cohort, source in study.sources.items()
    if study.cohorts[cohort]["source"] in sources.READERS
    for sample in study.samples[cohort].index
]


rule import_check:
    input:
        **{
            kind: [files.path(cohort, kind, sample) for cohort, sample in IMPORTED]
            for kind in ("st", "metadata", "wsis")
        },
    output:
        f"results/{study.name}/import_check.png",
    log:
        f"logs/{study.name}/import_check.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        samples=[sample for _, sample in IMPORTED],
        side_um=study.side_um,
        code=code_hash("import_check"),
    script:
        "../scripts/import_check.py"


rule samples:
    log:
        "logs/samples.log",
    localrule: True
    conda:
        "../../envs/data.yaml"
    params:
        folder=folder_of_runs,
        table="samples.csv",
    script:
        "../scripts/samples.py"
