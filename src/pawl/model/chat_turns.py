"""Messages as a chat template takes them; what it has no place for becomes text of a turn.

A template that knows functions and calls is given them as such. For any other they are text, in the
form of Hermes and Qwen, that servers parse: the functions in the system turn, a call in the
assistant's, a result in the user's.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from typing import Any

from pawl.core.calls import calls_text
from pawl.core.records import Message

KNOWS_TOOLS, KNOWS_CALLS = re.compile(r"\btools\b"), re.compile(r"\btool_calls\b")
INTRODUCTION = (
    "You may call functions. Their signatures are between <tools> and </tools>:\n<tools>\n{tools}\n"
    "</tools>\nTo call one, answer with its name and arguments as JSON between <tool_call> and "
    '</tool_call>: {{"name": …, "arguments": {{…}}}}'
)


def knows_calls(source: str | None) -> bool:
    """Whether a chat template, by its text, has places for functions and calls."""
    return bool(source and KNOWS_TOOLS.search(source) and KNOWS_CALLS.search(source))


def has_calls(messages: Sequence[Message]) -> bool:
    """Whether turns hold functions, calls or results."""
    return any(m.tool_calls or m.role in ("tools", "tool") for m in messages)


def as_text(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages with functions, calls and results as text of system, assistant and user."""
    if not has_calls(messages):
        return tuple(messages)
    turns: list[Message] = []
    tools = next((m.content for m in messages if m.role == "tools"), "")
    if tools:
        lines = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in json.loads(tools))
        turns.append(Message("system", INTRODUCTION.format(tools=lines)))
    for message in messages:
        last = turns[-1] if turns else None
        if message.role == "tools":
            continue
        if message.role == "tool":
            content = f"<tool_response>\n{message.content}\n</tool_response>"
            if last and last.role == "user" and last.content.endswith("</tool_response>"):
                turns[-1] = Message("user", f"{last.content}\n{content}")
            else:
                turns.append(Message("user", content))
        elif message.role == "system" and tools and len(turns) == 1:
            turns[0] = Message("system", f"{message.content}\n\n{turns[0].content}")
        else:
            turns.append(spoken(message))
    return tuple(turns)


def spoken(message: Message) -> Message:
    """The message with its calls in its text."""
    if not message.tool_calls:
        return message
    text = calls_text(message.content, json.loads(message.tool_calls))
    return dataclasses.replace(message, content=text, tool_calls="")


def template_turns(
    messages: Sequence[Message],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]] | None]:
    """The turns and functions (None: there are none) for a template that knows calls."""
    tools = next((json.loads(m.content) for m in messages if m.role == "tools"), None)
    turns: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for message in messages:
        if message.role == "tools":
            continue
        turn: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.tool_calls:
            turn["tool_calls"] = []
            for call in json.loads(message.tool_calls):
                named = {"id": call["id"]} if "id" in call else {}
                names[call.get("id", "")] = call["name"]
                function = {"name": call["name"], "arguments": call["arguments"]}
                turn["tool_calls"].append({**named, "type": "function", "function": function})
        if message.role == "tool":
            turn |= {"tool_call_id": message.call_id} if message.call_id else {}
            turn |= {"name": names[message.call_id]} if message.call_id in names else {}
        turns.append(turn)
    return turns, tools
