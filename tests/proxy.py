"""A TCP proxy between client and server that spoils requests: it resets, delays, loses replies."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress


class Proxy:
    """Passes bytes on, both ways, until it is told otherwise. Used as a context manager."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.lost: list[bytes] = []
        self._lose: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self.listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def lose_reply(self, *paths: bytes) -> None:
        """Of the next request whose first line holds a path, one each, the reply is lost."""
        self._lose += paths

    def fate(self, request: bytes) -> str:
        """What becomes of a request, by its first line: `reset`, `delay`, `drop` or, '', nothing.

        A reset comes before the server has seen it; a dropped reply after it has answered, so after
        it has committed.
        """
        for path in self._lose:
            if path in request:
                self._lose.remove(path)
                self.lost.append(path)
                return "drop"
        return ""

    def __enter__(self) -> Proxy:
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._there, args=(client,), daemon=True).start()

    def _there(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=60)
        except OSError:
            reset(client)
            return
        for end in (client, server):
            # A proxy must not add the wait of Nagle's algorithm to what it measures.
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        doomed = threading.Event()
        back = threading.Thread(target=self._back, args=(server, client, doomed), daemon=True)
        back.start()
        with suppress(OSError):
            while data := client.recv(1 << 16):
                line = data.split(b"\r\n", 1)[0]
                # A body comes in pieces of its own; what is to become of it was said already.
                fate = self.fate(line) if line.endswith(b" HTTP/1.1") else ""
                if fate == "reset":
                    reset(client)
                    break
                if fate == "delay":
                    time.sleep(0.5)
                if fate == "drop":
                    doomed.set()
                server.sendall(data)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _back(self, server: socket.socket, client: socket.socket, doomed: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                if doomed.is_set():
                    # The server has answered, so it has committed; the client never learns.
                    break
                client.sendall(data)
        reset(client)
        server.close()


def reset(client: socket.socket) -> None:
    """End a connection without another word; RST where nobody reads from it any more."""
    with suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # A thread that waits in recv would keep the connection open beyond its close.
        client.shutdown(socket.SHUT_RDWR)
    client.close()
