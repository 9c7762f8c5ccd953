"""Bodies of requests as nobody should send them, drawn from a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

FIELDS = (
    "model", "messages", "prompt", "stream", "stream_options", "max_tokens", "temperature", "top_p",
    "seed", "stop", "tools", "tool_choice", "n", "logprobs", "response_format", "logit_bias",
    "max_completion_tokens", "user", "metadata", "functions", "echo", "suffix", "wrong", "",
)  # fmt: skip
TURN_FIELDS = ("role", "content", "tool_calls", "tool_call_id", "name", "weight")
TEXTS = (
    "", " ", "tickets", "tickets-v1", "tickets-v0", "notes", "tickets-v99999999999", "user",
    "assistant", "system", "developer", "ok", "\x00", "\x1b[31m", "\ud800", "𝕏" * 50,
    "<|im_end|>", "{{ 7 * 7 }}", "{% for x in y %}", "../../etc/passwd", "é" * 300, "\u202e",
    "[TOOL_CALLS]", "%s%n", "\r\nX-A: b", "x" * 5000, "function", "{}", "tool", "auto",
    "a\u0301" * 40, "{\"a\":1}", "[",
)  # fmt: skip
NUMBERS = (0, 1, -1, 2, 0.5, 1e308, -0.0, 2**53, 2**31, 1.0000001, 3, 64)
BYTES = (
    b"", b" ", b"{", b"null", b"[]", b"1", b'"a"', b"\xff\xfe", b"\xef\xbb\xbf{}", b"{}" * 3,
    b'{"a":NaN}', b'{"a":1e999}', b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", b"[" * 100_000,
    b'{"a":1,"a":2}', b'{"a":' + b"9" * 5000 + b"}", b"\x00" * 100, b"{'a':1}",
    b'{"a":"\xed\xa0\x80"}',
    b'{"model":"tickets","messages":[{"role":"user","content":"\\ud800"}]}',
)  # fmt: skip


def hostile_bodies(count: int, *, seed: int) -> Iterator[bytes]:
    """So many bodies; some are nearly right, and a few are quite."""
    draw = random.Random(seed)
    yield from BYTES[:count]
    for _ in range(count - len(BYTES)):
        body = json.dumps(_request(draw)).encode()
        if draw.random() < 0.15:
            body = _spoilt(draw, body)
        yield body


def _request(draw: random.Random) -> dict[str, Any]:
    """A request whose parts are right, or anything."""
    value: dict[str, Any] = {"model": "tickets", "max_tokens": 1}
    if draw.random() < 0.5:
        value["messages"] = [_turn(draw) for _ in range(draw.randrange(4))]
    else:
        value["prompt"] = draw.choice(["ok", ["ok"], ["ok", "ok"], _anything(draw)])
    for _ in range(draw.randrange(4)):
        value[draw.choice(FIELDS)] = _anything(draw)
    return value


def _turn(draw: random.Random) -> Any:
    turn: dict[str, Any] = {"role": draw.choice(["user", "assistant", "system", "tool"])}
    turn["content"] = draw.choice(["ok", "ok", [{"type": "text", "text": "ok"}], _anything(draw)])
    if draw.random() < 0.4:
        turn[draw.choice(TURN_FIELDS)] = _anything(draw)
    if draw.random() < 0.3:
        function = {"name": draw.choice(TEXTS), "arguments": _anything(draw)}
        turn["tool_calls"] = [{"id": draw.choice(TEXTS), "type": "function", "function": function}]
    return turn if draw.random() < 0.9 else _anything(draw)


def _anything(draw: random.Random, depth: int = 0) -> Any:
    kind = draw.randrange(7 if depth < 3 else 4)
    if kind < 2:
        return draw.choice(TEXTS)
    if kind == 2:
        return draw.choice(NUMBERS)
    if kind == 3:
        return draw.choice([True, False, None])
    if kind == 4:
        return [_anything(draw, depth + 1) for _ in range(draw.randrange(4))]
    names = draw.sample([*TURN_FIELDS, *FIELDS, "type", "text", "function", "arguments"], 3)
    return {name: _anything(draw, depth + 1) for name in names}


def _spoilt(draw: random.Random, body: bytes) -> bytes:
    """A body with some bytes changed, left out or put in."""
    data = bytearray(body)
    for _ in range(draw.randrange(1, 6)):
        at = draw.randrange(len(data))
        data[at : at + draw.randrange(3)] = draw.randbytes(draw.randrange(3))
        if not data:
            break
    return bytes(data)
