"""Draw one test slide: best and worst gene, observed and predicted, by the best loss."""

from spotrank.base.store import job

with job(snakemake.log[0]):
    import h5py
    import pandas as pd

    from spotrank.base.store import read_h5ad, read_parquet, reading
    from spotrank.report import maps, style
    from spotrank.spots import expression

    fit, sample = snakemake.params.fit, snakemake.wildcards.sample
    scores = read_parquet(snakemake.input.scores).to_pandas()
    scores = scores[(scores[list(fit)] == pd.Series(fit)).all(axis=1)]
    loss, seed = style.best_loss(scores), scores["seed"].iloc[0]
    scores = scores.query("loss == @loss and seed == @seed and sample == @sample").set_index("gene")
    predictions = snakemake.params.predictions
    with reading(predictions), h5py.File(predictions) as file:
        run = list(zip(file["loss"].asstr()[:], file["seed"][:], strict=True)).index((loss, seed))
        mine = file["sample"].asstr()[:] == sample
        genes, barcodes = file["gene"].asstr()[:], file["barcode"].asstr()[:][mine]
        predicted = file["predictions"][run][mine] * file["slope"][run] + file["intercept"][run]
    spots = read_h5ad(snakemake.params.input["spots"][0])[barcodes]
    measured = pd.Index(genes).isin(spots.var_names)
    genes, predicted, scores = genes[measured], predicted[:, measured], scores.loc[genes[measured]]
    counts, library = spots[:, genes].X.toarray(), spots.obs["library"].to_numpy()
    total = expression.total(counts, library, snakemake.params.scaling)
    truth = expression.target(counts, total)
    figure = maps.maps(
        f"{sample}, {loss}, {fit['encoder']}, {fit['split'].replace('_', ' ')}"
        + style.leak_note(scores),
        spots,
        dict(zip(genes, predicted.T, strict=True)),
        dict(zip(genes, truth.T, strict=True)),
        scores["spearman"],
        snakemake.input.get("wsi"),
    )
    style.save(figure, snakemake.output[0])
