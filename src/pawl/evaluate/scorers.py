"""Scorers: an answer against its reference to a value in [0, 1], or None where none can be given.

Pure functions without torch. A value that cannot be measured is absent, never 0: the field
accuracy of a reference that is no JSON object says nothing about the answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from jsonschema import Draft202012Validator

Scorer = Callable[[str, str], float | None]


def scorers(schema: Any) -> dict[str, Scorer]:
    """The scorers by metric name; `schema_valid` only where the task has a JSON Schema."""
    known: dict[str, Scorer] = {
        "exact_match": exact_match,
        "json_valid": json_valid,
        "field_accuracy": field_accuracy,
    }
    if schema is not None:
        validator = Draft202012Validator(schema)
        known["schema_valid"] = lambda output, _: float(_obeys(output, validator))
    return known


def exact_match(output: str, reference: str) -> float:
    """1 where the answer is the reference, to the letter, apart from blanks around it."""
    return float(output.strip() == reference.strip())


def json_valid(output: str, reference: str) -> float | None:
    """1 where the answer is JSON; None where the reference itself is not JSON."""
    if _parsed(reference) is INVALID:
        return None
    return float(_parsed(output) is not INVALID)


def field_accuracy(output: str, reference: str) -> float | None:
    """Share of the reference's top-level fields that the answer gives with the same value.

    None where the reference is not a JSON object with at least one field.
    """
    expected, given = _parsed(reference), _parsed(output)
    if not isinstance(expected, dict) or not expected:
        return None
    if not isinstance(given, dict):
        return 0.0
    right = sum(key in given and _same(given[key], value) for key, value in expected.items())
    return right / len(expected)


class _Invalid:
    """Stands for text that is no JSON, since None is a JSON value."""


INVALID = _Invalid()


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return INVALID


def _obeys(output: str, validator: Draft202012Validator) -> bool:
    value = _parsed(output)
    return value is not INVALID and validator.is_valid(value)


def _same(a: Any, b: Any) -> bool:
    # In Python True == 1; in JSON they differ.
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
