"""Rows that every method has to beat: what needs no training, or no picture."""

FLOORS = ("floor", "nearest")  # heads


def is_floor(rows):
    """Whether each row of a table with the column `head` is a floor."""
    return rows["head"].isin(FLOORS)
