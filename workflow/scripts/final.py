"""Fit all losses and seeds to all samples of a cohort."""

from spotrank.base.store import job

with job(snakemake.log[0]):
    import os

    if not snakemake.resources.gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before torch looks
    import torch

    from spotrank.base import provenance
    from spotrank.fitting import final, fit, inputs, predict

    torch.set_num_threads(snakemake.threads)
    began, params, output = provenance.now(), snakemake.params.final, snakemake.output[0]
    found = inputs.read(
        params,
        snakemake.params.input,
        snakemake.wildcards.encoder,
        snakemake.threads,
    )
    runs, parameters, _ = fit.fit(
        found.spots,
        None,
        params["losses"],
        params["seeds"],
        found.head,
        params["head"]["training"],
        params["scaling"],
        (params["auxiliary"]["strategy"], params["auxiliary"]["options"]),
        found.n_panel,
        fit.budget(snakemake.resources.mem_mb),
        final.lengths(snakemake.params.folds),
    )
    line = predict.line(
        parameters, found.head, found.spots, found.n_panel, params["scaling"], len(runs)
    )
    record = provenance.record(
        "final", output, found.files, began, found.parents, params, found.encoders
    )
    final.write(output, runs, parameters, line, found.genes, found.n_panel, record)
