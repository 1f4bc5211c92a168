"""Pair the counts of the samples of a lot with their patches."""

from spotrank.base.store import job, whole

with job(snakemake.log[0]):
    import json

    from spotrank.base import lot, provenance
    from spotrank.base.store import InputError, read_h5ad
    from spotrank.spots import pair, quality

    seen = {}

    def read_by(thing):
        return [thing["input"][kind][0] for kind in ("st", "metadata")]

    def is_kept(thing):
        path, asked = thing["output"]["spots"], provenance.of_stage("pair", thing["made_by"])
        read_h5ad(path)
        own = provenance.read(path)
        return not provenance.differences(own, asked, seen=seen, paths=read_by(thing))

    def make(thing):
        began, params, output = provenance.now(), thing["made_by"], thing["output"]["spots"]
        (st, metadata), images = read_by(thing), params["images"]
        spots = pair.pair(
            st,
            metadata,
            params["qc"],
            params["patches"],
            counts_layer=params["counts_layer"],
            truth=params["truth"],
            **{kind: thing["input"][kind][0] for kind in images},
        )
        found = spots.uns["quality"] | {"section": spots.uns["section"]}
        marked, wrong = quality.doubts(found)
        for doubt in (*marked, *wrong):
            print(f"Warning: {st}: {doubt}")
        # no parameter: who looks away has no sample made anew that was sound
        if wrong and snakemake.config.get("checks") != "warn":
            raise InputError(
                f"{st}: {'; '.join(wrong)}; mend the sample or leave it out, or set checks: warn "
                "to go on as it is."
            )
        name = f"{snakemake.wildcards.cohort}/{thing['sample']}"
        record = provenance.record(
            "pair", output, read_by(thing), began, made_by=params, samples={name: found}
        )
        spots.uns["record"] = json.dumps(record)
        with whole(output) as path:
            spots.write_h5ad(path, compression="gzip")  # which has checksums

    lot.make(snakemake.output[0], snakemake.params.pairs, is_kept, make)
