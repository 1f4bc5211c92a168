"""Pair the counts of one sample with its patches."""

from spotrank.store import job, whole

with job(snakemake.log[0]):
    from spotrank import pair

    spots = pair.pair(
        snakemake.input.st,
        snakemake.input.metadata,
        snakemake.params.qc,
        snakemake.params.patches,
        snakemake.input.get("wsi"),
        snakemake.input.get("patch_file"),
    )
    with whole(snakemake.output[0]) as path:
        spots.write_h5ad(path, compression="gzip")  # which has checksums
