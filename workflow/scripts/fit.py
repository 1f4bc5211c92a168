"""Fit all losses and seeds of one fold, and predict its test samples."""

from spotrank.base.store import job, whole

with job(snakemake.log[0]):
    import os
    from functools import partial

    import pyarrow as pa

    if not snakemake.resources.gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before torch looks
    import torch
    from safetensors.torch import save_file

    from spotrank.base import provenance
    from spotrank.base.store import write_parquet
    from spotrank.fitting import fit, inputs, predict, predictions
    from spotrank.fitting.batches import parts_of

    torch.set_num_threads(snakemake.threads)
    began, params, output = provenance.now(), snakemake.params.fit, snakemake.output
    found = inputs.read(params, snakemake.input, snakemake.wildcards.encoder, snakemake.threads)
    train, validation, test = parts_of(found.spots)
    runs, parameters, history = fit.fit(
        train,
        validation,
        params["losses"],
        params["seeds"],
        found.head,
        params["head"]["training"],
        params["scaling"],
        (params["auxiliary"]["strategy"], params["auxiliary"]["options"]),
        found.n_panel,
        fit.budget(snakemake.resources.mem_mb),
    )
    line = predict.line(parameters, found.head, train, found.n_panel, params["scaling"], len(runs))
    with whole(output.weights) as path:
        kept = {key: own for key, own in parameters.items() if not key.startswith("spots_")}
        save_file(kept, path, {"runs": runs.to_json(), "genes": "\t".join(found.genes)})
    with whole(output.history) as path:
        history = history.assign(**snakemake.wildcards)
        write_parquet(pa.Table.from_pandas(history, preserve_index=False), path)
    predictions.write(
        output.predictions,
        predict.predict(parameters, found.head, test, found.n_panel),
        runs,
        test,
        found.genes[: found.n_panel],
        line,
        partial(
            provenance.record, "fit", output.predictions, found.files, began, found.parents, params,
            found.encoders,
        ),
    )  # fmt: skip
