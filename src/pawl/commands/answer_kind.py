"""Which metric judges a new task's answers: one that a model can reach, by the kind of answers."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from pawl.core.exact_answers import exact_answers
from pawl.core.records import Example

# The share of answers that makes their kind.
MOST = 0.9
# Free text up to so many characters can be compared letter by letter.
COMPARED = 200
FLOOR = 0.1


def judged_by(examples: Sequence[Example]) -> tuple[dict[str, Any], str]:
    """Return the gate's metric and floors for the answers, and why.

    `exact_match` for labels, JSON and short values, `calls_match` for calls. Long free text is
    never the same twice: of it `char_error`, or the perplexity of the reference, can be lowered,
    and neither has a floor.
    """
    answers = [example.completion.strip() for example in examples]
    if sum(bool(example.tool_calls) for example in examples) >= MOST * len(examples):
        return _with_floor("calls_match"), "the answers are calls of functions"
    if sum(exact_answers(examples)) >= MOST * len(answers):
        return _with_floor("exact_match"), "the answers are labels, short values or JSON"
    length = statistics.median(map(len, answers))
    text = f"no model gives free text of about {length:,.0f} characters word for word"
    if length <= COMPARED:
        return {"metric": "char_error", "floors": {}}, f"{text}; the share of wrong characters"
    return {"metric": "perplexity", "floors": {}}, f"{text}; how likely the references are"


def _with_floor(metric: str) -> dict[str, Any]:
    return {"metric": metric, "floors": {metric: FLOOR}}
