COURSE = {
    "auxiliary": report(
        f"results/{study.name}/figures/auxiliary.png",
        category="Training",
        caption="../report/auxiliary.rst",
        labels={"figure": "auxiliary genes over epochs"},
    )
}


BESIDE = {
    "published": report(
        f"results/{study.name}/figures/published.png",
        category="Scores",
        caption="../report/published_figure.rst",
        labels={"figure": "beside the published numbers"},
    )
}
CEILINGS = {
    "ceilings": report(
        f"results/{study.name}/figures/ceilings.png",
        category="Scores",
        caption="../report/ceilings.rst",
        labels={"figure": "ceilings beside the noise-free mean"},
    )
}


SOME = {  # figures that not every study has
    **(COURSE if study.rankings else {}),
    **(BESIDE if files.published else {}),
    **(CEILINGS if any(source.simulated for source in study.sources.values()) else {}),
}
FIGURES = ["scores", "comparisons", "genes", "genes_ceiling", "training", *SOME]


rule figures:
    input:
        published=rules.tables.output.published_tsv if files.published else [],
        scores=rules.tables.output.scores,
        comparisons=rules.tables.output.comparisons,
        lots=asked(lists_of_fits(study.cells)),
    output:
        # for papers, which want no pixels
        **{f"{name}_pdf": f"results/{study.name}/figures/{name}.pdf" for name in FIGURES},
        **SOME,
        scores=report(
            f"results/{study.name}/figures/scores.png",
            category="Scores",
            caption="../report/scores.rst",
            labels={"figure": "scores by loss"},
        ),
        comparisons=report(
            f"results/{study.name}/figures/comparisons.png",
            category="Scores",
            caption="../report/comparisons_figure.rst",
            labels={"figure": "differences to the highest mean"},
        ),
        genes=report(
            f"results/{study.name}/figures/genes.png",
            category="Scores",
            caption="../report/genes.rst",
            labels={"figure": "scores by gene"},
        ),
        genes_ceiling=report(
            f"results/{study.name}/figures/genes_ceiling.png",
            category="Scores",
            caption="../report/genes_ceiling.rst",
            labels={"figure": "scores by gene, below their ceilings"},
        ),
        training=report(
            f"results/{study.name}/figures/training.png",
            category="Training",
            caption="../report/training.rst",
            labels={"figure": "validation over epochs"},
        ),
    log:
        f"logs/{study.name}/figures.log",
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory_of_tables,
        runtime=minutes(30),
    params:
        histories=asked(fits("fits/history.parquet", "fit")),
        found=lambda wildcards: found(fits("fits/history.parquet", "fit")),
        metric=[published.read(path)[2] for path in files.published],
        code=code_hash("figures"),
    script:
        "../scripts/figures.py"


rule maps:
    input:
        unpack(lambda wildcards: files.images(**wildcards)),
        spots=lambda wildcards: in_list(spots_of_map(wildcards)["spots"]),
        scores=rules.tables.output.scores,
        fit=lambda wildcards: lists_of_fits([study.tested_in(*wildcards)]),
    output:
        report(
            f"results/{study.name}/figures/maps/{{cohort}}/{{sample}}.png",
            category="Maps",
            subcategory="{cohort}",
            caption="../report/maps.rst",
            labels={"slide": "{sample}"},
        ),
    log:
        f"logs/{study.name}/maps/{{cohort}}/{{sample}}.log",
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=by_files(memory(2000, 10, "spots", "scores"), spots_of_map),
        runtime=minutes(30),
    params:
        input=spots_of_map,
        fit=lambda wildcards: study.tested_in(*wildcards),
        predictions=lambda wildcards: files.of_fit(
            "fits/predictions.h5", **study.tested_in(*wildcards)
        ),
        scaling=study.config["genes"]["scaling"],
        code=code_hash("maps"),
    script:
        "../scripts/maps.py"


rule drawn:
    input:
        [
            rules.page.output,
            rules.tables.output.html,
            rules.tables.output.comparisons_html,
            rules.tables.output.samples_html,
            rules.figures.output,
        ]
        if study.cohorts
        else [],
        rules.synthetic_tables.output if study.synthetic else [],
        [
            f"results/{study.name}/figures/maps/{cohort}/{sample}.png"
            for cohort in study.cohorts
            for sample in study.test_samples(cohort)[: study.n_maps]
        ],


rule report:
    input:
        rules.drawn.input,
    output:
        f"results/{study.name}/report.html",
    log:
        f"logs/{study.name}/report.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        config=config,
        snakefile=workflow.main_snakefile,
        code=code_hash("report"),
    script:
        "../scripts/report.py"
