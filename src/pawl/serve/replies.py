"""Answers in the shapes of OpenAI's API: whole, and as the chunks of a stream."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pawl.core.calls import TAGGED, parse_calls
from pawl.serve.asked import Kind

OBJECTS = {"chat": "chat.completion", "completions": "text_completion"}
MADE = {"chat": "chatcmpl-", "completions": "cmpl-"}
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Head:
    """What all parts of a reply have in common.

    `version` is the one that answers, `task-vN`; `fingerprint` names base and adapter.
    """

    kind: Kind
    request: str
    created: int
    version: str
    fingerprint: str

    def value(self, choices: Sequence[Mapping[str, Any]], *, chunk: bool = False) -> dict[str, Any]:
        """The reply, or a chunk of it, with these choices."""
        name = OBJECTS[self.kind]
        return {
            "id": MADE[self.kind] + self.request,
            "object": "chat.completion.chunk" if chunk and self.kind == "chat" else name,
            "created": self.created,
            "model": self.version,
            "system_fingerprint": self.fingerprint,
            "choices": list(choices),
        }


@dataclass(frozen=True)
class Said:
    """One whole answer: its text, tokens, and why it ended (`stop` or `length`)."""

    text: str
    tokens: int
    ended: str


def whole_reply(
    head: Head, answers: Sequence[Said], *, prompt_tokens: int, calls: bool
) -> dict[str, Any]:
    """The reply with all answers; with `calls`, those that an answer makes are among its parts."""
    choices = [choice(head.kind, at, said, calls=calls) for at, said in enumerate(answers)]
    usage = usage_of(prompt_tokens, sum(said.tokens for said in answers))
    return {**head.value(choices), "usage": usage}


def choice(kind: Kind, at: int, said: Said, *, calls: bool) -> dict[str, Any]:
    """One answer as a choice of a reply."""
    made: dict[str, Any] = {"index": at, "finish_reason": said.ended, "logprobs": None}
    if kind == "completions":
        return {**made, "text": said.text}
    message, ended = _message(said, calls=calls)
    return {**made, "finish_reason": ended, "message": {"role": "assistant", **message}}


def chunk(head: Head, delta: Mapping[str, Any], ended: str | None = None) -> bytes:
    """An event of a stream: what is added to the only answer, and how that ended at last."""
    made: dict[str, Any] = {"index": 0, "finish_reason": ended, "logprobs": None}
    part = {"text": delta.get("content", "")} if head.kind == "completions" else {"delta": delta}
    return event(head.value([{**made, **part}], chunk=True))


def called(said: Said) -> tuple[dict[str, Any], str]:
    """The delta that has the calls of an answer, or its text, and how it ended."""
    message, ended = _message(said, calls=True)
    if "tool_calls" in message:
        made = [{"index": at, **call} for at, call in enumerate(message["tool_calls"])]
        message = {**message, "tool_calls": made}
    return {name: value for name, value in message.items() if value is not None}, ended


def counted(head: Head, prompt_tokens: int, tokens: int) -> bytes:
    """The event of a stream that has its count of tokens and no choice."""
    return event({**head.value([], chunk=True), "usage": usage_of(prompt_tokens, tokens)})


def event(value: Mapping[str, Any]) -> bytes:
    """A server-sent event."""
    return b"data: " + json.dumps(value, ensure_ascii=False).encode("utf-8", "replace") + b"\n\n"


def usage_of(prompt_tokens: int, tokens: int) -> dict[str, int]:
    """The count of tokens as OpenAI has it."""
    total = prompt_tokens + tokens
    return {"prompt_tokens": prompt_tokens, "completion_tokens": tokens, "total_tokens": total}


def _message(said: Said, *, calls: bool) -> tuple[dict[str, Any], str]:
    found = parse_calls(said.text) if calls else []
    if not found:
        return {"content": said.text}, said.ended
    made = [
        {
            "id": f"call_{at}",
            "type": "function",
            "function": {
                "name": call["name"],
                "arguments": json.dumps(call["arguments"], ensure_ascii=False),
            },
        }
        for at, call in enumerate(found)
    ]
    before = re.sub(TAGGED, "", said.text).strip() if TAGGED.search(said.text) else ""
    return {"content": before or None, "tool_calls": made}, "tool_calls"
