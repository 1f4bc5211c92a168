"""Score the predictions of one fold."""

from spotrank.base.store import job, whole

with job(snakemake.log[0]):
    import json

    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq
    import torch

    from spotrank.base import provenance
    from spotrank.base.store import read_h5ad, read_parquet
    from spotrank.scoring import score
    from spotrank.spots import sections

    torch.set_num_threads(snakemake.threads)
    began, params, wildcards = provenance.now(), snakemake.params.score, snakemake.wildcards
    spots = dict(zip(params["samples"], map(read_h5ad, snakemake.input.spots), strict=True))
    parents = [provenance.read(snakemake.input.predictions)]
    parents += map(provenance.of_scores, snakemake.input.ceilings)
    ceilings = pd.concat(
        read_parquet(path).to_pandas().filter(regex="gene|ceiling").assign(sample=sample)
        for sample, path in zip(params["samples"], snakemake.input.ceilings, strict=True)
    )
    found = sections.leaks(parents[0]["samples"], params["samples"])
    leak = [params["leak"], *(own for own in found if own not in params["leak"])]
    with whole(snakemake.output[0]) as path:
        writer = None
        for scores in score.score(snakemake.input.predictions, spots, params["scaling"]):
            scores = scores.assign(
                cohort=wildcards.cohort,
                split=wildcards.split,
                fold=int(wildcards.fold),
                patient=scores["sample"].map(params["patients"]),
                encoder=wildcards.encoder,
                panel=wildcards.panel,
                head=wildcards.head,
                auxiliary=wildcards.auxiliary,
                leak="; ".join(filter(None, leak)),
            )
            scores = scores.merge(ceilings, "left", ["sample", "gene"], validate="many_to_one")
            table = pa.Table.from_pandas(scores[list(score.COLUMNS)], preserve_index=False)
            writer = writer or pq.ParquetWriter(path, table.schema, write_page_checksum=True)
            writer.write_table(table)
        record = provenance.record("score", snakemake.output[0], [], began, parents, params)
        writer.add_key_value_metadata({provenance.KEY: json.dumps(record)})
        writer.close()
