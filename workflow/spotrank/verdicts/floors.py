"""Which rows are floors, or were predicted by other tools, and what they stand beside."""

from spotrank.fitting.heads import GIVEN, OF_FLOORS

OF_ALL = "none"  # the encoder of floors that look at no embedding
SETTING = ["cohort", "split", "panel"]


def is_floor(frame):
    """Whether each row is a floor; the nearest spots are none where no other head is fitted."""
    floors = frame["head"].isin(OF_FLOORS)
    alone = (floors | is_given(frame)).all()
    return floors & ~(alone & (frame["head"] == "nearest"))


def is_given(frame):
    """Whether each row is of another tool's predictions."""
    return frame["head"] == GIVEN


def is_partial(summary):
    """Whether each row lacks genes that another of its cohort, split and panel has."""
    lacking = summary["n_lacking"].where(summary["n_genes"] > 0)
    return lacking > lacking.groupby([summary[key] for key in SETTING]).transform("min")


def floors_of(frame, rows):
    """The floors in `frame` that `rows`, of one setting, stand above: of their spots, genes and
    folds, and of their encoder if of any."""
    setting = rows.iloc[0]
    own = frame[is_floor(frame)]
    same = (own[SETTING] == setting[SETTING]).all(axis=1)
    return own[same & own["encoder"].isin([OF_ALL, setting["encoder"]])]
