"""The turns of a caller's chat, as OpenAI writes them, and a prompt, as the judged `Message`s.

What a caller says is taken as it is: rules for data that shall be learned are no rules for him.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pawl.core.records import Message
from pawl.core.records.data import Role

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
KEYS = {"role", "content", "tool_calls", "tool_call_id", "name", "refusal"}
TEXT_PARTS = ("text", "input_text")


def chat_of(messages: Any, tools: Any = None) -> tuple[Message, ...]:
    """The turns of a chat that waits for an answer; raises `ValueError` with what is wrong.

    `tools` are the functions that may be called, None: there are none.
    """
    if not isinstance(messages, list) or not messages:
        raise ValueError("`messages` is a list of at least one turn")
    turns = [_turn(value, f"messages[{at}]") for at, value in enumerate(messages)]
    if turns[-1].role == "assistant":
        raise ValueError("`messages` ends with an assistant turn, and that is what is asked for")
    return (*_tools(tools), *turns)


def question(text: Any, name: str = "prompt") -> tuple[Message, ...]:
    """A prompt as a row has it: one user turn; raises `ValueError` with what is wrong."""
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"`{name}` is a text that is not blank")
    return (Message("user", _whole(text, name)),)


def _turn(value: Any, at: str) -> Message:
    if not isinstance(value, dict):
        raise ValueError(f"`{at}` is an object with a role and content")
    named = value.get("role")
    role = ROLES.get(named) if isinstance(named, str) else None
    if role is None:
        raise ValueError(f"`{at}.role` is one of {', '.join(ROLES)}")
    if odd := sorted(key for key in value.keys() - KEYS if value[key] is not None):
        raise ValueError(f"`{at}.{odd[0][:100]}` is not known")
    content = _content(value.get("content"), f"{at}.content")
    calls = _calls(value.get("tool_calls"), f"{at}.tool_calls")
    if calls and role != "assistant":
        raise ValueError(f"`{at}.tool_calls`: only an assistant calls functions")
    if not content and not calls and role != "tool":
        raise ValueError(f"`{at}.content` is empty")
    call_id = value.get("tool_call_id") if role == "tool" else None
    if call_id is not None and not isinstance(call_id, str):
        raise ValueError(f"`{at}.tool_call_id` is a text")
    tool_calls = json.dumps(calls, ensure_ascii=False) if calls else ""
    _whole(tool_calls, f"{at}.tool_calls")
    return Message(role, content, tool_calls, _whole(call_id or "", f"{at}.tool_call_id"))


def _content(value: Any, at: str) -> str:
    """A turn's text, or the texts of its parts."""
    if value is None:
        return ""
    if isinstance(value, str):
        return _whole(value, at)
    if not isinstance(value, list):
        raise ValueError(f"`{at}` is a text, or a list of parts of text")
    texts = []
    for place, part in enumerate(value):
        kind = part.get("type") if isinstance(part, dict) else None
        text = part.get("text") if isinstance(part, dict) else None
        if kind not in TEXT_PARTS or not isinstance(text, str):
            raise ValueError(f"`{at}[{place}]` is no part of text, and text alone is read")
        texts.append(_whole(text, f"{at}[{place}].text"))
    return "".join(texts)


def _calls(value: Any, at: str) -> list[dict[str, Any]]:
    """The calls of an assistant's turn, as rows have them."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"`{at}` is a list of calls")
    calls = []
    for place, call in enumerate(value):
        function = call.get("function") if isinstance(call, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(function, dict) or not isinstance(name, str) or not name:
            raise ValueError(f"`{at}[{place}].function.name` is the name of a function")
        arguments = _arguments(function.get("arguments"), f"{at}[{place}].function.arguments")
        number = call.get("id")
        named = {"id": _whole(number, f"{at}[{place}].id")} if isinstance(number, str) else {}
        calls.append({**named, "name": _whole(name, at), "arguments": arguments})
    return calls


def _arguments(value: Any, at: str) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(_whole(value, at))
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, dict):
        raise ValueError(f"`{at}` is an object, or its JSON")
    return value


def _tools(value: Any) -> Sequence[Message]:
    """The turn with the functions, as rows have it; none where there are none."""
    if value is None or value == []:
        return ()
    if not isinstance(value, list):
        raise ValueError("`tools` is a list of functions")
    for at, tool in enumerate(value):
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise ValueError(f"`tools[{at}]` is an object with a `function`, which has a name")
    return (Message("tools", _whole(json.dumps(value, ensure_ascii=False), "tools")),)


def _whole(text: str, at: str) -> str:
    """The text, if it is one that can be written as UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"`{at}` holds half a surrogate pair") from error
    return text
