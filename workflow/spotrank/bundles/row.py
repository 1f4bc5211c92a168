"""Which row of a study's table a bundle is of."""

from spotrank.base.store import InputError
from spotrank.verdicts.compare import UNTOLD, swapped
from spotrank.verdicts.floors import is_floor, is_given
from spotrank.verdicts.summary import KEYS


def choose(summary, comparisons, named):
    """`(row, others)`: `{key: label}` of `summary.KEYS`, and `{key: labels}` of what can't be told
    from it.

    summary, comparisons: of the study's tables; named: `{key: label}` that the config names. Of the
    rows that are so called the one of the highest mean Spearman, if they leak nothing and no fold
    is lacking; a row that is named in full is taken as it is. `InputError` where there is none.
    """
    rows = summary[~is_floor(summary) & ~is_given(summary)]
    for key, label in named.items():
        rows = rows[rows[key] == label]
    if not len(rows):
        words = ", ".join(f"{key} {label}" for key, label in named.items())
        raise InputError(
            f"config: bundle: the study has no row of {words}; name one of its tables."
        )
    sound = rows[(rows["leak"] == "") & (rows["holes"] == "") & rows["spearman_mean"].notna()]
    if len(rows) > 1 and not len(sound):
        raise InputError(
            "config: bundle: no row is without a leak or hole, so that none is best by its score; "
            f"name one by 'bundle' ({', '.join(key for key in KEYS if rows[key].nunique() > 1)})."
        )
    best = (sound if len(sound) else rows).sort_values("spearman_mean", ascending=False).iloc[0]
    row = {key: best[key] for key in KEYS}
    return row, _untold(comparisons, row)


def _untold(comparisons, row):
    """`{key: labels}` that can't be told from the row's own."""
    said = comparisons[comparisons["differ"].isin(KEYS)]
    found = {}
    for own in [*said.iloc, *swapped(said).iloc]:
        same = all(own[key] == row[key] for key in KEYS if key != own["differ"])
        if same and own["a"] == row[own["differ"]] and own["verdict"].startswith(UNTOLD):
            found.setdefault(own["differ"], []).append(own["b"])
    return found
