"""Scorers: functions of an answer and its reference to a number, or None if there is none.

Pure, without torch; those for JSON are in `fields`. What is measured while answering (perplexity,
tokens, seconds) is no scorer: the scoreboard adds it. A value that cannot be measured is absent,
never 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pawl.config.schema import Evaluate
from pawl.config.user_functions import load_function
from pawl.core.calls import calls_match
from pawl.core.json_schema import full_match, validator_of
from pawl.errors import DataError
from pawl.evaluate import fields

Scorer = Callable[[str, str], float | None]


def scorers(schema: Any, policy: Evaluate, root: Path) -> dict[str, Scorer]:
    """The scorers by metric name: those that the task's schema and policy allow, and the user's.

    Args:
        schema: the task's JSON Schema, or None.
        policy: names the regular expression and the user's scorers.
        root: the workspace, which is searched first for the user's scorers.

    Raises:
        ParamsError: a user's scorer cannot be imported.
    """
    by_metric: dict[str, Scorer] = {
        "exact_match": exact_match,
        "char_error": char_error,
        "calls_match": calls_match,
        "json_valid": fields.json_valid,
        "json_equal": fields.json_equal,
        "field_accuracy": fields.field_accuracy,
        "field_f1": fields.field_f1,
    }
    if schema is not None:
        validator = validator_of(schema)
        by_metric["schema_valid"] = lambda output, _: fields.schema_valid(output, validator)
    if permitted := fields.enums(schema):
        by_metric["enum_valid"] = lambda output, _: fields.enum_valid(output, permitted)
    if policy.regex is not None:
        matches = full_match(policy.regex)
        by_metric["regex_match"] = lambda output, _: float(matches(output.strip()))
    for name, function in policy.scorers.items():
        by_metric[name] = partial(_user_score, load_function(function, root), name)
    return by_metric


def score(
    by_metric: dict[str, Scorer], output: str, reference: str, *, row: str | None
) -> dict[str, float]:
    """The scores of one answer by metric; those that cannot be measured are left out.

    Args:
        row: the row's id, for the message of a scorer that fails; None: the message shows only the
            type of the error.

    Raises:
        DataError: a user's scorer raised, or returned something else than 0 to 1.
    """
    try:
        values = {name: scorer(output, reference) for name, scorer in by_metric.items()}
    except _ScorerError as error:
        what = error.found if row is not None else error.kind
        where = f"row '{row}'" if row is not None else "a gate row"
        raise DataError(
            f"the scorer '{error.name}' {what} on {where}",
            rule="a scorer takes (answer, reference) and returns a number from 0 to 1, more "
            "being better, or None where there is nothing to measure",
            remedy=f"mend the function that `evaluate.scorers.{error.name}` names"
            + ("" if row is not None else "; run it on dev rows, the gate's are sealed"),
        ) from (error if row is not None else None)
    return {name: value for name, value in values.items() if value is not None}


def exact_match(output: str, reference: str) -> float:
    """1 if the answer equals the reference, apart from surrounding whitespace."""
    return float(output.strip() == reference.strip())


def char_error(output: str, reference: str) -> float | None:
    """Character error rate: edit distance over the reference's length; can exceed 1.

    Surrounding whitespace does not count; None if the reference is blank.
    """
    given, expected = output.strip(), reference.strip()
    return edit_distance(given, expected) / len(expected) if expected else None


def edit_distance(a: str, b: str) -> int:
    """Levenshtein distance, by Myers' bit vectors in Hyyrö's form (Hyyrö 2003, "A bit-vector
    algorithm for computing Levenshtein and Damerau edit distances").

    Python's integers hold a whole column, so that each character of `b` costs a few operations.
    """
    if not a or not b:
        return len(a) + len(b)
    where: dict[str, int] = {}
    for index, char in enumerate(a):
        where[char] = where.get(char, 0) | 1 << index
    full, last = (1 << len(a)) - 1, 1 << (len(a) - 1)
    up, down, distance = full, 0, len(a)
    for char in b:
        same = where.get(char, 0)
        across = (((same & up) + up) ^ up) | same
        rise, fall = down | (~(across | up) & full), up & across
        distance += bool(rise & last) - bool(fall & last)
        rise, fall = (rise << 1 | 1) & full, (fall << 1) & full
        up, down = fall | (~(same | down | rise) & full), rise & (same | down)
    return distance


class _ScorerError(Exception):
    """A user's scorer failed; the caller adds the row.

    `found` is what happened, `kind` the same without anything that may come from the row.
    """

    def __init__(self, name: str, found: str, kind: str) -> None:
        self.name, self.found, self.kind = name, found, kind
        super().__init__(name, found, kind)


def _user_score(function: Callable[[str, str], Any], name: str, output: str, reference: str) -> Any:
    try:
        value = function(output, reference)
    except Exception as error:  # the user's code may raise anything: it is reported with its row
        raised = f"raised {type(error).__name__}"
        raise _ScorerError(name, f"{raised}: {error}", raised) from error
    if value is None:
        return None
    # The gate's tests hold for values in [0, 1]; a comparison with NaN is never true.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise _ScorerError(name, f"returned {value!r}", f"returned a {type(value).__name__}")
    return float(value)
