"""Client of an OpenAI-compatible server: `POST {url}/chat/completions`, one request a chat.

Busy servers (429, 5xx) and broken connections are retried with growing pauses. The key goes into
one header and nowhere else: redirects are not followed, and the key is redacted from all error
messages. http.client would show a header that it cannot send, so that a malformed key is refused
first.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from pawl.config.judging import Endpoint
from pawl.core.records import Message
from pawl.evaluate.scoreboard import Reply
from pawl.model.chat_turns import as_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TIMEOUT = 60.0  # seconds without a byte from the server
PAUSES = (1.0, 4.0, 16.0)  # seconds before the second, third and fourth attempt
LONGEST_PAUSE = 60.0  # limit on a server's Retry-After
AT_ONCE = 4
MOST_BYTES = 1 << 22
BUSY = (408, 409, 425, 429)
# Statuses by which a server refuses what a request says: a filter of contents, or one too long.
REFUSED = (400, 413, 422)
SHOWN = 200  # characters of a server's error message
# A superset of bearer tokens (RFC 6750): no blank, control or non-ASCII character.
KEY = re.compile(r"[!-~]+")


class UnansweredError(Exception):
    """The server did not answer a chat; the message gives the reason, without the key."""


class RefusedError(UnansweredError):
    """The server refused what the chat says."""


def chat_completions(
    endpoint: Endpoint,
    chats: Sequence[Sequence[Message]],
    *,
    max_new_tokens: int,
    tokenizer: PreTrainedTokenizerBase,
    pauses: Sequence[float] = PAUSES,
) -> list[Reply]:
    """The server's replies to the chats, in their order; `seconds` is a request's wall time.

    Args:
        tokenizer: the base's. It truncates answers of a server that ignores `max_new_tokens` or
            reports no token counts.
        pauses: seconds before each retry.

    Raises:
        UnansweredError: a row got no answer after all retries, or the key is not set or malformed.
    """
    key = _key(endpoint)

    def reply(chat: Sequence[Message]) -> Reply:
        start = time.perf_counter()
        value = _post(endpoint, key, _body(endpoint, chat, max_new_tokens), pauses)
        return _parse_reply(value, time.perf_counter() - start, max_new_tokens, tokenizer)

    return _each(chats, reply)


def said(
    endpoint: Endpoint,
    chats: Sequence[Sequence[Message]],
    *,
    max_new_tokens: int,
    pauses: Sequence[float] = PAUSES,
) -> list[str | None]:
    """What the server says to the chats, in their order; None where it refuses or says nothing.

    Raises:
        UnansweredError: as `chat_completions`, but for a chat that is refused for what it says.
    """
    key = _key(endpoint)

    def text(chat: Sequence[Message]) -> str | None:
        try:
            value = _post(endpoint, key, _body(endpoint, chat, max_new_tokens), pauses)
        except RefusedError:
            return None
        found = _content(value)[0]
        return found if _is_text(found) else None

    return _each(chats, text)


Answer = TypeVar("Answer")


def _each(
    chats: Sequence[Sequence[Message]], answer: Callable[[Sequence[Message]], Answer]
) -> list[Answer]:
    """The answer to each chat, a few asked at once; the first error ends all."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(answer, chat) for chat in chats]
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
    messages = [{"role": message.role, "content": message.content} for message in as_text(chat)]
    value = {"model": endpoint.model, "messages": messages, "temperature": 0, "max_tokens": limit}
    return json.dumps(value).encode()


def _post(endpoint: Endpoint, key: str | None, body: bytes, pauses: Sequence[float]) -> Any:
    """The server's JSON, after at most one retry a pause."""
    request = urllib.request.Request(  # noqa: S310  # params.yaml allows http and https alone
        f"{endpoint.url.rstrip('/')}/chat/completions",
        data=body,
        headers={"Content-Type": "application/json", "User-Agent": "pawl"},
    )
    if key:
        # An "unredirected" header is not passed on even if a redirect were followed.
        request.add_unredirected_header("Authorization", f"Bearer {key}")
    opener = urllib.request.build_opener(_NoRedirect)
    for pause in (*pauses, None):
        try:
            with opener.open(request, timeout=TIMEOUT) as response:
                return _parsed(response.read(MOST_BYTES))
        except urllib.error.HTTPError as error:
            reason = f"HTTP {error.code}: {_redacted(key, _error_body(error))}"
            if error.code not in BUSY and error.code < 500:
                kind = RefusedError if error.code in REFUSED else UnansweredError
                raise kind(reason) from None
            pause = _pause_after(pause, error.headers.get("Retry-After", ""))
        except (OSError, http.client.HTTPException) as error:
            reason = f"{type(error).__name__}: {_redacted(key, str(error))}"
        if pause is None:
            break
        time.sleep(pause)
    raise UnansweredError(f"asked {len(pauses) + 1} times; the last time: {reason}")


def _pause_after(pause: float | None, retry_after: str) -> float | None:
    """The pause, lengthened to the server's Retry-After; None: no retry is left."""
    if pause is None or not retry_after.isdigit():
        return pause
    return min(max(pause, float(retry_after)), LONGEST_PAUSE)


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnansweredError(f"its answer is no JSON: {error}") from None


def _error_body(error: urllib.error.HTTPError) -> str:
    try:
        return error.read(MOST_BYTES).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return str(error.reason)


def _redacted(key: str | None, text: str) -> str:
    # Redact before truncating, which could leave half a key that is not found.
    hidden = text.replace(key, "***") if key else text
    return " ".join(hidden.split())[:SHOWN]


def _parse_reply(
    value: Any, seconds: float, limit: int, tokenizer: PreTrainedTokenizerBase
) -> Reply:
    text, usage = _content(value)
    if text is None:
        # A refusal, a tool call, or all tokens spent on thinking: absent, which is not 0.
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


def _content(value: Any) -> tuple[Any, Any]:
    """An answer's content and usage, whatever they are."""
    try:
        return value["choices"][0]["message"]["content"], value.get("usage") or {}
    except (KeyError, IndexError, TypeError, AttributeError):
        raise UnansweredError("its answer has no choices[0].message.content") from None


def _is_text(value: Any) -> bool:
    """Whether it is a string that UTF-8 can encode: no half of a surrogate pair."""
    return isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value)


def _count(value: Any) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and value >= 0 else None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: the key is only for the server that params.yaml names."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None
