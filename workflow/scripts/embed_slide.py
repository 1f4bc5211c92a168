"""Embed the patches of a slide without counts, by a bundle's encoder."""

from spotrank.base.store import job

with job(snakemake.log[0]):
    from functools import partial
    from pathlib import Path

    from spotrank.base import provenance
    from spotrank.bundles import bundle
    from spotrank.encoders import embed
    from spotrank.prediction import places, predict

    began, given, params = provenance.now(), snakemake.input, snakemake.params
    model = bundle.read(Path(given.bundle).parent)
    encoder = predict.encoder(model, params.weights, snakemake.threads)
    laid = places.read(given.patches)
    patches = predict.patches_of(
        laid,
        model.about["patches"],
        given.slide,
        given.get("patch_file"),
        encoder.size,
        encoder.interpolation,
    )
    names = getattr(patches, "barcodes", laid.barcodes)
    centres = getattr(patches, "centres", laid.centres)
    embed.embed(
        encoder,
        patches,
        names,
        centres,
        snakemake.output[0],
        params.made_by,
        params.batch_size,
        snakemake.threads,
        partial(
            provenance.record,
            "embed",
            snakemake.output[0],
            [given.slide, *given.weights],
            began,
            encoders={params.made_by["encoder"]: params.made_by | encoder.about},
        ),
    )
