"""Bring what other tools predicted for the test samples of a fold into the form of `fit`'s."""

from spotrank.base.store import job

with job(snakemake.log[0]):
    from functools import partial

    import numpy as np
    import pandas as pd

    from spotrank.base import provenance
    from spotrank.base.store import read_h5ad
    from spotrank.fitting import given, predictions
    from spotrank.genes import panel

    began, params, output = provenance.now(), snakemake.params.given, snakemake.output[0]
    read = snakemake.params.input
    genes, of_panel = panel.load(read["panel"][0])
    spots = dict(zip(params["samples"], map(read_h5ad, read["spots"]), strict=True))
    tested = given.tested(params["fold"], params["gap_um"], spots)
    tools, files = list(params["predictions"]), read["files"]
    parents = [of_panel, *map(provenance.read, read["spots"])]
    shape = len(tools), len(genes)
    predictions.write(
        output,
        given.scores(files, tested, genes),
        pd.DataFrame({"loss": tools, "seed": 0, "best_epoch": 0, "n_auxiliary": 0}),
        tested,
        genes,
        (np.ones(shape), np.zeros(shape), np.full(shape, np.nan)),
        partial(provenance.record, "given", output, files, began, parents, params),
    )
