"""Of which samples one job pairs counts with patches."""

from spotrank.study import cost, plans

SPOT = 1e-3  # seconds


def lots(study, spots):
    """`{(cohort, lot): [(cohort, sample), …]}` of all samples; those that no fold looks at come
    apart. spots: `{cohort: {sample: number of spots}}`."""
    found = {}
    for cohort, own in plans.parts(study).items():
        seconds = {sample: cost.LEAST + SPOT * n for sample, n in spots[cohort].items()}
        parts = [part for some in own for part in cost.cut(some, seconds.get, cost.SAMPLES)]
        for number, part in enumerate(parts):
            found[cohort, str(number)] = [(cohort, sample) for sample in part]
    return found
