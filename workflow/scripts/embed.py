"""Embed the patches of the samples of a lot with its encoders, each loaded once."""

from spotrank.base.store import job

with job(snakemake.log[0]):
    from functools import cache, lru_cache, partial

    from spotrank.base import lot, provenance
    from spotrank.encoders import embed, loading, stored

    params, seen = snakemake.params, {}

    @cache
    def loaded(name):
        return loading.load(params.encoders[name], params.patches["size"], snakemake.threads)

    @lru_cache(maxsize=1)
    def read(paths, size, interpolation):
        own = embed.patches_of(size, interpolation, params.patches, **dict(paths))
        return embed.kept(*own) if len(params.encoders) > 1 else own

    def read_by(thing):
        return [path for own in thing["input"].values() for path in own]

    def is_kept(thing):
        path = thing["output"]["embeddings"]
        stored.read(path, thing["made_by"])
        return not provenance.differences(
            provenance.read(path), {}, seen=seen, paths=read_by(thing)
        )

    def make(thing):
        began, name, output = provenance.now(), thing["encoder"], thing["output"]["embeddings"]
        paths = {kind: own[0] for kind, own in thing["input"].items() if kind != "weights"}
        encoder = loaded(name)
        embed.embed(
            encoder,
            *read(tuple(paths.items()), encoder.size, encoder.interpolation),
            output,
            thing["made_by"],
            params.batch_size,
            snakemake.threads,
            partial(
                provenance.record,
                "embed",
                output,
                read_by(thing),
                began,
                encoders={name: thing["made_by"] | encoder.about},
            ),
        )

    lot.make(snakemake.output[0], params.embeddings, is_kept, make)
