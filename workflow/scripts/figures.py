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
        for path in [*snakemake.params.histories, *snakemake.params.found]
    ]
    histories = pd.concat([pd.DataFrame(columns=figures.HISTORY), *histories])
    output = snakemake.output
    drawn = {
        "scores": figures.scores_by_loss(scores),
        "comparisons": comparisons.forest(read(snakemake.input.comparisons)),
        "genes": figures.genes(scores),
        "genes_ceiling": ceilings.below_ceiling(scores),
        "training": figures.histories(histories),
    }
    if path := snakemake.input.published:
        beside = pd.read_csv(path, sep="\t", dtype={"number": str})
        drawn["published"] = figures.beside_published(beside, snakemake.params.metric[0])
    if "auxiliary" in output.keys():  # noqa: SIM118 (a list with names)
        with_genes = histories[histories["n_auxiliary"].groupby(histories["run"]).transform("any")]
        drawn["auxiliary"] = figures.auxiliary_genes(with_genes)
    if "ceilings" in output.keys():  # noqa: SIM118 (a list with names)
        known = scores[scores["noise_free_spearman"].notna()]
        drawn["ceilings"] = ceilings.beside_noise_free(known)
    for name, figure in drawn.items():
        style.save(figure, output[name], output[f"{name}_pdf"])
