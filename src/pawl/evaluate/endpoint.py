"""Asking an OpenAI-compatible server: `POST {url}/chat/completions`, a row a request.

Busy servers (429, 5xx) and broken connections are asked again with growing pauses. The key goes
into one header and nowhere else: redirects are not followed, and what a server says is repeated
without it. So is what the libraries say: http.client shows a header that it cannot send, so that a
key which is none is refused before.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pawl.config.schema import Endpoint
from pawl.core.records import Message
from pawl.evaluate.board import Reply

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TIMEOUT = 60.0  # seconds without a byte from the server
PAUSES = (1.0, 4.0, 16.0)  # seconds before the second, third and fourth attempt
LONGEST_PAUSE = 60.0  # a server may ask for one with Retry-After
AT_ONCE = 4
MOST_BYTES = 1 << 22
BUSY = (408, 409, 425, 429)
SHOWN = 200  # characters of what a server says of an error
# What a bearer token is made of (RFC 6750) and more; no blank, control or non-ASCII character.
KEY = re.compile(r"[!-~]+")


class UnansweredError(Exception):
    """The server did not answer a row; the message says why, without the key."""


def ask(
    endpoint: Endpoint,
    chats: Sequence[Sequence[Message]],
    *,
    max_new_tokens: int,
    tokenizer: PreTrainedTokenizerBase,
    pauses: Sequence[float] = PAUSES,
) -> list[Reply]:
    """The server's replies to the chats, in their order; `seconds` is a request's wall time.

    Args:
        tokenizer: the base's. It cuts answers of a server that ignores `max_new_tokens`, or that
            does not say how many tokens it used.

    Raises:
        UnansweredError: a row got no answer though it was asked again, or the key is not there or
            cannot be sent.
    """
    key = _key(endpoint)

    def one(chat: Sequence[Message]) -> Reply:
        start = time.perf_counter()
        value = _asked(endpoint, key, _body(endpoint, chat, max_new_tokens), pauses)
        return _reply(value, time.perf_counter() - start, max_new_tokens, tokenizer)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(one, chat) for chat in chats]
        try:
            return [future.result() for future in futures]
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _key(endpoint: Endpoint) -> str | None:
    if endpoint.key_env is None:
        return None
    key = os.environ.get(endpoint.key_env, "").strip()
    if not key:
        raise UnansweredError(f"the environment variable {endpoint.key_env}, its key, is not set")
    if not KEY.fullmatch(key):
        raise UnansweredError(
            f"the environment variable {endpoint.key_env}, its key, holds characters that no key "
            "has (a blank, a control character, or one beyond ASCII): set it anew"
        )
    return key


def _body(endpoint: Endpoint, chat: Sequence[Message], limit: int) -> bytes:
    messages = [{"role": message.role, "content": message.content} for message in chat]
    value = {"model": endpoint.model, "messages": messages, "temperature": 0, "max_tokens": limit}
    return json.dumps(value).encode()


def _asked(endpoint: Endpoint, key: str | None, body: bytes, pauses: Sequence[float]) -> Any:
    """The server's JSON; busy servers and broken connections are asked once more a pause."""
    request = urllib.request.Request(  # noqa: S310  # params.yaml allows http and https alone
        f"{endpoint.url.rstrip('/')}/chat/completions",
        data=body,
        headers={"Content-Type": "application/json", "User-Agent": "pawl"},
    )
    if key:
        # "Unredirected" headers are not handed on, should anything be followed after all.
        request.add_unredirected_header("Authorization", f"Bearer {key}")
    opener = urllib.request.build_opener(_Stay)
    for pause in (*pauses, None):
        try:
            with opener.open(request, timeout=TIMEOUT) as response:
                return _parsed(response.read(MOST_BYTES))
        except urllib.error.HTTPError as error:
            why = f"HTTP {error.code}: {_without(key, _said(error))}"
            if error.code not in BUSY and error.code < 500:
                raise UnansweredError(why) from None
            wanted = error.headers.get("Retry-After", "")
            pause = _longer(pause, wanted)
        except (OSError, http.client.HTTPException) as error:
            why = f"{type(error).__name__}: {_without(key, str(error))}"
        if pause is None:
            break
        time.sleep(pause)
    raise UnansweredError(f"asked {len(pauses) + 1} times; the last time: {why}")


def _longer(pause: float | None, wanted: str) -> float | None:
    if pause is None or not wanted.isdigit():
        return pause
    return min(max(pause, float(wanted)), LONGEST_PAUSE)


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnansweredError(f"its answer is no JSON: {error}") from None


def _said(error: urllib.error.HTTPError) -> str:
    try:
        return error.read(MOST_BYTES).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return str(error.reason)


def _without(key: str | None, text: str) -> str:
    # The key first and the cut afterwards, which else would leave half a key that is not found.
    hidden = text.replace(key, "***") if key else text
    return " ".join(hidden.split())[:SHOWN]


def _reply(value: Any, seconds: float, limit: int, tokenizer: PreTrainedTokenizerBase) -> Reply:
    try:
        text = value["choices"][0]["message"]["content"]
        usage = value.get("usage") or {}
    except (KeyError, IndexError, TypeError, AttributeError):
        raise UnansweredError("its answer has no choices[0].message.content") from None
    if text is None:
        # A refusal, a tool call, or a budget spent on thinking: absent, which is not 0.
        raise UnansweredError("its answer's content is null")
    if not _is_text(text) or not isinstance(usage, dict):
        raise UnansweredError("its answer's content is no text")
    tokens = _count(usage.get("completion_tokens"))
    if tokens is None or tokens > limit:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        if len(ids) > limit:
            text = tokenizer.decode(ids[:limit])
        tokens = None if tokens is None else limit
    return Reply(text, seconds, tokens, _count(usage.get("prompt_tokens")))


def _is_text(value: Any) -> bool:
    """Whether it is a string that can be written as UTF-8: half a surrogate pair cannot."""
    return isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value)


def _count(value: Any) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and value >= 0 else None


class _Stay(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: the key is meant for the server that params.yaml names."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None
