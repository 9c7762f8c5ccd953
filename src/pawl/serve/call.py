"""One request's way: its prompts become rows of the engine, and their answers come back.

Whatever ends it (its answers, a caller who hangs up, the time, a fault), its rows' places are free
afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pawl.serve.answer import Answer
from pawl.serve.asked import Asked
from pawl.serve.engine import Engine
from pawl.serve.refusals import Refused
from pawl.serve.replies import Said
from pawl.serve.rows import BrokenError, FullError, News, Row

if TYPE_CHECKING:
    from starlette.types import Receive

    from pawl.serve.versions import Loaded

# Seconds after which a caller may try again, where the server is full, or ends.
SOON, LATER = 1, 10
GONE = None


class GoneError(Exception):
    """The caller has hung up."""


class Call:
    """The rows of one request in the engine, until `deadline` (of the loop's clock).

    Used as a context: its end frees what still runs. `answers` are those so far.
    """

    def __init__(
        self,
        engine: Engine,
        version: Loaded,
        asked: Asked,
        *,
        prompts: Sequence[Sequence[int]],
        limits: Sequence[int],
        deadline: float,
        receive: Receive,
    ) -> None:
        self._engine, self.deadline, self._receive = engine, deadline, receive
        self._loop = asyncio.get_running_loop()
        self._news: asyncio.Queue[tuple[int, News] | None] = asyncio.Queue()
        watched = asked.stream or bool(asked.stops)
        self._rows = [
            Row(
                prompt=tuple(prompt),
                adapter=version.adapter,
                limit=limit,
                tell=self._teller(at),
                sampling=asked.sampling,
                watched=watched,
            )
            for at, (prompt, limit) in enumerate(zip(prompts, limits, strict=True))
        ]
        self.answers = [Answer(version.tokenizer, asked.stops) for _ in prompts]

    async def __aenter__(self) -> Call:
        try:
            self._engine.submit(self._rows)
        except FullError as error:
            raise Refused(429, "as many requests wait as may wait", retry=SOON) from error
        except BrokenError as error:
            raise Refused(503, f"nothing is answered: {error}", retry=LATER) from error
        self._watch = self._loop.create_task(self._watch_caller())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watch.cancel()
        for row in self._rows:
            self._engine.cancel(row)

    async def whole(self) -> list[Said]:
        """All answers, once each has ended.

        Raises:
            Refused: the time is over, a prompt cannot be answered, or the engine is broken.
            GoneError: the caller has hung up.
        """
        found: dict[int, Said] = {}
        while len(found) < len(self._rows):
            at, _, said = await self._next()
            if said is not None:
                found[at] = said
        return [found[at] for at in range(len(self._rows))]

    async def pieces(self) -> AsyncIterator[tuple[str, Said | None]]:
        """The only answer piece by piece, the last with the whole of it; raises as `whole`."""
        while True:
            _, piece, said = await self._next()
            yield piece, said
            if said is not None:
                return

    async def _next(self) -> tuple[int, str, Said | None]:
        """The next piece of an answer: which, its text, and the whole where it has ended."""
        while True:
            try:
                async with asyncio.timeout_at(self.deadline):
                    news = await self._news.get()
            except TimeoutError as error:
                raise Refused(
                    408, "the answer took too long", code="timeout", retry=SOON
                ) from error
            if news is GONE:
                raise GoneError
            at, told = news
            answer = self.answers[at]
            if answer.stopped:
                continue
            if told.ended == "failed":
                why = f"this prompt cannot be answered: {told.why}"
                raise Refused(400, why, code="not_answered")
            if told.ended == "broken":
                raise Refused(503, f"nothing is answered: {told.why}", retry=LATER)
            piece = answer.grow(told.tokens, ended=told.ended is not None)
            if answer.stopped:
                self._engine.cancel(self._rows[at])
                return at, piece, Said(answer.text, answer.tokens, "stop")
            ended = told.ended
            said = Said(answer.text, answer.tokens, ended) if ended else None
            return at, piece, said

    def _teller(self, at: int) -> Any:
        def tell(news: News) -> None:
            self._loop.call_soon_threadsafe(self._news.put_nowait, (at, news))

        return tell

    async def _watch_caller(self) -> None:
        with suppress(asyncio.CancelledError):
            while (await self._receive())["type"] != "http.disconnect":
                pass
            self._news.put_nowait(GONE)
