"""A study's config: checked against the schema, defaults filled in, errors in one sentence."""

import math
import re
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path

import jsonschema
import yaml

from spotrank.store import InputError

SCHEMA = yaml.safe_load(
    (Path(__file__).parents[1] / "schemas" / "config.schema.yaml").read_text(encoding="utf-8")
)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=-]{0,99}")
# stricter than JSON: no nan, no infinity, and 1.0 is no integer
VALIDATOR = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, x: type(x) is int,
            "number": lambda _, x: type(x) is int or (type(x) is float and math.isfinite(x)),
        }
    ),
)


def load(config):
    """Return a checked copy of `config` (a mapping) with every default filled in.

    Raises `InputError` for a key that is unknown, missing or of the wrong kind.
    """
    config = deepcopy(config)
    _check(config, SCHEMA, "")
    for name, cohort in config.setdefault("cohorts", {}).items():
        _check(cohort, SCHEMA["$defs"][cohort["source"]], f"cohorts.{name}")
    for key in ("selection", "number", "samples"):
        config["genes"][key] = as_list(config["genes"][key])
    config["split"]["strategy"] = as_list(config["split"]["strategy"])
    config["auxiliary"] = as_list(config["auxiliary"])
    return config


def as_list(value):
    return value if isinstance(value, list) else [value]


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


def _check(instance, schema, where):
    """Validate `instance` and fill in the defaults of `schema`."""
    schema = {**schema, "$defs": SCHEMA["$defs"]}
    validator = VALIDATOR(schema)
    error = jsonschema.exceptions.best_match(validator.iter_errors(instance))
    if error:
        raise InputError(_sentence(error, where))
    _fill(instance, schema)


def _fill(instance, schema):
    for key, inner in schema.get("properties", {}).items():
        if "default" in inner:
            instance.setdefault(key, deepcopy(inner["default"]))
        value = instance.get(key)
        if isinstance(value, dict):
            _fill(value, inner)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    _fill(item, inner.get("items", {}))


def _sentence(error, where):
    path = where
    for step in error.absolute_path:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
    place = f"'{path}'" if path else "the top level"
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        unknown = next(key for key in error.instance if key not in known)
        return (
            f"config: unknown key '{unknown}' at {place}{nearest(unknown, known)}; "
            f"the keys there are {', '.join(known)}."
        )
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        return f"config: {place} lacks the key '{missing}'; add it."
    if error.validator == "anyOf":
        keys = " or ".join(f"'{key}'" for row in error.validator_value for key in row["required"])
        return f"config: {place} lacks the key {keys}; add one of them."
    if error.validator == "enum":
        choices = error.validator_value
        return (
            f"config: {place} is {error.instance!r}{nearest(error.instance, choices)}; "
            f"choose from {', '.join(map(str, choices))}."
        )
    if error.validator == "type":
        kinds = " or ".join(as_list(error.validator_value))
        return f"config: {place} is {error.instance!r}, but must be of type {kinds}."
    hint = error.schema.get("description", "")
    return f"config: {place}: {error.message}{f' ({hint})' if hint else ''}."
