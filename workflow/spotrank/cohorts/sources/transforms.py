"""Affine maps between coordinates with named axes, as the elements of SpatialData state them.

A map is a table: a row a coordinate that comes out, a column a coordinate that goes in, both by the
names of axes and `ONE`, for what is added. Its format is that of NGFF's coordinate transformations
(https://ngff.openmicroscopy.org, draft 0.5 of `coordinateTransformations`).
"""

import numpy as np
import pandas as pd

ONE = "1"
PLANE = ["x", "y", ONE]


def systems(transformations, axes):
    """`{name of a system: matrix}` of an element, from its x, y to those of each system, `(3, 3)`.

    transformations: as the store's JSON has them; axes: names of the element's own axes, in their
    order. Raises `ValueError` for what is not an affine map of x and y.
    """
    return {step["output"]["name"]: planar(affine(step, axes)) for step in transformations}


def affine(step, axes):
    """The map of one transformation; axes: what goes in, where it doesn't say so itself."""
    into = _named(step.get("input")) or list(axes)
    if step["type"] == "sequence":
        whole = _table(np.eye(len(into) + 1), into, into)
        for part in step["transformations"]:
            whole = after(affine(part, whole.index[:-1]), whole)
        return whole
    if step["type"] not in KINDS:
        raise ValueError(f"'{step['type']}' is no affine transformation that is known")
    out = _named(step.get("output")) or into
    if step["type"] not in RENAMING and out != into:
        raise ValueError(f"a {step['type']} that renames axes, {into} to {out}")
    return _table(KINDS[step["type"]](step, into, out), out, into)


def after(second, first):
    """The map that does `first`, then `second`; axes meet by name."""
    if set(second.columns) != set(first.index):
        raise ValueError(f"axes {list(first.index[:-1])} go where {list(second.columns[:-1])} do")
    return second[first.index] @ first


def planar(whole):
    """The part of a map that takes x, y to x, y, `(3, 3)`; `ValueError` if they need other axes."""
    if not {*PLANE} <= {*whole.index} & {*whole.columns}:
        raise ValueError(f"axes {list(whole.columns[:-1])} to {list(whole.index[:-1])}, not x, y")
    if whole.loc[["x", "y"]].drop(columns=PLANE).any(axis=None):
        raise ValueError("x and y depend on other axes")
    matrix = whole.loc[PLANE, PLANE].to_numpy()
    if not scale_of(matrix):
        raise ValueError("the plane is squeezed to a line")
    return matrix


def apply(matrix, points):
    """Points `(n, 2)` moved by a planar map `(3, 3)`."""
    return points @ matrix[:2, :2].T + matrix[:2, 2]


def scale_of(matrix):
    """Factor by which a planar map stretches lengths: the root of that of areas."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))


def _matrix(linear, shift=None):
    """`(n_out + 1, n_in + 1)` of a linear part and what is added."""
    linear = np.asarray(linear, float)
    shift = np.zeros(len(linear)) if shift is None else shift
    return np.vstack([np.column_stack([linear, shift]), np.eye(linear.shape[1] + 1)[-1]])


# matrix of each kind by its JSON, the axes that go in and those that come out
KINDS = {
    "identity": lambda step, into, out: np.eye(len(into) + 1),
    "scale": lambda step, into, out: _matrix(np.diag(step["scale"])),
    "translation": lambda step, into, out: _matrix(np.eye(len(into)), step["translation"]),
    "rotation": lambda step, into, out: _matrix(np.reshape(step["rotation"], (len(into), -1))),
    "affine": lambda step, into, out: _matrix(*np.split(np.array(step["affine"]), [-1], axis=1)),
    "mapAxis": lambda step, into, out: _matrix(
        # what it doesn't name stays
        [[float(step["mapAxis"].get(to, to) == axis) for axis in into] for to in out]
    ),
}
RENAMING = ("affine", "mapAxis")


def _table(matrix, out, into):
    """A map as a table; `ValueError` for a matrix of another shape, or what is no number."""
    matrix = np.asarray(matrix, float)
    if not np.isfinite(matrix).all():
        raise ValueError("numbers that are not finite")
    return pd.DataFrame(matrix, [*out, ONE], [*into, ONE])


def _named(system):
    """Names of a system's axes, in their order, or None."""
    return [axis["name"] for axis in system["axes"]] if system and "axes" in system else None
