"""JSON scorers: is the answer JSON, is it the same JSON, which fields are right.

Pure functions without torch. Values compare as in JSON Schema: key order, blanks and how a number
is written do not matter (1.0 is 1), but `true` is not 1. A value that cannot be measured is None:
there is no field accuracy if the reference is no JSON object.

Stricter than Python: `NaN`, `Infinity` and what overflows to it (1e400) are no JSON, nor is an
object with a duplicate key, which parsers treat differently. Nor is what nests deeper than
`DEEPEST`: Python's recursion limit depends on the caller's stack, and a score must not.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

from pawl.core.json_schema import Draft202012Validator, schema_fault
from pawl.core.jsonio import refuse_constant, refuse_repeats

# The most fields of a summary: objects keyed by data would have thousands.
MOST_FIELDS = 40
# Levels of lists and objects; parsers' recursion ends somewhere above 300.
DEEPEST = 100


def json_valid(output: str, reference: str) -> float | None:
    """1 if the answer is JSON; None if the reference itself is not."""
    if parsed(reference) is INVALID:
        return None
    return float(parsed(output) is not INVALID)


def json_equal(output: str, reference: str) -> float | None:
    """1 if the answer is the same JSON value; None if the reference is not JSON."""
    expected, given = parsed(reference), parsed(output)
    if expected is INVALID:
        return None
    return float(given is not INVALID and same(given, expected))


def field_accuracy(output: str, reference: str) -> float | None:
    """Share of the reference's top-level fields that the answer gives with the same value.

    None where the reference is not a JSON object with at least one field.
    """
    expected, given = parsed(reference), parsed(output)
    if not isinstance(expected, dict) or not expected:
        return None
    return len(_right(given, expected)) / len(expected)


def field_f1(output: str, reference: str) -> float | None:
    """F1 of the answer's top-level fields: unlike accuracy it also counts invented fields.

    None where the reference is not a JSON object with at least one field.
    """
    expected, given = parsed(reference), parsed(output)
    if not isinstance(expected, dict) or not expected:
        return None
    offered = len(given) if isinstance(given, dict) else 0
    return 2 * len(_right(given, expected)) / (len(expected) + offered)


def schema_valid(output: str, validator: Draft202012Validator) -> float:
    """1 if the answer is JSON that the task's schema allows."""
    value = parsed(output)
    return float(value is not INVALID and not schema_fault(value, validator))


def enums(schema: Any) -> dict[str, list[Any]]:
    """The permitted values of each top-level field that the schema gives an `enum`."""
    fields = schema.get("properties", {}) if isinstance(schema, dict) else {}
    return {n: f["enum"] for n, f in fields.items() if isinstance(f, dict) and "enum" in f}


def enum_valid(output: str, permitted: dict[str, list[Any]]) -> float:
    """Share of the fields with an enum that the answer gives with one of its values.

    A field that the answer leaves out does not count, even if the schema makes it optional.
    """
    given = parsed(output)
    if not isinstance(given, dict):
        return 0.0
    fit = sum(
        name in given and any(same(given[name], value) for value in values)
        for name, values in permitted.items()
    )
    return fit / len(permitted)


def by_field(pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, float]]:
    """Accuracy and F1 of each top-level field over (answer, reference) rows.

    Accuracy: of the rows whose reference has the field, the share that got it right. F1 also
    counts rows whose answer invented the field. Only the `MOST_FIELDS` commonest fields; empty if
    no reference is a JSON object.
    """
    wanted, offered, right = Counter[str](), Counter[str](), Counter[str]()
    for output, reference in pairs:
        expected, given = parsed(reference), parsed(output)
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
    """Sentinel for text that is no JSON, since None is a JSON value."""


INVALID = _Invalid()


def parsed(text: str) -> Any:
    """The JSON value of a text; `INVALID` if it is no JSON."""
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
    """Whether lists and objects nest deeper than `levels`."""
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
    return [name for name in expected if name in given and same(given[name], expected[name])]


def same(a: Any, b: Any) -> bool:
    """Whether two JSON values are the same."""
    # In Python True == 1; in JSON they differ.
    return json.dumps(_plain(a), sort_keys=True) == json.dumps(_plain(b), sort_keys=True)


def _plain(value: Any) -> Any:
    """The value with all whole numbers as integers."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _finite(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else refuse_constant(digits)
