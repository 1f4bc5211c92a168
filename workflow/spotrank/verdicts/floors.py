"""Which rows are floors, or were predicted by other tools, and what they stand beside."""

from spotrank.fitting.heads import GIVEN, OF_FLOORS

OF_ALL = "none"  # the encoder of floors that look at no embedding
SETTING = ["cohort", "split", "panel"]


def is_floor(frame):
    """Whether each row is a floor; the nearest spots are none where no other head is fitted."""
    floors = frame["head"].isin(OF_FLOORS)
    return floors & ~(floors.all() & (frame["head"] == "nearest"))


def is_given(frame):
    """Whether each row is of another tool's predictions."""
    return frame["head"] == GIVEN


def floors_of(frame, rows):
    """The floors in `frame` that `rows`, of one setting, stand above: of their spots, genes and
    folds, and of their encoder if of any."""
    setting = rows.iloc[0]
    own = frame[is_floor(frame)]
    same = (own[SETTING] == setting[SETTING]).all(axis=1)
    return own[same & own["encoder"].isin([OF_ALL, setting["encoder"]])]
