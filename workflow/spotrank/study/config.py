"""A study's config: checked against the schema, defaults filled in, errors in one sentence."""

import math
from copy import deepcopy
from datetime import date
from pathlib import Path

import jsonschema
import yaml

from spotrank.base.store import InputError
from spotrank.base.words import as_list, nearest, typed

SCHEMA = yaml.safe_load(
    (Path(__file__).parents[2] / "schemas" / "config.schema.yaml").read_text(encoding="utf-8")
)

TAKEN = (int, float, date)  # what YAML takes an unquoted id for

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


def _check(instance, schema, where):
    """Validate `instance` and fill in the defaults of `schema`."""
    schema = {**schema, "$defs": SCHEMA["$defs"]}
    validator = VALIDATOR(schema)
    for error in list(validator.iter_errors(instance)):
        _type(instance, error)
    error = jsonschema.exceptions.best_match(validator.iter_errors(instance))
    if error:
        raise InputError(_sentence(error, where))
    _fill(instance, schema)


def _type(instance, error):
    """Set the number that a text writes where the schema wants one, see `typed`."""
    if error.validator in ("type", "pattern") and isinstance(error.instance, str) and error.path:
        *outer, last = error.absolute_path
        for step in outer:
            instance = instance[step]
        instance[last] = typed(error.instance)


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
    if "propertyNames" in error.absolute_schema_path:
        place = f"a name at {place}"
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
        if error.validator_value == "string" and isinstance(error.instance, TAKEN):
            return (
                f"config: {place} is {error.instance} to YAML, a number, date or truth value, but "
                "must be of type string; put it in quotes."
            )
        kinds = " or ".join(as_list(error.validator_value))
        return f"config: {place} is {error.instance!r}, but must be of type {kinds}."
    hint = error.schema.get("description", "")
    return f"config: {place}: {error.message}{f' ({hint})' if hint else ''}."
