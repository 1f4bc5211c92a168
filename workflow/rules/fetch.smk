rule simulate:
    output:
        st="resources/cohorts/{cohort}/st/{sample}.h5ad",
        wsi="resources/cohorts/{cohort}/wsis/{sample}.tif",
        metadata="resources/cohorts/{cohort}/metadata/{sample}.json",
    log:
        "logs/simulate/{cohort}/{sample}.log",
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory(2000, 0),
        runtime=minutes(10),
    params:
        cohort=lambda wildcards: study.sources[wildcards.cohort].options(),
        numbers=numbers("simulate"),
    script:
        "../scripts/simulate.py"


rule simulate_table:
    output:
        "resources/cohorts/{cohort}/HEST_v1_1_0.csv",
    log:
        "logs/simulate/{cohort}/table.log",
    localrule: True
    conda:
        "../../envs/data.yaml"
    params:
        cohort=lambda wildcards: study.sources[wildcards.cohort].options(),
        numbers=numbers("simulate"),
    script:
        "../scripts/simulate_table.py"


HEST = f"{fetch.HEST}/{{home}}"


rule fetch:
    output:
        st=f"{HEST}/st/{{sample}}.h5ad",
        metadata=f"{HEST}/metadata/{{sample}}.json",
    log:
        "logs/fetch/{home}/{sample}.log",
    localrule: True
    conda:
        "../../envs/embed.yaml"
    params:
        home="{home}",
        folder=HEST,
    script:
        "../scripts/fetch.py"


rule fetch_image:
    output:
        f"{HEST}/{{kind}}/{{sample}}.{{suffix}}",
    log:
        "logs/fetch/{home}/{kind}/{sample}.{suffix}.log",
    wildcard_constraints:
        kind="wsis|patches",
    localrule: True
    conda:
        "../../envs/embed.yaml"
    params:
        home="{home}",
        folder=HEST,
    script:
        "../scripts/fetch.py"


BENCH = f"{HEST}/{{task}}"


rule fetch_bench:
    output:
        st=f"{BENCH}/adata/{{sample}}.h5ad",
        metadata=f"{BENCH}/metadata/{{sample}}.json",
    log:
        "logs/fetch/{home}/{task}/{sample}.log",
    localrule: True
    conda:
        "../../envs/embed.yaml"
    script:
        "../scripts/fetch_bench.py"


use rule fetch_image as fetch_bench_patches with:
    output:
        f"{BENCH}/{{kind}}/{{sample}}.{{suffix}}",
    log:
        "logs/fetch/{home}/{task}/{kind}/{sample}.{suffix}.log",


rule fetch_weights:
    output:
        f"{registry.WEIGHTS}/{{encoder}}/{{revision}}/weights.json",
    log:
        "logs/weights/{encoder}/{revision}.log",
    localrule: True
    conda:
        "../../envs/embed.yaml"
    params:
        row=lambda wildcards: registry.row(wildcards.encoder, wildcards.revision),
    script:
        "../scripts/fetch_weights.py"
