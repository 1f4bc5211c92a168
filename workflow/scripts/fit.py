"""Fit all losses and seeds of one fold, and predict its test samples."""

from spotrank.store import job, whole

with job(snakemake.log[0]):
    import h5py
    import pandas as pd
    import torch
    from safetensors.torch import save_file
    from spotrank import embed, expression, fit
    from spotrank.store import read_h5ad

    torch.set_num_threads(snakemake.threads)
    params, head = snakemake.params, snakemake.wildcards.head
    panel = pd.read_csv(snakemake.input.panel[0], sep="\t", dtype=str, keep_default_na=False)
    genes = panel["gene"].tolist()
    spots = fit.assemble(
        params.samples,
        map(read_h5ad, snakemake.input.spots),
        (embed.read(path, params.made_by) for path in snakemake.input.embeddings),
        genes,
    )
    train, validation, test = fit.parts_of(params.fold, spots, params.gap_um)
    runs, parameters, history = fit.fit(
        train, validation, params.losses, params.seeds, head, params.training, params.scaling
    )
    slope, intercept = fit.calibrate(
        fit.predict(parameters, head, train.x),
        expression.target(train.counts, train.library, params.scaling),
    )
    with whole(snakemake.output.weights) as path:
        save_file(parameters, path, {"runs": runs.to_json(), "genes": "\t".join(genes)})
    with whole(snakemake.output.history) as path:
        history.to_parquet(path)
    with whole(snakemake.output.predictions) as path, h5py.File(path, "w") as file:
        file["predictions"] = fit.predict(parameters, head, test.x)
        file["slope"], file["intercept"] = slope, intercept
        file["gene"], file["sample"], file["barcode"] = genes, test.sample, test.barcode
        file["loss"], file["seed"] = runs["loss"].tolist(), runs["seed"]
        file["best_epoch"] = runs["best_epoch"]
