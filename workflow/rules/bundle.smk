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
        named=lambda wildcards: bundles.named(study),
        code=code_hash("row"),
    script:
        "../scripts/row.py"


def row():
    """The row that the bundle is of."""
    return json.loads(Path(checkpoints.row.get().output[0]).read_text(encoding="utf-8"))["row"]


def of_row(wildcards):
    chosen = row()
    cohort, encoder = chosen["cohort"], chosen["encoder"]
    samples = study.samples[cohort].index
    home = bundles.home_encoder(study, encoder, chosen["head"])
    return {
        "model": expand(rules.final.output, **chosen),
        "spots": expand(rules.pair.output, cohort=cohort, sample=samples),
        "embeddings": [files.embeddings(cohort, home, sample) for sample in samples],
        "st": files.path(cohort, "st", samples[0]),
        "weights": files.weights(encoder),
    }


BUNDLE = f"results/{study.name}/bundle"


rule bundle:
    input:
        unpack(of_row),
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
        mem_mb=memory(4000, 10, "embeddings", "scores"),
        runtime=minutes(60),
    params:
        folder=BUNDLE,
        study=lambda wildcards: made_by.bundle(row()),
        persons=lambda wildcards: units.persons(study.samples, METADATA),
    script:
        "../scripts/bundle.py"
