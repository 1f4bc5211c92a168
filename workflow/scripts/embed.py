"""Embed the patches of one sample with one encoder."""

from spotrank.base.store import job

with job(snakemake.log[0]):
    from functools import partial

    from spotrank.base import provenance
    from spotrank.encoders import embed, loading

    began, params = provenance.now(), snakemake.params
    encoder = loading.load(params.encoder, params.patches["size"], snakemake.threads)
    patches, barcodes, coords = embed.patches_of(
        encoder,
        params.patches,
        snakemake.input.st,
        snakemake.input.metadata,
        snakemake.input.get("wsi"),
        snakemake.input.get("patch_file"),
    )
    embed.embed(
        encoder,
        patches,
        barcodes,
        coords,
        snakemake.output[0],
        params.made_by,
        params.batch_size,
        snakemake.threads,
        partial(
            provenance.record,
            "embed",
            snakemake.output[0],
            list(snakemake.input),
            began,
            encoders={snakemake.wildcards.encoder: params.made_by | encoder.about},
        ),
    )
