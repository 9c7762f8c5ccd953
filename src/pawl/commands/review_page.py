"""`pawl review --web`: one page on loopback, for its own requests alone.

The page comes without data. What it asks for needs the key that this start made, which is in the
address behind `#`: browsers send that part to nobody. Other pages and other names are refused
before that (`pawl.core.own_pages`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.commands.review import KEYS, Reviewing
from pawl.core.own_pages import OwnPages
from pawl.core.records import to_json
from pawl.errors import PawlError, UsageError, file_error

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

HOST = "127.0.0.1"
PAGE = Path(__file__).with_name("review.html")
MOST_BYTES = 1 << 20
CHOICES = {*KEYS.values()}


def serve_review(reviewing: Reviewing, *, port: int, tell: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C or SIGTERM; `tell` is given its address.

    Raises:
        UsageError: the port is taken.
    """
    import uvicorn

    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
        except OSError as error:
            raise UsageError(
                f"port {port} is not free: {error.strerror}",
                rule="the page of a review has a port of its own on loopback",
                remedy="leave out --port: one that is free is taken",
            ) from error
        # Whoever opens the address at once shall find it.
        listening.listen()
        key = secrets.token_urlsafe(24)
        address = f"http://{HOST}:{listening.getsockname()[1]}/#{key}"
        config = uvicorn.Config(review_app(reviewing, key), log_level="error", lifespan="off")
        tell(f"review: {address}\nCtrl-C stops it; what was said is on the disk at once")
        try:
            uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:
            return


def review_app(reviewing: Reviewing, key: str) -> OwnPages:
    """The application: the page at `/`, and what it asks for, with the key, at `/next`."""
    page = PAGE.read_bytes()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked = (scope.get("method"), scope.get("path"))
        if asked == ("GET", "/"):
            await _answer(send, 200, page, b"text/html; charset=utf-8", policy=_policy(page))
        elif asked == ("POST", "/next"):
            given = dict(scope["headers"]).get(b"x-pawl-key", b"").decode("latin-1")
            if not secrets.compare_digest(given.encode(), key.encode()):
                await _answer(send, 403, b"another start of `pawl review` has another key\n")
                return
            status, value = _next(reviewing, await _body(receive))
            await _answer(send, status, json.dumps(value).encode(), b"application/json")
        else:
            await _answer(send, 404, b"not served here\n")

    return OwnPages(app)


def _next(reviewing: Reviewing, body: bytes) -> tuple[int, Any]:
    """Do what a request asks, `{"pair", "choice"}`, `{"undo"}` or nothing; the next pair."""
    try:
        asked = json.loads(body or b"{}")
        skipped = [str(one) for one in asked.get("skipped", ())]
        if asked.get("undo"):
            undone = reviewing.undo()
            skipped = [one for one in skipped if one != undone]
        elif (choice := asked.get("choice")) in CHOICES:
            reviewing.say(str(asked["pair"]), choice)
        elif choice is not None:
            raise ValueError(choice)
        pair, status = reviewing.next(skipped), reviewing.status
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return 400, {"error": "no such request"}
    except PawlError as error:
        return 409, {"error": f"{error.found}; {error.remedy}"}
    except OSError as error:
        if (told := file_error(error)) is None:
            raise
        return 409, {"error": f"{told.found}; {told.remedy}"}
    return 200, {"pair": to_json(pair) if pair else None, "status": to_json(status)}


def _policy(page: bytes) -> bytes:
    """The page's policy: its own script and style, by digest, and nothing else."""
    said = {}
    for tag in (b"script", b"style"):
        text = page.partition(b"<" + tag + b">")[2].partition(b"</" + tag + b">")[0]
        said[tag] = base64.b64encode(hashlib.sha256(text).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{said[b'script']}'; "
        f"style-src 'sha256-{said[b'style']}'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ).encode()


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more and len(body) <= MOST_BYTES:
        message = await receive()
        body += message.get("body", b"")
        more = bool(message.get("more_body"))
    return body[: MOST_BYTES + 1] if len(body) <= MOST_BYTES else b"?"


async def _answer(
    send: Send, status: int, body: bytes, kind: bytes = b"text/plain", *, policy: bytes = b""
) -> None:
    headers = [
        (b"content-type", kind),
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
        *([(b"content-security-policy", policy)] if policy else []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
