"""Pair the counts of one sample with its patches."""

from spotrank.base.store import job, whole

with job(snakemake.log[0]):
    import json

    from spotrank.base import provenance
    from spotrank.spots import pair

    began = provenance.now()
    spots = pair.pair(
        snakemake.input.st,
        snakemake.input.metadata,
        snakemake.params.qc,
        snakemake.params.patches,
        snakemake.input.get("wsi"),
        snakemake.input.get("patch_file"),
        snakemake.params.counts_layer,
        snakemake.params.simulated,
    )
    read = [snakemake.input.st, snakemake.input.metadata]
    record = provenance.record("pair", snakemake.output[0], read, began)
    # by which scores know samples that are one section
    record["inputs"][provenance.public(read[0])]["section"] = spots.uns["section"]
    spots.uns["record"] = json.dumps(record)
    with whole(snakemake.output[0]) as path:
        spots.write_h5ad(path, compression="gzip")  # which has checksums
