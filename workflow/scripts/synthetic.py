"""Train all losses on the synthetic counts of one sampling and thinning."""

from spotrank.base.store import job, whole

with job(snakemake.log[0]):
    import json

    import pandas as pd
    import pyarrow as pa
    import torch

    from spotrank.base import provenance
    from spotrank.base.store import write_parquet
    from spotrank.fitting import synthetic

    torch.set_num_threads(snakemake.threads)
    began, params = provenance.now(), snakemake.params.synthetic
    labels, list_sizes, *kinds = zip(*params["losses"], strict=True)
    scores, curves = synthetic.fit(
        list(zip(*kinds, strict=True)), params["seeds"], **params["options"]
    )
    grid = {key: params["options"][key] for key in ("sampling", "thinning")}
    names = pd.DataFrame({"loss": labels, "list_size": list_sizes})
    for frame, path in ((scores, snakemake.output.scores), (curves, snakemake.output.curves)):
        frame = frame.rename(columns={"loss": "run"}).join(names, on="run").drop(columns="run")
        table = pa.Table.from_pandas(frame.assign(**grid), preserve_index=False)
        record = provenance.record("synthetic", path, [], began, made_by=params)
        table = table.replace_schema_metadata({provenance.KEY: json.dumps(record)})
        with whole(path) as temporary:
            write_parquet(table, temporary)
