"""Fit all losses and seeds of the folds of a lot, and predict their test samples."""

from spotrank.base.store import job, whole

with job(snakemake.log[0]):
    import os
    from functools import partial

    import pyarrow as pa

    if not snakemake.resources.gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before torch looks
    import torch
    from safetensors.torch import save_file

    from spotrank.base import lot, provenance
    from spotrank.base.store import read_parquet, write_parquet
    from spotrank.fitting import fit, inputs, predict, predictions, together
    from spotrank.fitting.batches import parts_of

    seen = {}

    def is_kept(thing):
        output, params = thing["output"], thing["made_by"]
        own = provenance.read(output["predictions"])
        asked = provenance.of_stage("fit", params)
        if provenance.differences(own, asked, inputs.parents(params, thing["input"]), seen):
            return False
        predictions.verify(output["predictions"])
        predictions.verify_weights(output["weights"])
        read_parquet(output["history"])
        return True

    def make(thing):
        began, params, output = provenance.now(), thing["made_by"], thing["output"]
        encoder = thing["cell"]["encoder"]
        found = inputs.read(params, thing["input"], encoder, snakemake.threads, reader=shared)
        train, validation, test = parts_of(found.spots)
        runs, parameters, history = fit.fit(
            train,
            validation,
            params["losses"],
            params["seeds"],
            found.head,
            params["head"]["training"],
            params["scaling"],
            (params["auxiliary"]["strategy"], params["auxiliary"]["options"]),
            found.n_panel,
            fit.budget(snakemake.resources.mem_mb),
            sums=shared and shared.sums(found.genes),
        )
        line = predict.line(
            parameters, found.head, train, found.n_panel, params["scaling"], len(runs)
        )
        with whole(output["weights"]) as path:
            kept = {key: own for key, own in parameters.items() if not key.startswith("spots_")}
            save_file(kept, path, {"runs": runs.to_json(), "genes": "\t".join(found.genes)})
        with whole(output["history"]) as path:
            history = history.assign(**thing["cell"])
            write_parquet(pa.Table.from_pandas(history, preserve_index=False), path)
        predictions.write(
            output["predictions"],
            predict.predict(parameters, found.head, test, found.n_panel),
            runs,
            test,
            found.genes[: found.n_panel],
            line,
            partial(
                provenance.record, "fit", output["predictions"], found.files, began, found.parents,
                params, found.encoders,
            ),
        )  # fmt: skip
        torch.cuda.empty_cache()  # or the next would take it for memory in use

    shared = together.of(snakemake.params.fits)
    torch.set_num_threads(snakemake.threads)
    lot.make(snakemake.output[0], snakemake.params.fits, is_kept, make)
