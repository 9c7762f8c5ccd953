"""The prompt that a task without one is compared with: what its train rows say about answers.

A few solved rows cannot name six labels. Whoever would rather prompt than train would write down
what an answer may be; this does it for him, so that "beats the best prompt" means something. It
says only what the rows (and the task's schema) show: labels, or the fields of a JSON object.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pawl.core.records import Example

# A value is one of a closed set if there are at most so many, each so often on average.
MOST_VALUES, OFTEN = 60, 4
# Objects with more fields are keyed by data: nobody would write them down.
MOST_FIELDS = 40
# Longer ones are texts, whatever they repeat.
LONGEST = 80
HALF = re.compile("[\ud800-\udfff]")
KINDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "a number"),
    (float, "a number"),
    (str, "a text"),
    (list, "a list"),
    (dict, "an object"),
    (type(None), "null"),
)


def built_prompt(train: Sequence[Example], schema: Any = None) -> str:
    """An instruction for these rows' answers; empty where they are free text.

    Args:
        schema: the task's JSON Schema, whose `enum` and `description` of a top-level field count.
    """
    answers = [row.completion.strip() for row in train if not row.tool_calls]
    values = [_object(answer) for answer in answers]
    if answers and all(value is not None for value in values):
        said = _of_objects([value for value in values if value is not None], answers, schema)
        # Half of a surrogate pair, which JSON can escape, is no text that a tokenizer takes.
        return "" if HALF.search(said) else said
    if labels := _closed(answers):
        return "Answer with exactly one of these, and with nothing else:\n" + _listed(labels)
    return ""


def _of_objects(values: list[dict[str, Any]], answers: list[str], schema: Any) -> str:
    names = list(dict.fromkeys(name for value in values for name in value))
    if len(names) > MOST_FIELDS:
        return ""
    described = schema.get("properties", {}) if isinstance(schema, dict) else {}
    lines = [
        _field(name, [value[name] for value in values if name in value], len(values), described)
        for name in names
    ]
    compact = sum(
        answer == json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        for answer, value in zip(answers, values, strict=True)
    )
    style = " on one line, without blanks between its parts," if 2 * compact > len(values) else ""
    head = f"Answer with one JSON object{style} and with nothing else. Its fields, in this order:"
    return "\n".join([head, *lines])


def _field(name: str, found: list[Any], rows: int, described: Any) -> str:
    """A line on a field, from the values that rows have for it."""
    about = described.get(name) if isinstance(described, dict) else None
    about = about if isinstance(about, dict) else {}
    texts = [value for value in found if isinstance(value, str)]
    others = [_kind(value) for value in found if not isinstance(value, str)]
    may: list[str] = []
    if isinstance(about.get("enum"), list):
        may = [json.dumps(value, ensure_ascii=False) for value in about["enum"]]
    elif texts:
        closed = _closed(texts)
        may = [json.dumps(v, ensure_ascii=False) for v in closed] if closed else ["a text"]
        may += sorted(set(others))
    else:
        may = sorted(set(others))
    one_of = f"one of {', '.join(may)}" if len(may) > 2 else " or ".join(may)
    said = f" ({about['description']})" if isinstance(about.get("description"), str) else ""
    seldom = "" if len(found) == rows else "; left out where the text does not say"
    return f"- {json.dumps(name, ensure_ascii=False)}: {one_of}{said}{seldom}"


def _closed(texts: Sequence[str]) -> list[str]:
    """The texts that these are out of, the most frequent first; empty if they are no closed set."""
    counts = Counter(texts)
    if not 2 <= len(counts) <= MOST_VALUES or OFTEN * len(counts) > len(texts):
        return []
    if any(len(text) > LONGEST or "\n" in text or not text for text in counts):
        return []
    return [text for text, _ in sorted(counts.items(), key=lambda kv: (-kv[1], kv[0]))]


def _listed(labels: Sequence[str]) -> str:
    return "\n".join(f"- {label}" for label in labels)


def _object(answer: str) -> dict[str, Any] | None:
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _kind(value: Any) -> str:
    return next(word for kind, word in KINDS if isinstance(value, kind))
