"""Turns of chats as the field writes them (OpenAI, ShareGPT, Axolotl, TRL), as `Message`s.

Each key of a turn is used, refused, or reported as not used; none is dropped in silence.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from pawl.core.jsonio import parse_text
from pawl.core.records import Message
from pawl.core.records.data import Role
from pawl.data.read.redaction import shown_name
from pawl.data.read.text_quality import text_fault

# What others call the roles; `function_call` is an assistant turn whose text is its call.
ROLES: dict[str, Role] = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "bot": "assistant", "chatgpt": "assistant",
    "model": "assistant", "ai": "assistant", "bing": "assistant", "bard": "assistant",
    "chatbot": "assistant",
    "tool": "tool", "function": "tool", "observation": "tool", "tool_response": "tool",
    "function_response": "tool", "ipython": "tool",
    "function_call": "assistant", "tool_call": "assistant",
}  # fmt: skip
CALLING = CALL_PARTS = ("function_call", "tool_call")
ROLE_KEYS, TEXT_KEYS = ("role", "from"), ("content", "value", "text", "parts")
# Whether a turn is learned, by OpenAI, Axolotl and ms-swift: 0 or false is shown to the model and
# not taught.
WEIGHTS = ("weight", "train", "training", "loss_weight", "loss")
CALLS = ("tool_calls", "function_call")
USED = {*ROLE_KEYS, *TEXT_KEYS, *WEIGHTS, *CALLS, "tool_call_id"}
TEXT_PARTS, THOUGHTS = ("text", "input_text", "output_text"), ("reasoning", "thinking")


class Turn(NamedTuple):
    """A turn, and whether an assistant's is to be learned."""

    message: Message
    taught: bool


def parse_turns(value: Any, key: str, notes: set[str]) -> list[Turn]:
    """Parse a list of turns, under `key` in its row; raise `ValueError` with the reason.

    What is read and not used is added to `notes`.
    """
    if isinstance(value, str):  # a cell of a table
        value = parse_text(value)
    if not isinstance(value, list) or not all(isinstance(turn, dict) for turn in value):
        raise ValueError(f"'{key}' is a list of objects")
    return [_turn(turn, notes) for turn in value]


def is_turns(value: Any) -> bool:
    """Whether a value is a list of turns, each with a role."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(v, dict) and any(k in v for k in ROLE_KEYS) for v in value)
    )


def text_of(value: Any, key: str) -> str:
    """Return a text that is not blank and can be learned; raise `ValueError` with the reason."""
    if not isinstance(value, str) or not value or value.isspace():
        raise ValueError(f"'{key}' is a string that is not blank")
    if fault := text_fault(value):
        raise ValueError(f"'{key}' {fault}")
    return value


def json_text(value: Any) -> str:
    """A value as JSON in one layout, keys in the order that they have."""
    return json.dumps(value, ensure_ascii=False)


def parse_tools(value: Any) -> Message | None:
    """The turn with the functions of a row, as a list or its JSON; None if there are none.

    Raises:
        ValueError: it is no list of functions.
    """
    if isinstance(value, str) and value.strip():
        value = parse_text(value)
    if not value:
        return None
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError("'tools' is a list of functions, or that list as a JSON text")
    # As OpenAI has them, and the templates expect; others leave out the outer object.
    tools = [one if "function" in one else {"type": "function", "function": one} for one in value]
    if not all(isinstance(one["function"], dict) for one in tools):
        raise ValueError("'tools' is a list of functions, each an object with a name")
    return Message("tools", text_of(json_text(tools), "tools"))


def _turn(turn: dict[str, Any], notes: set[str]) -> Turn:
    turn = {key: value for key, value in turn.items() if value is not None}
    named = next((turn[key] for key in ROLE_KEYS if key in turn), None)
    role = ROLES.get(named.lower()) if isinstance(named, str) else None
    if role is None:
        found = shown_name(named) if isinstance(named, str) else "none"
        raise ValueError(
            f"a 'role' is not one of system, user, assistant, tool (or developer, human, gpt, "
            f"function …): {found}"
        )
    for key in turn.keys() - USED:
        notes.add(f"key `{shown_name(key)}` of a turn is not used")
    key = next((key for key in TEXT_KEYS if key in turn), "content")
    value, of_parts = _without_calls(turn.get(key))
    content = _content(value, key, notes, json_allowed=role in ("assistant", "tool"))
    calls = [call for name in CALLS if name in turn for call in _calls(turn[name], name)]
    calls += [call for part in of_parts for call in _calls(part, "content")]
    if role == "assistant" and named in CALLING:
        calls, content = [*calls, *_calls(content, "content")], ""
    if calls and role != "assistant":
        raise ValueError(f"a turn of role {role} has calls, which only an assistant makes")
    if content.strip() or not (calls or role == "tool"):
        text_of(content, "content")
    taught = _taught(turn, role, notes)
    if "tool_call_id" in turn and role != "tool":
        notes.add("key `tool_call_id` of a turn that is not a tool's is not used")
    tool_calls = text_of(json_text(calls), "tool_calls") if calls else ""
    call_id = turn.get("tool_call_id", "") if role == "tool" else ""
    return Turn(Message(role, content, tool_calls, text_id(call_id)), taught)


def content_text(value: Any, key: str, notes: set[str]) -> str:
    """The text of a turn, or of a row's system text: a string, parts, or an object with parts."""
    if isinstance(value, dict) and "parts" in value:
        value = value["parts"]
    return _content(value, key, notes, json_allowed=False)


