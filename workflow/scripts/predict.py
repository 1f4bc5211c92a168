"""Predict expression on one slide, and write what people open."""

from spotrank.base.store import job

with job(snakemake.log[0]):
    import json
    import logging
    from pathlib import Path

    from spotrank.base.store import write_texts
    from spotrank.bundles import bundle
    from spotrank.prediction import geojson, places, predict, results, zarr_store
    from spotrank.report import predictions, style

    given, params, out = snakemake.input, snakemake.params, snakemake.output
    name, laid = snakemake.wildcards.slide, places.read(given.patches)
    model = bundle.read(Path(given.bundle[0]).parent)
    patches = None
    if model.sees == "patches":
        patches = predict.patches_of(
            laid,
            model.about["patches"],
            given.slide,
            given.get("patch_file"),
            model.about["head"]["px"],
        )
    distance, about = predict.write(
        out.h5ad, model, laid, name, given.slide, given.embeddings[0], patches, snakemake.threads
    )
    far = distance > 1
    genes = params.genes or results.most_predictable(model.genes)
    values = results.columns(out.h5ad, genes)
    how_far = {"distance from the training (1: 99 % of it)": distance}
    geojson.write_patches(out.geojson, laid, values | how_far, far)
    if store := out.get("zarr"):
        zarr_store.write(store, out.h5ad, laid)
    title = f"{name}, by the bundle {model.about['id']}"
    if about["remark"]:
        title = (
            f"{name}: {about['remark']} ({about['share_far']:.0%} of its patches are far from it)"
        )
        logging.warning(title)
    pieces = geojson.read(given.tissue)
    style.save(predictions.overview(title, given.slide, laid, far, pieces), out.overview)
    expected = results.expected(model.genes.loc[genes])
    style.save(predictions.maps(title, given.slide, laid, far, values, expected), out.maps)
    write_texts({out.about: json.dumps(about | {"n_patches": len(laid)}, indent=1) + "\n"})
