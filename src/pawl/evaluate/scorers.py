"""Scorers: functions of answers and their rows to a number each, or None if there is none.

Pure, without torch; those for JSON are in `fields`, a task's own in `own_scorers`. What is measured
while answering (perplexity, tokens, seconds) is no scorer: the scoreboard adds it. A value that
cannot be measured is absent, never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pawl.config.judging import Evaluate
from pawl.config.user_functions import load_function
from pawl.core.calls import calls_match
from pawl.core.json_schema import full_match, validator_of
from pawl.core.records import Example
from pawl.errors import DataError
from pawl.evaluate import fields
from pawl.evaluate.own_scorers import ScorerError, own_scorer

Scorer = Callable[[Sequence[str], Sequence[Example]], Sequence[float | None]]


def scorers(schema: Any, policy: Evaluate, root: Path) -> dict[str, Scorer]:
    """The scorers by metric name: those that the task's schema and policy allow, and the user's.

    Args:
        schema: the task's JSON Schema, or None.
        policy: names the regular expression and the user's scorers.
        root: the workspace, which is searched first for the user's scorers.

    Raises:
        ParamsError: a user's scorer cannot be imported.
    """
    measures: dict[str, Callable[[str, str], float | None]] = {
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
        measures["schema_valid"] = lambda output, _: fields.schema_valid(output, validator)
    if permitted := fields.enums(schema):
        measures["enum_valid"] = lambda output, _: fields.enum_valid(output, permitted)
    if policy.regex is not None:
        matches = full_match(policy.regex)
        measures["regex_match"] = lambda output, _: float(matches(output.strip()))
    by_metric = {name: each(measure) for name, measure in measures.items()}
    for name, declared in policy.own.items():
        by_metric[name] = own_scorer(name, load_function(declared.function, root), declared)
    return by_metric


def score_all(
    by_metric: Mapping[str, Scorer],
    answers: Sequence[str],
    rows: Sequence[Example],
    *,
    sealed: bool = False,
) -> list[dict[str, float]]:
    """The scores of each answer by metric; those that cannot be measured are left out.

    Args:
        sealed: the message of a scorer that fails shows neither row nor value, only the type of
            the error.

    Raises:
        DataError: a user's scorer raised, or returned something else than what it declares.
    """
    try:
        columns = {name: scorer(answers, rows) for name, scorer in by_metric.items()}
    except ScorerError as error:
        what = error.kind if sealed else error.found
        where = f"the {len(rows)} rows" if error.row is None else f"row '{error.row}'"
        where = "gate rows" if sealed else where
        raise DataError(
            f"the scorer '{error.name}' {what} on {where}",
            rule="a scorer takes (answer, reference), (answer, row) or (answers, rows) and returns "
            "a number from 0 to 1, more being better (or from its `worst` to its `best`), or None "
            "where there is nothing to measure; of many answers, a list of such",
            remedy=f"mend the function that `evaluate.scorers.{error.name}` names"
            + ("; run it on dev rows, the gate's are sealed" if sealed else ""),
        ) from (None if sealed else error)
    return [
        {name: value for name, column in columns.items() if (value := column[i]) is not None}
        for i in range(len(rows))
    ]


def each(measure: Callable[[str, str], float | None]) -> Scorer:
    """A scorer of many answers, by a measure of one answer and its reference."""
    return lambda answers, rows: [
        measure(answer, row.completion) for answer, row in zip(answers, rows, strict=True)
    ]


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
