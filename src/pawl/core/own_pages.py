"""A server on this machine answers its own pages and programs, and no other web page.

Any page that a browser on this machine shows can send requests to a port on loopback, and a page
whose name is rebound to 127.0.0.1 passes for the server's own. Browsers tell: the header `Host` is
the name in the address, and `Origin` names the page that asks, in every request that could change
something. Programs send no `Origin`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Names, or name:port, under which a proxy or a tunnel shows the server; separated by commas.
VARIABLE = "PAWL_HOSTS"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
PLAIN = (b"content-type", b"text/plain")
# No other page may show these in a frame, or load what they answer as an image or a script.
HEADERS = [
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class OwnPages:
    """An ASGI application that refuses, with 403, what comes from another page or to another name.

    Allowed are the loopback names with the port that it listens on, and what `PAWL_HOSTS` names.
    Paths that begin with one of `closed` are answered with 404, whoever asks.
    """

    def __init__(self, app: ASGIApp, closed: tuple[str, ...] = ()) -> None:
        self._app, self._closed = app, closed
        self._named = named_hosts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif refused := self._refused(scope):
            await _refuse(scope, send, 403, refused)
        elif scope["path"].startswith(self._closed):
            await _refuse(scope, send, 404, "this is not served here (docs/adr/0024)")
        else:
            await self._app(scope, receive, _with_headers(send))

    def _refused(self, scope: Scope) -> str | None:
        """Why a request is refused, or None. What a header says is not repeated."""
        allowed = self._named | _own_names(scope)
        hosts, origins = _values(scope, b"host"), _values(scope, b"origin")
        if len(hosts) != 1 or hosts[0] not in allowed:
            return f"this server does not go by that name; others than loopback: {VARIABLE}"
        # "null", which pages in a sandbox send, has no host.
        if not all(_host(origin) in allowed for origin in origins):
            return f"this server answers its own pages only; its other names: {VARIABLE}"
        return None


def named_hosts() -> set[str]:
    """The names that `PAWL_HOSTS` lists, in small letters."""
    return {name.strip() for name in os.environ.get(VARIABLE, "").lower().split(",")} - {""}


async def _refuse(scope: Scope, send: Send, status: int, reason: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    await send({"type": "http.response.start", "status": status, "headers": [PLAIN]})
    await send({"type": "http.response.body", "body": f"{reason}\n".encode()})


def _own_names(scope: Scope) -> set[str]:
    # The socket's address, not what a header says. Browsers leave out the port 80.
    port = scope["server"][1]
    return {name if port == 80 else f"{name}:{port}" for name in LOOPBACK}


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1").lower() for key, value in scope["headers"] if key == name]


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


def _with_headers(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            ours = {name for name, _ in HEADERS}
            kept = [pair for pair in message.get("headers", ()) if pair[0].lower() not in ours]
            message = {**message, "headers": [*kept, *HEADERS]}
        await send(message)

    return wrapped
