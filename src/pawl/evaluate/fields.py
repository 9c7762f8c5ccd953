"""Scorers of answers that are JSON: is it JSON, is it the same JSON, which fields are right.

Pure functions without torch. Values compare as in JSON Schema: key order, blanks and how a number
is written do not matter (1.0 is 1), but `true` is not 1. A value that cannot be measured is None:
the field accuracy of a reference that is no JSON object says nothing about the answer.

Stricter than Python: `NaN`, `Infinity` and what is read as it (1e400) are no JSON, nor is an object
with a key twice, of which readers take the first, the last or neither. Nor, here, is what nests
deeper than `DEEPEST`: where recursion ends depends on who calls, and a score must not.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

from jsonschema import Draft202012Validator

from pawl.core.jsonio import refuse_constant, refuse_repeats

# Fields of the summary: enough for any form; objects keyed by data would have thousands.
MOST_FIELDS = 40
# Levels of lists and objects; a reader's recursion ends somewhere above 300.
DEEPEST = 100


def json_valid(output: str, reference: str) -> float | None:
    """1 where the answer is JSON; None where the reference itself is not JSON."""
    if _parsed(reference) is INVALID:
        return None
    return float(_parsed(output) is not INVALID)


def json_equal(output: str, reference: str) -> float | None:
    """1 where the answer is the same JSON value; None where the reference is not JSON."""
    expected, given = _parsed(reference), _parsed(output)
    if expected is INVALID:
        return None
    return float(given is not INVALID and _same(given, expected))


def field_accuracy(output: str, reference: str) -> float | None:
    """Share of the reference's top-level fields that the answer gives with the same value.

    None where the reference is not a JSON object with at least one field.
    """
    expected, given = _parsed(reference), _parsed(output)
    if not isinstance(expected, dict) or not expected:
        return None
    return len(_right(given, expected)) / len(expected)


def field_f1(output: str, reference: str) -> float | None:
    """F1 of the answer's top-level fields: unlike accuracy it also counts fields made up.

    None where the reference is not a JSON object with at least one field.
    """
    expected, given = _parsed(reference), _parsed(output)
    if not isinstance(expected, dict) or not expected:
        return None
    offered = len(given) if isinstance(given, dict) else 0
    return 2 * len(_right(given, expected)) / (len(expected) + offered)


def schema_valid(output: str, validator: Draft202012Validator) -> float:
    """1 where the answer is JSON that the task's schema allows, and can be held against it.

    A schema that refers to itself many times a level may end Python's recursion: no answer passes
    for valid that was not seen to be.
    """
    value = _parsed(output)
    try:
        return float(value is not INVALID and validator.is_valid(value))
    except RecursionError:
        return 0.0


def enums(schema: Any) -> dict[str, list[Any]]:
    """The permitted values of each top-level field that the schema gives an `enum`."""
    fields = schema.get("properties", {}) if isinstance(schema, dict) else {}
    return {n: f["enum"] for n, f in fields.items() if isinstance(f, dict) and "enum" in f}


def enum_valid(output: str, permitted: dict[str, list[Any]]) -> float:
    """Share of the fields with an enum that the answer gives with one of its values.

    A field that the answer leaves out does not conform: the schema says whether it may.
    """
    given = _parsed(output)
    if not isinstance(given, dict):
        return 0.0
    fit = sum(
        name in given and any(_same(given[name], value) for value in values)
        for name, values in permitted.items()
    )
    return fit / len(permitted)


def by_field(pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, float]]:
    """Accuracy and F1 of each top-level field over (answer, reference) rows.

    Accuracy: of the rows whose reference has the field, the share that got it right. F1 also
    counts rows in which the answer made the field up. The `MOST_FIELDS` commonest fields alone;
    empty where no reference is a JSON object.
    """
    wanted, offered, right = Counter[str](), Counter[str](), Counter[str]()
    for output, reference in pairs:
        expected, given = _parsed(reference), _parsed(output)
        if isinstance(expected, dict):
            wanted.update(list(expected))
            offered.update(list(given) if isinstance(given, dict) else ())
            right.update(_right(given, expected))
    return {
        name: {
            "accuracy": right[name] / count,
            "f1": 2 * right[name] / (count + offered[name]),
        }
        for name, count in wanted.most_common(MOST_FIELDS)
    }


class _Invalid:
    """Stands for text that is no JSON, since None is a JSON value."""


INVALID = _Invalid()


def _parsed(text: str) -> Any:
    try:
        value = json.loads(
            text,
            parse_constant=refuse_constant,
            parse_float=_finite,
            object_pairs_hook=refuse_repeats,
        )
    except (ValueError, RecursionError):
        return INVALID
    return INVALID if _deeper(value, DEEPEST) else value


def _deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects lie in each other on more than so many levels."""
    layer = [value]
    for _ in range(levels + 1):
        nests = [v for v in layer if isinstance(v, dict | list)]
        layer = [v for nest in nests for v in (nest.values() if isinstance(nest, dict) else nest)]
        if not nests:
            return False
    return True


def _right(given: Any, expected: dict[str, Any]) -> list[str]:
    if not isinstance(given, dict):
        return []
    return [name for name in expected if name in given and _same(given[name], expected[name])]


def _same(a: Any, b: Any) -> bool:
    # In Python True == 1; in JSON they differ.
    return json.dumps(_plain(a), sort_keys=True) == json.dumps(_plain(b), sort_keys=True)


def _plain(value: Any) -> Any:
    """The value with whole numbers as integers, however they were written."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _finite(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else refuse_constant(digits)
