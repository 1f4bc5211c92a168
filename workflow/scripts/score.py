"""Score the predictions of the fits of a lot."""

from spotrank.base.store import job, whole

with job(snakemake.log[0]):
    import json

    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq
    import torch

    from spotrank.base import lot, provenance
    from spotrank.base.store import read_h5ad, read_parquet
    from spotrank.genes import sets
    from spotrank.scoring import score
    from spotrank.spots import sections

    seen = {}

    def parents_of(given):
        made = [provenance.read(path) for path in given["predictions"]]
        return [*made, *map(provenance.of_scores, given["ceilings"])]

    def is_kept(thing):
        asked, parents = provenance.of_stage("score", thing["made_by"]), parents_of(thing["input"])
        for path in thing["output"].values():
            read_parquet(path)
            own = provenance.of_scores(path)
            if own is None or provenance.differences(own, asked, parents, seen):
                return False
        return True

    def make(thing):
        began, params, given = provenance.now(), thing["made_by"], thing["input"]
        spots = dict(zip(params["samples"], map(read_h5ad, given["spots"]), strict=True))
        parents = parents_of(given)
        ceilings = pd.concat(
            read_parquet(path).to_pandas().filter(regex="gene|ceiling").assign(sample=sample)
            for sample, path in zip(params["samples"], given["ceilings"], strict=True)
        )
        found = sections.leaks(parents[0]["samples"], params["samples"])
        leak = [params["leak"], *(own for own in found if own not in params["leak"])]
        of_cell = thing["cell"] | {"leak": "; ".join(filter(None, leak))}
        fold = given["predictions"][0], spots, params["scaling"]
        tables = {thing["output"]["scores"]: (score.COLUMNS, score.score(*fold))}
        for path in given["sets"]:
            of_sets = score.score_sets(*fold, sets.read(path))
            tables[thing["output"]["sets"]] = score.OF_SETS, of_sets
        for output, (columns, parts) in tables.items():
            with whole(output) as path:
                writer = None
                for part in parts:
                    part = part.assign(**of_cell, patient=part["sample"].map(params["patients"]))
                    if "gene" in part:
                        part = part.merge(ceilings, "left", ["sample", "gene"], validate="m:1")
                        part["ceiling_flag"] = part["ceiling_flag"].fillna("not measured")
                    table = pa.Table.from_pandas(part[list(columns)], preserve_index=False)
                    writer = writer or pq.ParquetWriter(
                        path, table.schema, write_page_checksum=True
                    )
                    writer.write_table(table)
                record = provenance.record("score", output, given["sets"], began, parents, params)
                writer.add_key_value_metadata({provenance.KEY: json.dumps(record)})
                writer.close()

    torch.set_num_threads(snakemake.threads)
    lot.make(snakemake.output[0], snakemake.params.scores, is_kept, make)
