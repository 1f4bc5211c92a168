"""Draw the study's scores and training histories."""

from spotrank.base.store import job

with job(snakemake.log[0]):
    import pandas as pd

    from spotrank.base.store import row_groups
    from spotrank.report import ceilings, comparisons, drawn, figures, style
    from spotrank.verdicts.compare import read

    scores, output = snakemake.input.scores, snakemake.output
    runs = drawn.runs(row_groups(scores))
    panels, note = style.panels_of(runs)
    genes = drawn.genes(row_groups(scores, drawn.OF_GENES), panels)
    histories = drawn.histories([*snakemake.params.histories, *snakemake.params.found])
    found = {
        "scores": figures.scores_by_loss(runs, panels, note),
        "comparisons": comparisons.forest(read(snakemake.input.comparisons)),
        "genes": figures.genes(genes, note),
        "genes_ceiling": ceilings.below_ceiling(genes, note),
        "training": figures.histories(*histories),
    }
    if path := snakemake.input.published:
        beside = pd.read_csv(path, sep="\t", dtype={"number": str})
        found["published"] = figures.beside_published(beside, snakemake.params.metric[0])
    if "auxiliary" in output.keys():  # noqa: SIM118 (a list with names)
        found["auxiliary"] = figures.auxiliary_genes(*histories)
    if "ceilings" in output.keys():  # noqa: SIM118 (a list with names)
        points = drawn.noise_free(row_groups(scores, drawn.OF_NOISE_FREE))
        found["ceilings"] = ceilings.beside_noise_free(points)
    for name, figure in found.items():
        style.save(figure, output[name], output[f"{name}_pdf"])
