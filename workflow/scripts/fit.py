"""Fit all losses and seeds of one fold, and predict its test samples."""

from spotrank.base.store import job, whole

with job(snakemake.log[0]):
    import os
    from functools import partial
    from itertools import tee

    import psutil
    import pyarrow as pa

    if not snakemake.resources.gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before torch looks
    import torch
    from safetensors.torch import save_file

    from spotrank.base import provenance
    from spotrank.base.store import read_h5ad, write_parquet
    from spotrank.encoders import embed, loading, registry, stored, weights
    from spotrank.fitting import fit, predict
    from spotrank.fitting.batches import assemble, parts_of
    from spotrank.genes import panel
    from spotrank.spots import expression, floors

    torch.set_num_threads(snakemake.threads)
    began, params, given = provenance.now(), snakemake.params.fit, snakemake.input
    genes, of_panel = panel.load(given.panel[0])
    parents = [of_panel]
    n_panel, auxiliary = len(genes), params["auxiliary"]
    if given.ranking:
        ranking, of_ranking = panel.load(given.ranking[0])
        parents.append(of_ranking)
        chosen = set(genes)
        others = [gene for gene in ranking if gene not in chosen]
        genes += others if auxiliary["number"] == "all" else others[: auxiliary["number"]]
    options, about = dict(params["head"]["options"]), {}
    samples, again = tee(map(read_h5ad, given.spots))
    if "st" not in given.keys():  # noqa: SIM118 (a list with names)
        made_by = params["embeddings"]
        features = (
            stored.read(path, made_by) if made_by else stored.read_given(path, st)
            for path, st in zip(given.embeddings, given.spots, strict=True)
        )
    else:
        px = registry.PIXELS
        if params["encoder"] != "pixels":
            options["network"] = partial(loading.network, **params["encoder"])
            px = loading.input_size(params["encoder"])
            of_weights = weights.identity(params["encoder"])
            about = {snakemake.wildcards.encoder: registry.decides(params["encoder"]) | of_weights}
        images = given.get("wsi"), given.get("patch_file")
        images = [own or [None] * len(params["samples"]) for own in images]
        features = (
            embed.all_patches(px, params["patches"], *paths, threads=snakemake.threads)
            for paths in zip(given.st, given.metadata, *images, strict=True)
        )
    if "floors" in options:
        embedded = features if given.embeddings else [None] * len(given.spots)
        features = map(partial(floors.features, options["floors"]), again, embedded)
    spots = assemble(params["fold"], params["gap_um"], params["samples"], samples, features, genes)
    train, validation, test = parts_of(spots)
    head = params["head"]["head"], options
    budget = snakemake.resources.mem_mb * 1e6 - psutil.Process().memory_info().rss
    if torch.cuda.is_available():
        budget = None
    runs, parameters, history = fit.fit(
        train,
        validation,
        params["losses"],
        params["seeds"],
        head,
        params["head"]["training"],
        params["scaling"],
        (auxiliary["strategy"], auxiliary["options"]),
        n_panel,
        budget,
    )
    counts = train.counts[:, :n_panel]
    total = expression.total(counts, train.library, params["scaling"])
    slope, intercept, train_pearson = predict.calibrate(
        predict.predict(parameters, head, train, n_panel),
        expression.target(counts, total),
        len(runs),
    )
    read, made = [], given.spots
    for name in ("embeddings", "st", "metadata", "wsi", "patch_file", "weights"):
        files = given.get(name, [])
        if name == "embeddings" and params["embeddings"]:
            made = [*made, *files]
        else:
            read = [*read, *files]
    parents += map(provenance.read, made)
    with whole(snakemake.output.weights) as path:
        kept = {key: own for key, own in parameters.items() if not key.startswith("spots_")}
        save_file(kept, path, {"runs": runs.to_json(), "genes": "\t".join(genes)})
    with whole(snakemake.output.history) as path:
        history = history.assign(**snakemake.wildcards)
        write_parquet(pa.Table.from_pandas(history, preserve_index=False), path)
    predict.save(
        snakemake.output.predictions,
        predict.predict(parameters, head, test, n_panel),
        genes[:n_panel],
        {"sample": test.sample, "barcode": test.barcode},
        runs,
        {"slope": slope, "intercept": intercept, "train_pearson": train_pearson},
        provenance.record("fit", snakemake.output.predictions, read, began, parents, params, about),
    )
