"""Draw one test slide: best and worst gene, observed and predicted, by the best loss."""

from spotrank.store import job

with job(snakemake.log[0]):
    import h5py
    import pandas as pd
    from spotrank import expression, report
    from spotrank.store import read_h5ad

    wildcards, path = snakemake.wildcards, snakemake.input.predictions[0]
    strategy, encoder, panel, head, fold = path.split("/")[-6:-1]
    scores = pd.read_parquet(snakemake.input.scores).query(
        "cohort == @wildcards.cohort and split == @strategy and encoder == @encoder "
        "and panel == @panel and head == @head"
    )
    loss = report.best_loss(scores)
    seed = scores["seed"].iloc[0]
    scores = scores.query("loss == @loss and seed == @seed and sample == @wildcards.sample")
    scores = scores[scores["fold"] == int(fold.removeprefix("fold"))].set_index("gene")
    with h5py.File(path) as file:
        run = list(zip(file["loss"].asstr()[:], file["seed"][:], strict=True)).index((loss, seed))
        mine = file["sample"].asstr()[:] == wildcards.sample
        genes, barcodes = file["gene"].asstr()[:], file["barcode"].asstr()[:][mine]
        predicted = file["predictions"][run][mine] * file["slope"][run] + file["intercept"][run]
    spots = read_h5ad(snakemake.input.spots)[barcodes]
    truth = expression.target(
        spots[:, genes].X.toarray(), spots.obs["library"].to_numpy(), snakemake.params.scaling
    )
    figure = report.maps(
        f"{wildcards.sample}, {loss}, {encoder}, {strategy.replace('_', ' ')}"
        + report.leak_note(scores),
        spots,
        dict(zip(genes, predicted.T, strict=True)),
        dict(zip(genes, truth.T, strict=True)),
        scores["spearman"],
        snakemake.input.get("wsi"),
    )
    report.save(figure, snakemake.output[0])
