"""Listens, and answers callers until SIGTERM.

On SIGTERM or Ctrl-C nobody new is let in, who was let in is answered, and then it ends.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from pawl.core.own_pages import OwnPages
from pawl.errors import UsageError
from pawl.serve.access import Access
from pawl.serve.app import application
from pawl.serve.doors import Doors
from pawl.serve.following import Follower
from pawl.serve.limits import Limits
from pawl.serve.service import Service

LOG = logging.getLogger(__name__)
# Connections at once; more are answered with 503. And seconds that an idle one is kept.
CONNECTIONS, IDLE = 1000, 15
# Seconds beyond those of a request, after which what still runs at the end is given up.
GRACE = 5


@dataclass(frozen=True)
class Serving:
    """How a server is called: `every` are the seconds between two looks at the ledger.

    `log` is the file of the log of requests, None: there is none. Without `tokens` nobody is asked.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    tokens: tuple[str, ...] = ()
    log: Path | None = None
    every: float = 1.0
    limits: Limits = field(default_factory=Limits)


def listening(host: str, port: int) -> socket.socket:
    """The socket that is listened on, bound before anything slow is done; port 0: any free one.

    Raises:
        UsageError: the port is taken, or the host is none of this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        found = socket.socket(family)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
    except OSError as error:
        raise UsageError(
            f"{host} port {port} cannot be listened on: {error.strerror or error}",
            rule="a server needs an address of this machine and a port of its own",
            remedy="name a free one: `pawl serve --port N`",
        ) from error
    return found


def serve(
    service: Service,
    follower: Follower,
    serving: Serving,
    at: socket.socket,
    tell: Callable[[], None],
) -> None:
    """Answer callers on a socket until SIGTERM or Ctrl-C; `tell` is called once it listens."""
    config = uvicorn.Config(
        guarded(service, serving.tokens),
        http="h11",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=int(serving.limits.seconds) + GRACE,
        # A proxy's word on who asks is needed for nothing here.
        proxy_headers=False,
    )
    server = _Quiet(config, tell)
    service.engine.start()
    try:
        follower.start()
        with _stopping(server):
            asyncio.run(server.serve(sockets=[at]))
    finally:
        follower.stop()
        service.engine.stop()


def guarded(service: Service, tokens: tuple[str, ...]) -> Any:
    """The application behind its doors."""
    app = Doors(application(service), Access(tokens))
    # Without a token, pages that a browser shows could ask, too.
    return app if tokens else OwnPages(app)


class _Quiet(uvicorn.Server):
    """Leaves signals to `_stopping`: uvicorn would end the process by the signal that it got."""

    def __init__(self, config: uvicorn.Config, tell: Callable[[], None]) -> None:
        super().__init__(config)
        self._told = tell

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._told()


@contextmanager
def _stopping(server: uvicorn.Server) -> Iterator[None]:
    """Within this, SIGTERM and Ctrl-C end the server; the second one at once."""

    def stop(*_: object) -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.signal(one, stop) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