def text_id(value: Any) -> str:
    """The id of a call as text; raise `ValueError` if it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int) or text_fault(str(value)):
        raise ValueError("the id of a call is a text")
    return str(value)


def _content(value: Any, key: str, notes: set[str], *, json_allowed: bool) -> str:
    """A turn's text; of a list of parts their texts, of a tool's object its JSON."""
    if value is None:
        return ""
    if isinstance(value, list) and all(map(_is_part, value)):
        return "".join(_part(part, notes) for part in value)
    if json_allowed and not isinstance(value, str):
        return json_text(value)
    if not isinstance(value, str):
        raise ValueError(f"'{key}' is a string that is not blank, or a list of parts of text")
    return value


def _without_calls(value: Any) -> tuple[Any, list[Any]]:
    """The value without its parts that are calls, and these."""
    if not isinstance(value, list):
        return value, []
    calls = [p["value"] for p in value if _object(p).get("type") in CALL_PARTS and "value" in p]
    return [p for p in value if not (_object(p).get("type") in CALL_PARTS and "value" in p)], calls


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_part(value: Any) -> bool:
    """Whether a value is a part of a turn: a text, one with its type, or, at clouds, without."""
    return isinstance(value, str) or "type" in _object(value) or _object(value).keys() == {"text"}


def _part(part: Any, notes: set[str]) -> str:
    if isinstance(part, str):
        return part
    kind = part.get("type", "text")
    text = part.get("text", part.get("value"))
    if kind in THOUGHTS:
        notes.add(f"parts of type {kind} are not taught")
        return ""
    if kind not in TEXT_PARTS or not isinstance(text, str):
        found = shown_name(kind) if isinstance(kind, str) else "none"
        raise ValueError(f"a part of a turn is of type {found}: text alone is learned")
    return text


def _calls(value: Any, key: str) -> list[dict[str, Any]]:
    """The calls of a turn, in one form; raise `ValueError` if they are none."""
    if isinstance(value, str):
        value = parse_text(value)
    calls: list[dict[str, Any]] = []
    for one in value if isinstance(value, list) else [value]:
        function = _object(_object(one).get("function", one))
        name = function.get("name")
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"a call in '{key}' has no name")
        given = function.get("arguments", function.get("parameters", {}))
        if isinstance(given, str) and given.strip():
            given = parse_text(given)
        if not isinstance(given, dict):
            raise ValueError(f"the 'arguments' of a call in '{key}' are an object, or its JSON")
        number = _object(one).get("id")
        named = {} if number is None else {"id": text_id(number)}
        calls.append({**named, "name": name, "arguments": given})
    return calls


def _taught(turn: dict[str, Any], role: Role, notes: set[str]) -> bool:
    taught = True
    for key in WEIGHTS:
        if key not in turn:
            continue
        weight = turn[key]
        if not isinstance(weight, bool | int | float) or weight not in (0, 1):
            raise ValueError(f"'{key}' of a turn is 0 or 1, false or true: shares are not known")
        if role == "assistant":
            taught = taught and bool(weight)
        elif weight and key != "loss":
            notes.add(f"`{key}` of a turn that is not the assistant's: it is not taught")
    if not taught:
        notes.add("turns of weight 0 (or `train: false`) are shown to the model and not taught")
    return taught


def answer_of(turns: Sequence[Turn]) -> int:
    """The index of the last assistant turn that is taught, or -1."""
    return max((at for at, t in enumerate(turns) if _is_answer(t)), default=-1)


def _is_answer(turn: Turn) -> bool:
    return turn.message.role == "assistant" and turn.taught
