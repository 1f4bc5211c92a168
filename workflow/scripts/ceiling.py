"""Ceilings of sampling noise of all genes of one sample, or of a fold's panel."""

from spotrank.base.store import job, whole

with job(snakemake.log[0]):
    import json

    import pyarrow as pa

    from spotrank.base import provenance
    from spotrank.base.store import read_h5ad, write_parquet
    from spotrank.genes import panel
    from spotrank.scoring import ceiling
    from spotrank.spots import expression

    began, given, params = provenance.now(), snakemake.input, dict(snakemake.params.items())
    spots, parents = read_h5ad(given.spots), [provenance.read(given.spots)]
    for path in params.pop("panel", []):
        genes, of_panel = panel.load(path)
        spots = spots[:, [gene for gene in genes if gene in spots.var_names]]
        parents = [*parents, of_panel]
    total = expression.total(spots.X, spots.obs["library"].to_numpy(), params["scaling"])
    found = ceiling.ceilings(spots.X, total)
    found.insert(0, "gene", spots.var_names)
    record = provenance.record("ceiling", snakemake.output[0], [], began, parents, params)
    table = pa.Table.from_pandas(found, preserve_index=False)
    with whole(snakemake.output[0]) as path:
        write_parquet(table.replace_schema_metadata({provenance.KEY: json.dumps(record)}), path)
