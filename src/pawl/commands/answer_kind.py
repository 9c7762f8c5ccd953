"""Which metric judges a new task's answers: one that a model can reach, by the kind of answers."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from typing import Any

from pawl.core.records import Example

# The share of answers that makes their kind.
MOST = 0.9
# Answers so short, in characters, are given as they are; so many times each, they are labels.
SHORT, REPEATED = 24, 2
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
    calls = sum(bool(example.tool_calls) for example in examples)
    length = statistics.median(map(len, answers))
    if calls >= MOST * len(examples):
        return _with_floor("calls_match"), "the answers are calls of functions"
    if sum(map(_is_json, answers)) >= MOST * len(answers):
        return _with_floor("exact_match"), "the answers are JSON"
    if len(set(answers)) * REPEATED <= len(answers):
        return _with_floor("exact_match"), f"the answers are {len(set(answers)):,} labels"
    if length <= SHORT:
        return _with_floor("exact_match"), "the answers are short"
    text = (
        f"the answers are free text of about {length:,.0f} characters, hardly ever the same twice"
    )
    metric = "char_error" if length <= COMPARED else "perplexity"
    why = "of the characters, how many are wrong" if metric == "char_error" else "of the references"
    return {"metric": metric, "floors": {}}, f"{text}: {metric}, {why}, not exact_match"


def _with_floor(metric: str) -> dict[str, Any]:
    return {"metric": metric, "floors": {metric: FLOOR}}


def _is_json(text: str) -> bool:
    if text[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
