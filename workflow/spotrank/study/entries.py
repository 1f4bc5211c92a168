"""The config's lists of losses, heads and strategies, whose entries are rows of a registry."""

import inspect
from typing import get_args

from spotrank.base.store import InputError
from spotrank.base.words import nearest, one_of, typed

# arguments of losses and heads that are no options
INJECTED = (
    "score", "batch", "pairs", "permutations", "dimension", "n_genes", "network",
    "patients", "n_panel", "n_auxiliary",
)  # fmt: skip


def entries(given, key, registry, *also):
    """`(name, options, own name or None)` of each entry of the config's list of losses, heads or
    strategies, which are rows of `registry`; also: keys beside the row's own options."""
    where = {"loss": "losses", "head": "heads"}.get(key, key)
    for entry in given:
        options = dict(entry) if isinstance(entry, dict) else {key: entry}
        name, own_name = options.pop(key), options.pop("name", None)
        row = registry[one_of(name, registry, where)]
        own = {option: value for option, value in options.items() if option not in also}
        yield name, options | _options(where, name, row, own), own_name


def add(found, label, value, key):
    """Add to `found` what the config's `key` names; `InputError` if it is there already."""
    if label in found:
        raise InputError(
            f"config: {key}: '{label}' stands there twice; keep one, or give each its 'name'."
        )
    found[label] = value


def _options(key, name, function, options):
    """`options`, numbers that are written as texts made such; `InputError` for one that `function`
    lacks, or whose value is of a wrong type."""
    options = dict(options)
    signature = inspect.signature(function).parameters
    known = {key: p for key, p in signature.items() if key not in INJECTED}
    for option, value in options.items():
        if option not in known:
            raise InputError(
                f"config: {key}: '{name}' has no option '{option}'"
                f"{nearest(option, known)}; it has {', '.join(known) or 'none'}."
            )
        parameter = known[option]
        kinds = get_args(parameter.annotation) or (type(parameter.default),)
        taken = (*kinds, int) if float in kinds else kinds
        if type(value) is str and type(typed(value)) in taken:
            options[option] = typed(value)
        elif type(value) not in taken:
            words = " or ".join(kind.__name__ for kind in kinds)
            raise InputError(
                f"config: {key}: the option '{option}' of '{name}' is {value!r}, but must be "
                f"of type {words}."
            )
    return options
