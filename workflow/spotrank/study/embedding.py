"""Which samples one job embeds, and by which encoders."""

from spotrank.study import cost, floors, plans

GFLOPS = 400  # a patch, of encoders that are loaded together: their weights fit a job's memory


def lots(study, spots):
    """`{(cohort, lot): [(cohort, encoder, sample), …]}` of all that a study may need.

    Encoders that take the same patches, as far as their rows tell, share a lot, in which each
    sample is read once. Samples that no fold looks at are in lots of their own, as are stain
    statistics, which floors and bundles may need. spots: `{cohort: {sample: number of spots}}`.
    """
    found = {}
    for cohort, own in plans.parts(study).items():
        for encoders in _loaded_together(study, cohort):
            a_patch = sum(cost.seconds_a_patch(study.entry(one)) for one in encoders)
            seconds_of = {one: cost.LEAST + a_patch * n for one, n in spots[cohort].items()}
            parts = [part for some in own for part in cost.cut(some, seconds_of.get, cost.SAMPLES)]
            for number, part in enumerate(parts):
                found[cohort, f"{encoders[0]}-{number}"] = [
                    (cohort, encoder, sample) for sample in part for encoder in encoders
                ]
    return found


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
