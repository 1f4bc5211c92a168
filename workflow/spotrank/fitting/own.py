"""A head or a loss of one's own: a class or a function in a file that the config names.

The file's text goes with the config, is part of what decides a fit, and is run as it was when the
study started: trusted as the config is. What goes wrong in it is told with file and line.
"""

import ast
import sys
import traceback
from contextlib import contextmanager
from functools import cache
from types import ModuleType

from spotrank.base.provenance import digest
from spotrank.base.store import InputError


@cache
def line_of(source, file, kind, name):
    """Line of a class or a function (`kind`) in a file's text; `InputError` if there is none."""
    try:
        tree = ast.parse(source, file)
    except SyntaxError as error:
        raise InputError(
            f"{file}, line {error.lineno}: is no Python ({error.msg}); correct it."
        ) from None
    of_kind = ast.ClassDef if kind == "class" else ast.FunctionDef
    lines = {node.name: node.lineno for node in tree.body if isinstance(node, of_kind)}
    if name not in lines:
        raise InputError(
            f"{file}, line 1: has no {kind} '{name}', but "
            f"{', '.join(lines) or f'no {kind} at all'}; name one, or write it."
        )
    return lines[name]


@contextmanager
def told(file, line, name):
    """Exceptions in a file become an `InputError` of the line where they come from, or of `line`
    if that is elsewhere."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        line = next((own.lineno for own in reversed(frames) if own.filename == file), line)
        words = " ".join(str(error).split())
        raise InputError(
            f"{file}, line {line}: '{name}' fails with {type(error).__name__} ({words}); correct "
            "it."
        ) from None


@cache
def load(source, file, kind, name):
    """The class or function `name` of a file's text."""
    line = line_of(source, file, kind, name)
    module = ModuleType(f"own_{digest([file, source])}")
    module.__file__ = file
    sys.modules[module.__name__] = module  # where dataclasses look
    with told(file, line, name):
        exec(compile(source, file, "exec"), vars(module))  # noqa: S102 (named by the config)
    return getattr(module, name)


def loss(score, batch, file="", function="", source="", arguments={}):  # noqa: B006 (never changed)
    """A function of one's own, `function(score, batch, **arguments)`; see `losses`.

    Raises `InputError` where it does not give `(runs, n_genes)`, or no number for scores that are
    numbers.
    """
    line = line_of(source, file, "function", function)
    with told(file, line, function):
        value = load(source, file, "function", function)(score, batch, **arguments)
    checked(value, (score.shape[0], score.shape[2]), "(runs, genes)", file, line, function)
    if score.isfinite().all() and not value.isfinite().all():
        raise InputError(
            f"{file}, line {line}: '{function}' gives NaN or infinity for scores that are numbers; "
            "correct it."
        )
    if score.requires_grad and not value.requires_grad:
        raise InputError(
            f"{file}, line {line}: '{function}' has no derivative by the scores; compute it from "
            "them by functions of torch."
        )
    return value


def checked(value, shape, words, file, line, name):
    """`InputError` for a value that is no tensor of the shape."""
    found = tuple(value.shape) if hasattr(value, "shape") else type(value).__name__
    if found != tuple(shape):
        raise InputError(
            f"{file}, line {line}: '{name}' gives {found}, but must give a tensor {words}, here "
            f"{tuple(shape)}; correct its shape."
        )
