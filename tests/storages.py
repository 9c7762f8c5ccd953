"""Servers on loopback that rows are fetched from: a web server, and a hub of data sets."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
HUB_SET = "people/orders"


@dataclass
class Storage:
    """Files by path; each is sent with an ETag, its sha256. `tags` false: without one.

    `after` are files that take the place of others once these have been sent.
    """

    port: int
    files: dict[str, bytes]
    tags: bool = True
    after: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def storage(files: dict[str, bytes]) -> Iterator[Storage]:
    """Serve files, and below `/hub/` the same ones as the hub serves those of a data set."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def _answer(self) -> None:
            path = unquote(urlsplit(self.path).path)
            served.asked.append(f"{self.command} {path}")
            hub = f"/hub/api/datasets/{HUB_SET}"
            if path.startswith(f"{hub}/revision/"):
                self._json({"id": HUB_SET, "sha": COMMIT, "siblings": []}, known=_known(path))
            elif path.startswith(f"{hub}/tree/{COMMIT}"):
                self._json([_entry(name, data) for name, data in served.files.items()])
            elif path.startswith(f"/hub/datasets/{HUB_SET}/resolve/{COMMIT}/"):
                self._file(path.partition(f"{COMMIT}/")[2])
            else:
                self._file(path.lstrip("/"))

        def _json(self, value: object, *, known: bool = True) -> None:
            body = json.dumps(value).encode()
            self.send_response(200 if known else 404)
            if not known:
                self.send_header("X-Error-Code", "RevisionNotFound")
            self._body(body, "application/json")

        def _file(self, name: str) -> None:
            body = served.files.get(name)
            self.send_response(404 if body is None else 200)
            if body is not None and served.tags:
                self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
                self.send_header("X-Repo-Commit", COMMIT)
            self._body(body or b"", "application/octet-stream")
            if self.command == "GET" and name in served.after:
                served.files[name] = served.after[name]

        def _body(self, body: bytes, kind: str) -> None:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Storage(server.server_port, files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()


def _known(path: str) -> bool:
    return path.rpartition("/")[2] in ("main", "v1", COMMIT)


def _entry(name: str, data: bytes) -> dict[str, object]:
    oid = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    return {"type": "file", "path": name, "size": len(data), "oid": oid}
