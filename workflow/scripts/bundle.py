"""Write a model with all that is known of it in one folder."""

from spotrank.base.store import job, write_texts

with job(snakemake.log[0]):
    import json
    from pathlib import Path

    import numpy as np

    from spotrank.base import provenance
    from spotrank.base.store import read_h5ad, read_parquet
    from spotrank.bundles import bundle, card, home
    from spotrank.bundles.expected import COLUMNS, expected
    from spotrank.cohorts import h5ad
    from spotrank.encoders import stored
    from spotrank.fitting import final
    from spotrank.spots import features

    given, params = snakemake.input, snakemake.params.study
    chosen, known = (
        json.loads(Path(path).read_text(encoding="utf-8"))
        for path in (given.row[0], given.provenance)
    )
    row = chosen["row"]
    runs, parameters, line, genes, n_panel, record = final.load(given.model[0])
    mine = (runs["loss"] == row["loss"]).to_numpy()
    shared = ("centre", "spread")
    parameters = {key: own if key in shared else own[mine] for key, own in parameters.items()}
    made_by, patient_of = params["embeddings"], params["trained_on"]["patients"]
    vectors, slide, home_of = [], [], snakemake.params.home
    for sample, spots, path in zip(
        patient_of, home_of["spots"], home_of["embeddings"], strict=True
    ):
        barcodes, x = stored.read(path, made_by) if made_by else stored.read_given(path, spots)
        vectors.append(x[np.isin(barcodes, read_h5ad(spots).obs_names)])
        slide += [sample] * len(vectors[-1])
    vectors = np.concatenate(vectors)
    scores = read_parquet(given.scores, [(key, "=", label) for key, label in row.items()])
    found = expected(scores.to_pandas(), row, genes[:n_panel], snakemake.params.persons)
    ids = features.ids(h5ad.read_genes(given.st, params["counts_layer"]))
    found = found.assign(id=found.index.map(ids).fillna(""))[["id", *COLUMNS]]
    encoder = record["encoders"].get(row["encoder"], {})
    about = {
        "study": params["study"],
        "row": row,
        "untold": chosen["untold"],
        "leak": chosen["leak"],
        "encoder": {
            "name": row["encoder"],
            "spec": params["entry"],
            "about": {key: encoder[key] for key in ("weights_sha256", "commit") if key in encoder},
            "home": params["home"],
        },
        "patches": params["patches"],
        "dimension": params["dimension"] or vectors.shape[1],
        "head": {key: params[key] for key in ("head", "options", "sees", "px")}
        | {"n_genes": len(genes)},
        "scaling": params["scaling"],
        "seeds": runs["seed"][mine].tolist(),
        "epochs": int(runs["best_epoch"][mine].max()),
        "genes": genes[:n_panel],
        "ids": found["id"].tolist(),
        "trained_on": params["trained_on"] | {"n_spots": len(vectors)},
        "licences": params["licences"],
        "made": {
            "provenance": known["id"],
            "git": known["git"],
            "versions": record["versions"],
            "date": provenance.now().date().isoformat(),
        },
    }
    of_home = home.measure(vectors, np.asarray(slide))
    about = bundle.write(
        snakemake.params.folder, about, parameters, [own[mine] for own in line[:2]], of_home, found
    )
    write_texts({snakemake.output.card: card.text(about, found)})
