"""Draw the study's scores and training histories."""

from spotrank.base.store import job

with job(snakemake.log[0]):
    import pandas as pd

    from spotrank.base.store import read_parquet
    from spotrank.report import ceilings, comparisons, figures, style
    from spotrank.verdicts.compare import read

    scores = read_parquet(snakemake.input.scores).to_pandas()
    histories = [
        read_parquet(path)
        .to_pandas()
        .assign(run=lambda frame, path=path: path + frame["seed"].astype(str))
        for path in [*snakemake.input.histories, *snakemake.params.found]
    ]
    histories = pd.concat([pd.DataFrame(columns=figures.HISTORY), *histories])
    style.save(figures.scores_by_loss(scores), snakemake.output.scores)
    forest = comparisons.forest(read(snakemake.input.comparisons))
    style.save(forest, snakemake.output.comparisons)
    style.save(figures.genes(scores), snakemake.output.genes)
    style.save(ceilings.below_ceiling(scores), snakemake.output.genes_ceiling)
    style.save(figures.histories(histories), snakemake.output.training)
    if path := snakemake.input.published:
        beside = pd.read_csv(path, sep="\t", dtype={"number": str})
        figure = figures.beside_published(beside, snakemake.params.metric[0])
        style.save(figure, snakemake.output.published)
    if "ceilings" in snakemake.output.keys():  # noqa: SIM118 (a list with names)
        known = scores[scores["noise_free_spearman"].notna()]
        style.save(ceilings.beside_noise_free(known), snakemake.output.ceilings)
    if "auxiliary" in snakemake.output.keys():  # noqa: SIM118 (a list with names)
        with_genes = histories[histories["n_auxiliary"].groupby(histories["run"]).transform("any")]
        style.save(figures.auxiliary_genes(with_genes), snakemake.output.auxiliary)
