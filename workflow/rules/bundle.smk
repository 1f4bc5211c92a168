checkpoint row:
    input:
        summary=rules.tables.output.summary,
        comparisons=rules.tables.output.comparisons,
    output:
        f"results/{study.name}/final/row.json",
    log:
        f"logs/{study.name}/row.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        named=named_of_bundle,
        code=code_hash("row"),
    script:
        "../scripts/row.py"


BUNDLE = f"results/{study.name}/bundle"


rule bundle:
    input:
        unpack(files_of_bundle),
        row=rules.row.output,
        scores=rules.tables.output.scores,
        provenance=rules.tables.output.provenance,
    output:
        **{
            key: f"{BUNDLE}/{name}"
            for key, name in (
                ("manifest", "bundle.json"),
                ("weights", "weights.safetensors"),
                ("home", "home.safetensors"),
                ("genes", "genes.tsv"),
                ("card", "README.md"),
            )
        },
    log:
        f"logs/{study.name}/bundle.log",
    conda:
        "../../envs/fit.yaml"
    resources:
        mem_mb=by_files(memory(4000, 10, "embeddings", "scores"), home_of_bundle),
        runtime=minutes(60),
    params:
        folder=lambda wildcards, output: str(Path(output.manifest).parent),
        home=home_of_bundle,
        study=lambda wildcards: made_by.bundle(row_of_bundle()),
        persons=lambda wildcards: units.persons(study.samples, METADATA),
    script:
        "../scripts/bundle.py"
