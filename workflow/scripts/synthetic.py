"""Train all losses on the synthetic counts of one sampling and thinning."""

from spotrank.store import job, whole

with job(snakemake.log[0]):
    import pandas as pd
    import torch
    from spotrank import synthetic

    torch.set_num_threads(snakemake.threads)
    params, wildcards = snakemake.params, snakemake.wildcards
    labels, list_sizes, *kinds = zip(*params.losses, strict=True)
    grid = {"sampling": wildcards.sampling, "thinning": float(wildcards.thinning)}
    options = {key: value for key, value in params.options.items() if key != "list_sizes"}
    scores, curves = synthetic.fit(list(zip(*kinds, strict=True)), params.seeds, **options | grid)
    names = pd.DataFrame({"loss": labels, "list_size": list_sizes})
    for frame, path in ((scores, snakemake.output.scores), (curves, snakemake.output.curves)):
        frame = frame.rename(columns={"loss": "run"}).join(names, on="run").drop(columns="run")
        with whole(path) as temporary:
            frame.assign(**grid).to_parquet(temporary, index=False)
