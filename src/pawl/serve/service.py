"""What the routes stand on, and a request's first steps: its version, its prompts, its limits."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from pawl.errors import DataError
from pawl.model.prompt import prompt_tokens
from pawl.serve.asked import Asked, Kind
from pawl.serve.call import SOON
from pawl.serve.engine import Engine
from pawl.serve.journal import Journal
from pawl.serve.limits import Limits
from pawl.serve.metrics import Metrics
from pawl.serve.refusals import Refused
from pawl.serve.versions import Loaded, Versions

# Requests that may wait for a version to be loaded.
MOST_LOADS = 8


@dataclass
class Service:
    """What the routes need. `context` is the base's window, in tokens."""

    engine: Engine
    versions: Versions
    limits: Limits
    metrics: Metrics
    journal: Journal
    context: int
    created: int = field(default_factory=lambda: int(time.time()))
    # One each: a tokenizer is no matter of many threads, and versions are loaded in turn.
    preparing: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="pawl-prompts")
    )
    loading: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="pawl-loading")
    )
    loads: int = 0


async def version_of(service: Service, name: str, deadline: float) -> Loaded:
    """The version of a name; where it is not in memory, it is loaded, in its turn."""
    if (at_hand := service.versions.at_hand(name)) is not None:
        return at_hand
    if service.loads >= MOST_LOADS:
        raise Refused(429, "as many versions are being loaded as may be", retry=SOON)
    service.loads += 1
    loop = asyncio.get_running_loop()
    loaded = loop.run_in_executor(service.loading, service.versions.load, name)

    def ended(_: object) -> None:
        service.loads -= 1

    loaded.add_done_callback(ended)
    try:
        async with asyncio.timeout_at(deadline):
            return await asyncio.shield(loaded)
    except BaseException as error:
        # It will be there for the next one who asks.
        loaded.add_done_callback(lambda done: _return(service, done))
        if isinstance(error, TimeoutError):
            raise Refused(408, "loading took too long", code="timeout", retry=SOON) from error
        raise


def _return(service: Service, done: asyncio.Future[Loaded]) -> None:
    if not done.cancelled() and done.exception() is None:
        service.versions.give_back(done.result())


async def prompts_of(
    service: Service, version: Loaded, asked: Asked, kind: Kind
) -> tuple[list[list[int]], list[int]]:
    """The token ids of each prompt, formatted as for the judge, and the most tokens it gets."""

    def made() -> list[list[int]]:
        return [prompt_tokens(version.tokenizer, chat) for chat in asked.chats]

    loop = asyncio.get_running_loop()
    if len(asked.chats) > service.limits.queue:
        most = f"`prompt` has at most {service.limits.queue} texts: so many may wait"
        raise Refused(400, most, param="prompt")
    field = "messages" if kind == "chat" else "prompt"
    try:
        prompts = await loop.run_in_executor(service.preparing, made)
    except DataError as error:
        raise Refused(400, error.found, param=field) from error
    policy = service.versions.tasks[version.task].policy
    limits = [
        _limit(service, len(one), asked, judged=policy.max_new_tokens, field=field)
        for one in prompts
    ]
    return prompts, limits


def _limit(service: Service, length: int, asked: Asked, *, judged: int, field: str) -> int:
    limits, room = service.limits, service.context - length
    most = min(limits.prompt, service.context - 1)
    if length > most or length < 1:
        raise Refused(
            400, f"the prompt has {length} tokens, and may have 1 to {most}",
            param=field, code="context_length_exceeded",
        )  # fmt: skip
    if asked.limit is None:
        return min(judged, room)
    if asked.limit > min(limits.answer, room):
        raise Refused(
            400, f"`{asked.limit_field}` is at most {min(limits.answer, room)} for this prompt",
            param=asked.limit_field,
        )  # fmt: skip
    return asked.limit
