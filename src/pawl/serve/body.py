"""Reads the body of a request, as far as a body may go, in the time that it may take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from starlette.requests import ClientDisconnect, Request

from pawl.serve.call import GoneError
from pawl.serve.limits import BODY
from pawl.serve.refusals import Refused

# How much of a body that is too large is read and thrown away, and for how many seconds: whoever
# still sends when the line is closed sees a broken line and not the answer (RFC 9112, 9.6).
DISCARDED, LINGER = 8 * BODY, 2.0


async def read_body(request: Request, *, deadline: float) -> bytes:
    """The body's bytes.

    Raises:
        Refused: it is too large, compressed, or did not come in time.
        GoneError: the caller has hung up.
    """
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused(415, "the body is compressed: send it plain")
    stream = request.stream()
    if (length := request.headers.get("content-length", "")).isdigit() and int(length) > BODY:
        await _discard(stream)
        raise _too_large()
    parts, size = [], 0
    try:
        async with asyncio.timeout_at(deadline):
            async for part in stream:
                size += len(part)
                if size > BODY:
                    await _discard(stream)
                    raise _too_large()
                parts.append(part)
    except TimeoutError as error:
        raise _closing(Refused(408, "the body did not come in time", code="timeout")) from error
    except ClientDisconnect as error:
        raise GoneError from error
    return b"".join(parts)


async def _discard(stream: AsyncIterator[bytes]) -> None:
    size = 0
    with suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(LINGER):
            async for part in stream:
                size += len(part)
                if size > DISCARDED:
                    return


def _too_large() -> Refused:
    return _closing(Refused(413, f"a body has at most {BODY:,} bytes", code="body_too_large"))


def _closing(refused: Refused) -> Refused:
    # What is still to come of it is not read.
    refused.headers["connection"] = "close"
    return refused
