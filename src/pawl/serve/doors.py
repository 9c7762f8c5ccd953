"""What every request passes: an id, the question for a token, and no fault without an answer."""

from __future__ import annotations

import logging
import re
import uuid
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from pawl.serve.access import Access
from pawl.serve.refusals import Refused

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOG = logging.getLogger(__name__)
# An id that a caller or a proxy gave; another is not repeated.
GIVEN = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class Doors:
    """An ASGI application around another."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
            return
        request, begun = _request_id(scope), False

        async def tell(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                named = (b"x-request-id", request.encode())
                message = {**message, "headers": [*message.get("headers", ()), named]}
            await send(message)

        try:
            known = self._access.check(scope)
            scope["state"] = {**scope.get("state", {}), "id": request, "known": known}
            await self._app(scope, receive, tell)
        except Refused as refused:
            answer = JSONResponse(refused.body, refused.status, headers=refused.headers)
            await answer(scope, receive, tell)
        except Exception:
            LOG.exception("request %s failed", request)
            if begun:
                raise
            answer = JSONResponse(Refused(500, f"a fault, logged as {request}").body, 500)
            await answer(scope, receive, tell)


def _request_id(scope: Scope) -> str:
    given = [value for name, value in scope["headers"] if name == b"x-request-id"]
    if len(given) == 1 and GIVEN.fullmatch(given[0]):
        return str(given[0].decode())
    return uuid.uuid4().hex
