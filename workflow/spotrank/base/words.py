"""Words of a config: names looked up, and what was meant by a misspelt one."""

import re
from difflib import get_close_matches

from spotrank.base.store import InputError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=-]{0,99}")


def as_list(value):
    return value if isinstance(value, list) else [value]


def typed(text):
    """The number or truth value that a text writes, or the text: values from the command line come
    as texts where they stand in lists or dicts."""
    for parse in (int, float):
        try:
            return parse(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)


def one_of(name, choices, key):
    """Return `name`; `InputError` naming the config's `key` if it is none of `choices`."""
    if name not in choices:
        raise InputError(
            f"config: {key} has no choice '{name}'{nearest(name, choices)}; "
            f"choose from {', '.join(map(str, choices))}."
        )
    return name


def path_safe(names, key):
    """`InputError` naming the config's `key` if one of `names` can't be part of a path."""
    for name in names:
        if not NAME.fullmatch(name):
            raise InputError(
                f"config: {key}: the name '{' '.join(name.split())}' can't be part of a path; use "
                "at most 100 letters, digits, '.', '_', '=' and '-', first a letter or digit."
            )


def nearest(word, words):
    """', did you mean …?' for the word nearest to `word`, or nothing."""
    found = get_close_matches(str(word), map(str, words), n=1, cutoff=0.5)
    return f", did you mean '{found[0]}'?" if found else ""
