# the things that jobs make in lots, each with its files of `input` and `output`, lists of paths by
# name, and what decides it, `made_by`
OF_FIT = ("weights.safetensors", "history.parquet", "predictions.h5")
OF_SCORES = ("scores", "sets") if files.gene_sets else ("scores",)

FILE = {
    "pair": files.spots,
    "embed": files.embeddings,
    "panel": files.panel,
    "ceiling": files.ceiling,
}
list_of = {
    **{
        FILE[kind](*thing): lots.list(kind, key)
        for kind, own in lots.shared.items()
        for key, things in own.items()
        for thing in things
    },
    **{
        files.of_fit("fits/predictions.h5", **cell): lots.list("fit", key)
        for key, cells in lots.of.items()
        for cell in cells
        if plans.stage(cell) == "fit"
    },
}


def files_of_sample(cohort, sample):
    """Input files of a sample by name, that its spots or embeddings are made of."""
    return {
        **{kind: [path] for kind, path in files.images(cohort, sample).items()},
        **{kind: [files.path(cohort, kind, sample)] for kind in ("st", "metadata")},
    }


@cache
def pairs_of(*key):
    return [
        {
            "sample": sample,
            "input": files_of_sample(cohort, sample),
            "output": {"spots": files.spots(cohort, sample)},
            "made_by": made_by.pair(cohort, sample),
        }
        for cohort, sample in lots.shared["pair"][key]
    ]


@cache
def embeddings_of(*key):
    return [
        {
            "encoder": encoder,
            "input": {**files_of_sample(cohort, sample), "weights": files.weights(encoder)},
            "output": {"embeddings": files.embeddings(cohort, encoder, sample)},
            "made_by": made_by.embeddings(cohort, encoder),
        }
        for cohort, encoder, sample in lots.shared["embed"][key]
    ]


def encoders_of(*key):
    """`{encoder: its entry}` of a lot of embeddings."""
    encoders = dict.fromkeys(encoder for _, encoder, _ in lots.shared["embed"][key])
    return {encoder: study.entry(encoder) for encoder in encoders}


@cache
def panels_of(*key):
    panels = [dict(zip(PANEL, one)) for one in lots.shared["panel"][key]]
    return [
        {
            "input": {
                "spots": spots_of()(Wildcards(fromdict=panel)),
                "file": file_of_panel(Wildcards(fromdict=panel)),
            },
            "output": {"panel": files.panel(**panel)},
            "made_by": made_by.panel(**panel),
        }
        for panel in panels
    ]


@cache
def ceilings_of(*key):
    def panel(cohort, of_fold):
        return panel_of(Wildcards(fromdict={"cohort": cohort, **dict(zip(PANEL[1:], of_fold))}))

    return [
        {
            "input": {
                "spots": [files.spots(cohort, sample)],
                "panel": panel(cohort, of_fold) if of_fold else [],
            },
            "output": {"ceilings": files.ceiling(cohort, sample, *of_fold)},
            "made_by": made_by.ceiling(),
        }
        for cohort, sample, *of_fold in lots.shared["ceiling"][key]
    ]


@cache
def fits_of(*key):
    return [
        {
            "cell": {name: str(value) for name, value in cell.items()},
            "input": input_of_fit(Wildcards(fromdict=cell)),
            "output": {kind.split(".")[0]: files.of_fit(f"fits/{kind}", **cell) for kind in OF_FIT},
            "made_by": made_by.fit(**cell),
        }
        for cell in lots.of[key]
    ]


@cache
def scores_of(*key):
    return [
        {
            "cell": cell,
            "input": {
                "predictions": [files.of_fit("fits/predictions.h5", **cell)],
                "spots": spots_of("test")(Wildcards(fromdict=cell)),
                "sets": files.gene_sets,
                "ceilings": [files.ceiling(*one) for one in ceilings.looked_at(study, cell)],
            },
            "output": {kind: files.of_fit(f"scores/{kind}.parquet", **cell) for kind in OF_SCORES},
            "made_by": made_by.score(**cell),
        }
        for cell in lots.of[key]
    ]


THINGS = {"panel": panels_of, "ceiling": ceilings_of, "score": scores_of}


def together(things):
    """Input files of the things of a lot by name, as `in_list`."""
    names = dict.fromkeys(name for thing in things for name in thing["input"])
    return {
        name: in_list(path for thing in things for path in thing["input"].get(name, []))
        for name in names
    }


def in_lists(given):
    """`in_list` of input files by name."""
    return {name: in_list(paths) for name, paths in given.items()}


def in_list(paths):
    """Input files, each once, lists in place of those that lots make."""
    return list(dict.fromkeys(list_of.get(path, path) for path in paths))


def lists_of_fits(cells):
    """Lists of the lots that hold the fits of `cells`, or their files if no lot makes them."""
    return in_list(files.of_fit("fits/predictions.h5", **cell) for cell in cells)


def lists_of_scores():
    """Lists of the scores of all lots."""
    return [lots.list("score", key) for key in lots.of]


def rests_on():
    """`{list: lists that it rests on}`, whether there or not."""
    fitted = [key for key, cells in lots.of.items() if plans.stage(cells[0]) == "fit"]
    keys = {**lots.shared, "fit": fitted, "score": lots.of}
    keys = [(kind, key) for kind, own in keys.items() for key in own]
    lists = {lots.list(*own) for own in keys}
    return {lots.list(*own): {*in_list(seen_by(*own))} & lists for own in keys}


def seen_by(kind, key):
    """Files that other lots make and a lot looks at; data, which may be gone, are not asked for."""
    if kind in ("pair", "embed"):
        return []
    if kind == "fit":
        cells = [Wildcards(fromdict=cell) for cell in lots.of[key]]
        embedded = [own for own in cells if not study.trains_on_patches(own.encoder, own.head)]
        inputs = [*map(made_for_fit, cells), *map(features_of, embedded)]
    else:
        inputs = [thing["input"] for thing in THINGS[kind](*key)]
    return [path for own in inputs for paths in own.values() for path in paths]


if workflow.is_main_process:
    lot.forget(rests_on(), f"results/{study.name}/provenance.json")
