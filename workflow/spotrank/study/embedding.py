"""Which samples one job embeds, and by which encoders."""

from spotrank.spots.split import cohort_of, samples_of
from spotrank.study import cost, floors, plans

SECONDS = 600  # that a job computes, as reckoned
LEAST = 5  # seconds of a sample: its files are read and written
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
        parts = [(cohort, sample) in seen for sample in own]
        for encoders in _loaded_together(study, cohort):
            cuts = [
                part for of_part in (own[parts], own[[not is_seen for is_seen in parts]])
                for part in _cut(study, encoders, of_part, spots[cohort])
            ]  # fmt: skip
            for number, part in enumerate(cuts):
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
    needed = [one for one, head, _ in study.fits if not study.trains_on_patches(one, head)]
    groups = {}
    for encoder in dict.fromkeys([*needed, floors.STAINS]):
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


def _cut(study, encoders, samples, spots):
    """`samples` cut where encoders would take more than SECONDS, or are as many as a job takes."""
    a_patch = sum(cost.seconds_a_patch(study.entry(one)) for one in encoders)
    parts, left = [], 0
    for sample in samples:
        seconds = LEAST + a_patch * spots[sample]
        if seconds > left or len(parts[-1]) == cost.SAMPLES:
            parts.append([])
            left = SECONDS
        parts[-1].append(sample)
        left -= seconds
    return parts
