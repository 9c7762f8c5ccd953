"""Calls of functions in an answer: one text for all bases, and back from what bases write.

The text is that of Hermes and Qwen, which servers parse (`--tool-call-parser hermes`): what the
answer says, then each call as JSON between `<tool_call>` and `</tool_call>`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

TAGGED = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|\Z)", re.DOTALL)
# What other bases write before their calls: Mistral, Llama 3.
MARKS = re.compile(r"\[TOOL_CALLS\]|<\|python_tag\|>")
FENCE = re.compile(r"\A```\w*\s*(.*?)\s*```\Z", re.DOTALL)
# The keys that bases give a call's arguments.
ARGUMENTS = ("arguments", "parameters")


def calls_text(content: str, calls: Sequence[dict[str, Any]]) -> str:
    """The text of an answer with calls, each `{"name", "arguments"}`; ids are left out."""
    lines = [content] if content.strip() else []
    for call in calls:
        value = {"name": call["name"], "arguments": call["arguments"]}
        lines.append(f"<tool_call>\n{json.dumps(value, ensure_ascii=False)}\n</tool_call>")
    return "\n".join(lines)


def parse_calls(text: str) -> list[dict[str, Any]]:
    """Return the calls that an answer holds, each `{"name", "arguments"}`; none: it calls nothing.

    Understood are calls between tags, and an answer that is nothing but JSON calls, behind a mark
    of its base or in a code fence. A call that is no JSON, or has no name, is none.
    """
    parts = TAGGED.findall(text)
    if not parts:
        rest = MARKS.sub("", text).strip()
        fenced = FENCE.match(rest)
        parts = [fenced[1] if fenced else rest]
    calls: list[dict[str, Any]] = []
    for part in parts:
        for value in _values(part):
            calls += _call(value)
    return calls


def calls_match(output: str, reference: str) -> float | None:
    """1 if an answer calls the same functions as its reference, with equal arguments, in any order.

    None if the reference, which is of `calls_text`, calls nothing.
    """
    if "<tool_call>" not in reference or not (wanted := parse_calls(reference)):
        return None
    given = sorted(map(_canonical, parse_calls(output)))
    return float(given == sorted(map(_canonical, wanted)))


def _values(part: str) -> list[Any]:
    """The calls of a part: one, a list of them, or several behind one another, `;` between."""
    values: list[Any] = []
    decoder, at = json.JSONDecoder(), 0
    while at < len(part):
        try:
            value, at = decoder.raw_decode(part, at)
        except (ValueError, RecursionError):
            return []
        values += value if isinstance(value, list) else [value]
        at += len(part[at:]) - len(part[at:].lstrip("; \n\t\r,"))
    return values


def _call(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        value = value["function"]
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return []
    given = next((value[key] for key in ARGUMENTS if key in value), None)
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            return []
    return [{"name": value["name"], "arguments": given}] if isinstance(given, dict) else []


def _canonical(call: dict[str, Any]) -> str:
    return json.dumps(call, sort_keys=True)
