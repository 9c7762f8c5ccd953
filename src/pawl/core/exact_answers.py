"""Which answers a model can give exactly: labels, short values, JSON and calls; no free text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from pawl.core.records import Example

# Answers so short, in characters, are given as they are; what stands so often is a label.
SHORT, REPEATED = 24, 3


def exact_answers(examples: Sequence[Example]) -> list[bool]:
    """Whether each row's answer is a call, short, JSON, or one that several rows have."""
    answers = [example.completion.strip() for example in examples]
    times = Counter(answers)
    return [
        bool(example.tool_calls) or len(text) <= SHORT or times[text] >= REPEATED or _is_json(text)
        for example, text in zip(examples, answers, strict=True)
    ]


def _is_json(text: str) -> bool:
    if text[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
