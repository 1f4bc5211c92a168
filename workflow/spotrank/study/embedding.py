"""Which samples one job embeds, and by which encoders."""

from spotrank.spots.split import cohort_of, samples_of
from spotrank.study import cost, floors, plans

GFLOPS = 400  # a patch, of encoders that are loaded together: their weights fit a job's memory


def lots(study, spots):
    """`{(cohort, lot): [(sample, encoder), …]}` of all that a study may need.

    Encoders that take the same patches, as far as their rows tell, share a lot, in which each
    sample is read once. Samples that no fold looks at are in lots of their own, as are stain
    statistics, which floors and bundles may need. spots: `{cohort: {sample: number of spots}}`.
    """
    seen = {
        one
        for (cohort, _), folds in study.plans.items()
        for own in folds
        for one in _tissues(cohort, own)
    }
    found = {}
    for cohort in study.cohorts:
        own = study.samples[cohort].index
        for encoders in _loaded_together(study, cohort):
            a_patch = sum(cost.seconds_a_patch(study.entry(one)) for one in encoders)
            seconds_of = {one: cost.LEAST + a_patch * n for one, n in spots[cohort].items()}
            parts = []
            for is_seen in (True, False):
                some = [sample for sample in own if ((cohort, sample) in seen) == is_seen]
                parts += cost.cut(some, seconds_of.get, cost.SAMPLES)
            for number, part in enumerate(parts):
                things = [(sample, encoder) for sample in part for encoder in encoders]
                found[cohort, f"{encoders[0]}-{number}"] = things
    return found


def looked_at(study, cell):
    """`(cohort, sample, encoder)` of the embeddings that a cell looks at."""
    if plans.stage(cell) == "given" or study.trains_on_patches(cell["encoder"], cell["head"]):
        return []
    encoder = floors.embedded(study, cell["cohort"], cell["encoder"])
    fold = study.plans[cell["cohort"], cell["split"]][cell["fold"]]
    return [(*one, encoder) for one in _tissues(cell["cohort"], fold)] if encoder else []


def _tissues(cohort, fold):
    """`(cohort, sample)` of all samples of a fold."""
    samples = samples_of(fold, "train", "validation", "test")
    return [(cohort_of(fold, cohort, sample), sample) for sample in samples]


def _loaded_together(study, cohort):
    """The encoders of a cohort, lists of those that one job loads."""
    groups = {}
    for encoder in dict.fromkeys([*study.embedding_encoders, floors.STAINS]):
        entry, takes = study.entry(encoder), encoder
        if study.is_given(cohort, encoder):
            continue
        if isinstance(entry, dict):
            takes = entry["batch_size"], entry.get("size"), entry.get("interpolation")
        parts = groups.setdefault(takes, [[]])
        if sum(cost.gflops(study.entry(one)) for one in [*parts[-1], encoder]) > GFLOPS:
            parts.append([])
        parts[-1].append(encoder)
    return [part for parts in groups.values() for part in parts if part]
