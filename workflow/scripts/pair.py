"""Pair the counts of one sample with its patches."""

from spotrank.base.store import job, whole

with job(snakemake.log[0]):
    import json

    from spotrank.base import provenance
    from spotrank.base.store import InputError
    from spotrank.spots import pair, quality

    began, wildcards = provenance.now(), snakemake.wildcards
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
    found = spots.uns["quality"] | {"section": spots.uns["section"]}
    marked, wrong = quality.doubts(found)
    for doubt in (*marked, *wrong):
        print(f"Warning: {snakemake.input.st}: {doubt}")
    # no parameter: who looks away has no sample made anew that was sound
    if wrong and snakemake.config.get("checks") != "warn":
        raise InputError(
            f"{snakemake.input.st}: {'; '.join(wrong)}; mend the sample or leave it out, or set "
            "checks: warn to go on as it is."
        )
    read = [snakemake.input.st, snakemake.input.metadata]
    name = f"{wildcards.cohort}/{wildcards.sample}"
    record = provenance.record("pair", snakemake.output[0], read, began, samples={name: found})
    spots.uns["record"] = json.dumps(record)
    with whole(snakemake.output[0]) as path:
        spots.write_h5ad(path, compression="gzip")  # which has checksums
