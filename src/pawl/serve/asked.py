"""What a caller asks for: the body of a request, read strictly.

A field that would change the answer is obeyed or refused by its name; one that would not is passed
over. So nobody believes that a setting had an effect that it had not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pawl.core.jsonio import parse_json
from pawl.core.records import Message
from pawl.errors import nearest
from pawl.serve.refusals import Refused
from pawl.serve.rows import Sampling
from pawl.serve.turns import chat_of, question

Kind = Literal["chat", "completions"]
# What is obeyed, and what changes no answer.
OBEYED = frozenset(
    {"model", "stream", "stream_options", "max_tokens", "temperature", "top_p", "seed", "stop"}
)
OF_CHAT = frozenset({"messages", "max_completion_tokens", "tools", "tool_choice"})
HARMLESS = frozenset(
    {"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key",
     "prompt_cache_retention"}
)  # fmt: skip
# Fields that are taken at the one value that changes nothing.
ONLY: dict[str, tuple[Any, ...]] = {
    "n": (1,), "best_of": (1,), "logprobs": (False, 0), "top_logprobs": (0,), "echo": (False,),
    "suffix": ("",), "frequency_penalty": (0,), "presence_penalty": (0,), "logit_bias": ({},),
    "response_format": ({"type": "text"},), "modalities": (["text"],), "functions": ([],),
    "parallel_tool_calls": (True,), "ignore_eos": (False,), "min_tokens": (0,),
    "repetition_penalty": (1,), "top_k": (-1, 0), "min_p": (0,),
}  # fmt: skip
# Prompts of one request to /v1/completions; stop texts, and the characters of one.
MOST_PROMPTS, MOST_STOPS, STOP_LENGTH = 32, 4, 200
# Temperatures as OpenAI has them.
HOTTEST = 2.0


@dataclass(frozen=True)
class Asked:
    """A request's body.

    `chats` are the prompts, each answered by itself; `limit` the most tokens of an answer, None: as
    judged, and `limit_field` the field that said it. `stops` end an answer and are no part of it.
    `usage`: a stream ends with the count of tokens. `calls`: functions may be called.
    """

    model: str
    chats: tuple[tuple[Message, ...], ...]
    limit: int | None
    limit_field: str
    sampling: Sampling
    stops: tuple[str, ...]
    stream: bool
    usage: bool
    calls: bool


def read_asked(body: bytes, kind: Kind) -> Asked:
    """Read a body; raises `Refused` with status 400 and the field that is at fault."""
    try:
        value = parse_json(body)
    except ValueError as error:
        raise Refused(400, f"the body is no JSON object that can be read: {error}") from error
    value = {key: one for key, one in value.items() if one is not None}
    _refuse_unknown(value, kind)
    model = value.get("model")
    if not isinstance(model, str) or not model:
        raise _wrong("model", "is the name of a task or of a version, as GET /v1/models lists them")
    stream = _boolean(value, "stream")
    chats, calls = _chats(value, kind)
    if stream and len(chats) > 1:
        raise _wrong("prompt", "is one text where the answer is streamed")
    limit, field = _limit(value)
    return Asked(
        model=model,
        chats=chats,
        limit=limit,
        limit_field=field,
        sampling=_sampling(value),
        stops=_stops(value.get("stop")),
        stream=stream,
        usage=_usage(value.get("stream_options"), stream=stream),
        calls=calls,
    )


def _refuse_unknown(value: Mapping[str, Any], kind: Kind) -> None:
    known = OBEYED | HARMLESS | ONLY.keys()
    known |= OF_CHAT if kind == "chat" else {"prompt"}
    for name, given in value.items():
        if name not in known:
            raise _wrong(name, f"is not known here; {nearest(name[:100], known)}")
        if name in ONLY and not any(_same(given, one) for one in ONLY[name]):
            only = " or ".join(map(repr, ONLY[name]))
            raise _wrong(name, f"is taken at {only} alone: it would change the answer")


def _same(given: Any, wanted: Any) -> bool:
    """Equal, a boolean only to a boolean; numbers by their value."""
    return isinstance(given, bool) == isinstance(wanted, bool) and bool(given == wanted)


def _chats(value: Mapping[str, Any], kind: Kind) -> tuple[tuple[tuple[Message, ...], ...], bool]:
    """The prompts, and whether functions may be called."""
    name = "messages" if kind == "chat" else "prompt"
    try:
        if kind == "chat":
            tools = value.get("tools")
            choice = value.get("tool_choice", "auto")
            if choice != "auto":
                raise Refused(
                    400, "`tool_choice` is 'auto' alone: the model decides", param="tool_choice"
                )
            return (chat_of(value.get(name), tools),), bool(tools)
        given = value.get(name)
        if not isinstance(given, list):
            return (question(given),), False
        if not 0 < len(given) <= MOST_PROMPTS:
            raise ValueError(f"`prompt` is a text, or a list of 1 to {MOST_PROMPTS} texts")
        return tuple(question(one, f"prompt[{at}]") for at, one in enumerate(given)), False
    except ValueError as error:
        raise Refused(400, str(error), param=name) from error


def _limit(value: Mapping[str, Any]) -> tuple[int | None, str]:
    names = [name for name in ("max_completion_tokens", "max_tokens") if name in value]
    limits = {name: _whole_number(value[name], name, least=1) for name in names}
    if len(set(limits.values())) > 1:
        raise _wrong(names[0], "says something else than `max_tokens`: name one of them")
    return (limits[names[0]], names[0]) if names else (None, "max_tokens")


def _sampling(value: Mapping[str, Any]) -> Sampling:
    temperature = _number(value.get("temperature", 0), "temperature", most=HOTTEST)
    top_p = _number(value.get("top_p", 1), "top_p", most=1.0)
    if top_p == 0:
        raise _wrong("top_p", "is above 0")
    seed = value.get("seed")
    if seed is not None:
        seed = _whole_number(seed, "seed", least=0)
    return Sampling(temperature, top_p, seed)


def _stops(value: Any) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else value or []
    if not isinstance(stops, list) or len(stops) > MOST_STOPS:
        raise _wrong("stop", f"is a text, or a list of at most {MOST_STOPS}")
    if not all(isinstance(one, str) and 0 < len(one) <= STOP_LENGTH for one in stops):
        raise _wrong("stop", f"has texts of 1 to {STOP_LENGTH} characters")
    return tuple(stops)


def _usage(value: Any, *, stream: bool) -> bool:
    if value is None:
        return False
    if (
        not stream
        or not isinstance(value, dict)
        or value.keys() - {"include_usage", "include_obfuscation"}
    ):
        raise _wrong("stream_options", "is for streams, and has `include_usage` alone")
    return _boolean(value, "include_usage")


def _boolean(value: Mapping[str, Any], name: str) -> bool:
    given = value.get(name, False)
    if not isinstance(given, bool):
        raise _wrong(name, "is true or false")
    return given


def _number(value: Any, name: str, *, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise _wrong(name, f"is a number from 0 to {most:g}")
    return float(value)


def _whole_number(value: Any, name: str, *, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise _wrong(name, f"is a whole number of at least {least}")
    return value


def _wrong(name: str, rule: str) -> Refused:
    return Refused(400, f"`{name[:100]}` {rule}", param=name[:100])
