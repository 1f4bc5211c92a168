rule page:
    input:
        published=rules.tables.output.published_tsv if files.published else [],
        sets=rules.tables.output.sets if SETS else [],
        provenance=rules.tables.output.provenance,
        scores=rules.tables.output.scores,
        summary=rules.tables.output.summary,
        comparisons=rules.tables.output.comparisons,
        samples=rules.tables.output.samples,
        lots=asked(lists_of_fits(study.cells)),
        tested=lambda wildcards: in_list(
            path for own in files.tested().values() for path in own.values()
        ),
    output:
        report(
            f"results/{study.name}/index.html",
            category="Answer",
            caption="../report/page.rst",
            labels={"page": "the answer, and everything behind it"},
        ),
    log:
        f"logs/{study.name}/page.log",
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory(2000, 10, "scores"),
        runtime=minutes(30),
    params:
        cells={files.of_fit("fits/predictions.h5", **cell): cell for cell in study.cells},
        files=lambda wildcards: files.tested(),
        histories=asked(fits("fits/history.parquet", "fit")),
        found=lambda wildcards: found(fits("fits/history.parquet", "fit")),
        look=page.look(),
        code=code_hash("page"),
    script:
        "../scripts/page.py"
