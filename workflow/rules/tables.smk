METADATA = {name: str(source.table()) for name, source in study.sources.items()}


rule splits:
    input:
        METADATA.values(),
    output:
        f"results/{study.name}/tables/splits.tsv",
    log:
        f"logs/{study.name}/splits.log",
    localrule: True
    conda:
        "../../envs/data.yaml"
    params:
        plans=study.plans,
        patients=study.patients,
        leaks=study.leaks,
        # its id is not known before there are scores
        provenance=f"results/{study.name}/provenance.json",
        code=code_hash("splits"),
    script:
        "../scripts/splits.py"


SCORES = fits("scores/scores.parquet")
SETS = fits("scores/sets.parquet") if files.gene_sets else []


rule tables:
    input:
        published=files.published,
        lots=asked(lists_of_scores()),
    output:
        **({"sets": f"results/{study.name}/tables/sets.tsv"} if SETS else {}),
        **(
            beside_published(
                "published",
                f"results/{study.name}/tables/published",
                "Tables",
                "beside the published numbers",
            )
            if files.published
            else {}
        ),
        provenance=f"results/{study.name}/provenance.json",
        scores=f"results/{study.name}/tables/scores.parquet",
        summary=f"results/{study.name}/tables/summary.tsv",
        patients=f"results/{study.name}/tables/patients.tsv",
        comparisons=f"results/{study.name}/tables/comparisons.tsv",
        comparisons_html=report(
            f"results/{study.name}/tables/comparisons.html",
            category="Tables",
            caption="../report/comparisons.rst",
            labels={"table": "differences to the highest mean"},
        ),
        tsv=f"results/{study.name}/tables/losses.tsv",
        markdown=f"results/{study.name}/tables/losses.md",
        latex=f"results/{study.name}/tables/losses.tex",
        html=report(
            f"results/{study.name}/tables/losses.html",
            category="Tables",
            caption="../report/losses.rst",
            labels={"table": "losses × cohorts"},
        ),
        samples=f"results/{study.name}/tables/samples.tsv",
        samples_html=report(
            f"results/{study.name}/tables/samples.html",
            category="Tables",
            caption="../report/samples.rst",
            labels={"table": "samples, and what looks wrong"},
        ),
    log:
        f"logs/{study.name}/tables.log",
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory_of_tables,
        runtime=minutes(30),
    params:
        config=study.config,
        scores=asked(SCORES),
        tables=[path for name, path in METADATA.items() if not study.sources[name].simulated],
        cells=lambda wildcards: made_by.cells(),
        marks_holes=study.marks_holes,
        found=lambda wildcards: found(SCORES),
        sets=lambda wildcards: found(SETS),
        data=lambda wildcards: data_of(SCORES),
        planned=study.n_folds,
        plans=study.plans,
        written={name: own["written"].to_dict() for name, own in study.samples.items()},
        patients=study.patients,
        sections=study.sections,
        persons=lambda wildcards: units.persons(study.samples, METADATA),
        numbers={name: panel.get("number") for name, panel in study.panels.items()},
        code=code_hash("tables"),
    script:
        "../scripts/tables.py"
