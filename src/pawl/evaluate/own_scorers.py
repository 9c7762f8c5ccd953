"""Scorers that a task brings: functions of the workspace, of an answer and its row.

What a function's parameters are called says what it is given:

| function                | is given                               | returns                      |
|-------------------------|----------------------------------------|------------------------------|
| `f(answer, reference)`  | two texts (any other two names do too) | a number, or None            |
| `f(answer, row)`        | a text and its `ScoredRow`             | a number, or None            |
| `f(answers, rows)`      | all of a contender's answers and rows  | a list, one for each answer  |

None stands for "nothing to measure here". Numbers lie between the scorer's `worst` and `best`, in
either order; what is recorded is the share of the way from one to the other.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pawl.config.judging import Scorer
from pawl.core.records import Example, Message

Numbers = list[float | None]


@dataclass(frozen=True)
class ScoredRow:
    """What a scorer may look at of a row; `prompt` is the text of its last user turn."""

    id: str
    prompt: str
    messages: tuple[Message, ...]
    reference: str
    fields: dict[str, str]


class ScorerError(Exception):
    """A user's scorer failed.

    `found` is what happened, `kind` the same without anything that may come from a row; `row` is
    the row's id, None where it failed on all of them.
    """

    def __init__(self, name: str, found: str, kind: str, row: str | None) -> None:
        self.name, self.found, self.kind, self.row = name, found, kind, row
        super().__init__(name, found, kind, row)


def own_scorer(
    name: str, function: Callable[..., Any], declared: Scorer
) -> Callable[[Sequence[str], Sequence[Example]], Numbers]:
    """A scorer of many answers by the user's function; raises `ScorerError` where that fails."""
    second = _second_parameter(function)
    if second == "rows":
        return lambda answers, rows: _all_at_once(name, function, declared, answers, rows)

    def scorer(answers: Sequence[str], rows: Sequence[Example]) -> Numbers:
        found: Numbers = []
        for answer, row in zip(answers, rows, strict=True):
            given = shown_row(row) if second == "row" else row.completion
            try:
                value = function(answer, given)
            except Exception as error:  # the user's code may raise anything: it is told by its row
                raise _raised(name, error, row.id) from error
            found.append(_share(name, value, declared, row.id))
        return found

    return scorer


def shown_row(row: Example) -> ScoredRow:
    """The row as a scorer sees it."""
    asked = [message.content for message in row.messages if message.role == "user"]
    prompt = asked[-1] if asked else ""
    return ScoredRow(row.id, prompt, row.messages, row.completion, dict(row.fields))


def _all_at_once(
    name: str,
    function: Callable[..., Any],
    declared: Scorer,
    answers: Sequence[str],
    rows: Sequence[Example],
) -> Numbers:
    try:
        values = list(function(list(answers), [shown_row(row) for row in rows]))
    except Exception as error:  # as above; a result that is no list fails here too
        raise _raised(name, error, None) from error
    if len(values) != len(rows):
        found = f"returned {len(values)} numbers for {len(rows)} answers"
        raise ScorerError(name, found, found, None)
    pairs = zip(values, rows, strict=True)
    return [_share(name, value, declared, row.id) for value, row in pairs]


def _second_parameter(function: Callable[..., Any]) -> str:
    try:
        names = [*inspect.signature(function).parameters]
    except (TypeError, ValueError):  # a built-in function may not say
        return ""
    return names[1] if len(names) > 1 else ""


def _raised(name: str, error: Exception, row: str | None) -> ScorerError:
    kind = f"raised {type(error).__name__}"
    return ScorerError(name, f"{kind}: {error}", kind, row)


def _share(name: str, value: Any, declared: Scorer, row: str) -> float | None:
    """The value as a share of the way from worst to best."""
    if value is None:
        return None
    low, high = sorted((declared.worst, declared.best))
    # The gate's tests hold for values in [0, 1]; a comparison with NaN is never true.
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ScorerError(name, f"returned {value!r}", f"returned a {type(value).__name__}", row)
    # 0.0 is added because a distance of nothing backwards is -0.0.
    return float((value - declared.worst) / (declared.best - declared.worst)) + 0.0
