"""A chat-completions server on loopback, and judges that answer there by a rule."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Requests = list[dict[str, Any]]
# Status, body and headers of the response to the nth request.
Respond = Callable[[int, dict[str, Any]], tuple[int, Any, dict[str, str]]]
# How much an answer to a request is liked.
Liking = Callable[[str, str], float]


@contextmanager
def server(respond: Respond) -> Iterator[tuple[str, Requests]]:
    """A chat-completions server on loopback: its URL, and the requests that it got."""
    requests: Requests = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                requests.append({"path": self.path, "headers": dict(self.headers), "body": body})
                number = len(requests)
            status, value, headers = respond(number, body)
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            for name, text in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Silent: the tests read the recorded requests instead."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}/v1", requests
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


def material(body: dict[str, Any]) -> tuple[str, str, str]:
    """What a judge is given: the request's last turn, and the answers A and B."""
    value = json.loads(body["messages"][-1]["content"])
    return value["request"][-1]["content"], value["A"], value["B"]


def says(text: str | None) -> tuple[int, Any, dict[str, str]]:
    return 200, {"choices": [{"message": {"content": text}}]}, {}


def judge(liking: Liking, *, wrong: float = 0.0, place: float = 0.0, flips: float = 0.0) -> Respond:
    """A judge that chooses what it likes better.

    In a share `wrong` of the pairs it takes the other one, in both orders; in a share `place` of
    the questions the first; in a share `flips` it tosses a coin each time.
    """
    anew = random.Random(7)

    def respond(_: int, body: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        request, a, b = material(body)
        drawn = random.Random(f"{request} {sorted((a, b))}")
        better = liking(request, a) - liking(request, b)
        better = -better if drawn.random() < wrong else better
        if drawn.random() < place:
            better = 1
        elif anew.random() < flips:
            better = anew.choice((1, -1))
        choice = "neither" if not better else "A" if better > 0 else "B"
        return says(json.dumps({"better": choice}))

    return respond
