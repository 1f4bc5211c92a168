"""Test the final model of one cohort on the samples of a patient of another."""

from spotrank.base.store import job

with job(snakemake.log[0]):
    import os
    from functools import partial

    if not snakemake.resources.gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before torch looks
    import torch

    from spotrank.base import provenance
    from spotrank.fitting import external, final, inputs, predict, predictions

    torch.set_num_threads(snakemake.threads)
    began, params, output = provenance.now(), snakemake.params.external, snakemake.output[0]
    runs, parameters, line, genes, n_panel, record = final.load(snakemake.input.model[0])
    found = inputs.read(
        params,
        snakemake.params.input,
        snakemake.wildcards.encoder,
        snakemake.threads,
        (genes, n_panel, [record]),
    )
    measured = external.measured(
        genes[:n_panel], params["samples"], snakemake.params.input["spots"], params["tests"]
    )
    predictions.write(
        output,
        external.masked(
            predict.predict(parameters, found.head, found.spots, n_panel),
            measured[found.spots.tissue],
        ),
        runs,
        found.spots,
        genes[:n_panel],
        line,
        partial(
            provenance.record, "external", output, found.files, began, found.parents, params,
            found.encoders,
        ),
    )  # fmt: skip
