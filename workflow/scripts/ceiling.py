"""Ceilings of sampling noise of a lot's samples: of all genes, or of a fold's panel."""

from spotrank.base.store import job, whole

with job(snakemake.log[0]):
    import json

    import pyarrow as pa

    from spotrank.base import lot, provenance
    from spotrank.base.store import read_h5ad, read_parquet, write_parquet
    from spotrank.genes import panel
    from spotrank.scoring import ceiling
    from spotrank.spots import expression

    seen = {}

    def parents_of(given):
        of_panel = [panel.load(path)[1] for path in given["panel"]]
        return [*map(provenance.read, given["spots"]), *of_panel]

    def is_kept(thing):
        path, asked = thing["output"]["ceilings"], provenance.of_stage("ceiling", thing["made_by"])
        read_parquet(path)
        own = provenance.of_scores(path)
        return own and not provenance.differences(own, asked, parents_of(thing["input"]), seen)

    def make(thing):
        began, params, output = provenance.now(), thing["made_by"], thing["output"]["ceilings"]
        spots = read_h5ad(thing["input"]["spots"][0])
        for path in thing["input"]["panel"]:
            genes, _ = panel.load(path)
            spots = spots[:, [gene for gene in genes if gene in spots.var_names]]
        total = expression.total(spots.X, spots.obs["library"].to_numpy(), params["scaling"])
        found = ceiling.ceilings(spots.X, total)
        found.insert(0, "gene", spots.var_names)
        parents = parents_of(thing["input"])
        record = provenance.record("ceiling", output, [], began, parents, params)
        table = pa.Table.from_pandas(found, preserve_index=False)
        with whole(output) as path:
            write_parquet(table.replace_schema_metadata({provenance.KEY: json.dumps(record)}), path)

    lot.make(snakemake.output[0], snakemake.params.ceilings, is_kept, make)
