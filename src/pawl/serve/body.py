"""Reads the body of a request, as far as a body may go, in the time that it may take."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from pawl.serve.call import GoneError
from pawl.serve.limits import BODY
from pawl.serve.refusals import Refused


async def read_body(request: Request, *, deadline: float) -> bytes:
    """The body's bytes.

    Raises:
        Refused: it is too large, compressed, or did not come in time.
        GoneError: the caller has hung up.
    """
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused(415, "the body is compressed: send it plain")
    if (length := request.headers.get("content-length", "")).isdigit() and int(length) > BODY:
        raise _too_large()
    parts, size = [], 0
    try:
        async with asyncio.timeout_at(deadline):
            async for part in request.stream():
                size += len(part)
                if size > BODY:
                    raise _too_large()
                parts.append(part)
    except TimeoutError as error:
        raise _closing(Refused(408, "the body did not come in time", code="timeout")) from error
    except ClientDisconnect as error:
        raise GoneError from error
    return b"".join(parts)


def _too_large() -> Refused:
    return _closing(Refused(413, f"a body has at most {BODY:,} bytes", code="body_too_large"))


def _closing(refused: Refused) -> Refused:
    # What is still to come of it is not read.
    refused.headers["connection"] = "close"
    return refused
