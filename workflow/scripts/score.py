"""Score the predictions of one fold."""

from spotrank.store import job, whole

with job(snakemake.log[0]):
    from spotrank import score
    from spotrank.store import read_h5ad

    params, wildcards = snakemake.params, snakemake.wildcards
    spots = dict(zip(params.samples, map(read_h5ad, snakemake.input.spots), strict=True))
    scores = score.score(snakemake.input.predictions, spots, params.scaling)
    scores = scores.assign(
        cohort=wildcards.cohort,
        split=wildcards.split,
        fold=int(wildcards.fold),
        patient=scores["sample"].map(params.patients),
        encoder=wildcards.encoder,
        panel=wildcards.panel,
        head=wildcards.head,
        auxiliary=params.auxiliary,
        leak=params.leak,
    )
    with whole(snakemake.output[0]) as path:
        scores[list(score.COLUMNS)].to_parquet(path, index=False)
