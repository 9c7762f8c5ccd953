"""A streamed answer: server-sent events, one a piece of text, as OpenAI's clients read them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from starlette.responses import Response

from pawl.serve.asked import Asked
from pawl.serve.call import Call, GoneError
from pawl.serve.journal import Line
from pawl.serve.refusals import Refused
from pawl.serve.replies import DONE, Head, Said, called, chunk, counted, event

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

# Seconds beyond the time of a request that its last event may take.
GRACE = 5
Piece = tuple[str, Said | None]


class Stream(Response):
    """The answer of a call, whose first piece is there; `record` is told the status at the end."""

    media_type = "text/event-stream"

    def __init__(
        self,
        call: Call,
        head: Head,
        asked: Asked,
        line: Line,
        *,
        first: Piece,
        rest: AsyncIterator[Piece],
        done: Callable[[], None],
    ) -> None:
        headers = {
            "x-pawl-version": head.version,
            "cache-control": "no-cache",
            "x-accel-buffering": "no",
        }
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._call, self._head, self._asked, self._line = call, head, asked, line
        self._first, self._rest, self._done = first, rest, done
        self.record: Callable[[int], object] = int  # set by whoever sends it

    @classmethod
    async def begun(
        cls, call: Call, head: Head, asked: Asked, line: Line, *, done: Callable[[], None]
    ) -> Stream:
        """Wait for the first piece, so that what fails before has a status of its own.

        `done` is called once, when the call has ended, or at once where this raises.
        """
        try:
            await call.__aenter__()
        except BaseException:
            done()
            raise
        try:
            rest = call.pieces()
            first = await anext(rest)
            return cls(call, head, asked, line, first=first, rest=rest, done=done)
        except BaseException:
            await call.__aexit__()
            done()
            raise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the events; the call ends with it, however it ends."""
        status = 200
        try:
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            # Who asks and does not read holds his place no longer than any other.
            async with asyncio.timeout_at(self._call.deadline + GRACE):
                await send(start)
                try:
                    async for data in self._events():
                        await send({"type": "http.response.body", "body": data, "more_body": True})
                except Refused as refused:
                    # The status is sent already: the error is the last event.
                    status = refused.status
                    body = event(refused.body)
                    await send({"type": "http.response.body", "body": body, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (GoneError, OSError):  # a timeout is an OSError, too
            status = 499
        finally:
            await self._call.__aexit__()
            self._done()
            self.record(status)

    async def _events(self) -> AsyncIterator[bytes]:
        head, line = self._head, self._line
        if head.kind == "chat":
            yield chunk(head, {"role": "assistant", "content": ""})
        async for piece, said in self._pieces():
            # Whether an answer calls functions is known at its end.
            if piece and not self._asked.calls:
                yield chunk(head, {"content": piece})
            if said is None:
                continue
            delta, ended = called(said) if self._asked.calls else ({}, said.ended)
            line.answer_tokens, line.ended = said.tokens, said.ended
            yield chunk(head, delta, ended)
            if self._asked.usage:
                yield counted(head, line.prompt_tokens, said.tokens)
        yield DONE

    async def _pieces(self) -> AsyncIterator[Piece]:
        yield self._first
        if self._first[1] is None:
            async for one in self._rest:
                yield one
