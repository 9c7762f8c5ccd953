"""`pawl serve` as a process on loopback, on the tiny base with adapters whose answers differ."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from released_tasks import MOST, Served, make_served, write_real_adapter

from pawl.workspace.paths import Workspace

__all__ = [
    "MOST", "PROMPTS", "TOKEN", "Running", "Served", "make_served", "serving", "write_real_adapter",
]  # fmt: skip

TOKEN = "0123456789abcdef-token"
Reply = tuple[int, dict[str, str], Any]
PROMPTS = [
    "Hello, where is my parcel? The order is ORD-2023-41778. I need it today!",
    "Copy this: AB-12345",
    "Write the city and the year as JSON: Oslo, 1999. Then once more, and then the end.",
    "ok",
    "List the fruit: apple, pear, fig and plum, please, one on each line.",
    "My invoice 5521 is wrong, and nobody answers the telephone. What is going on there?",
]


@dataclass
class Running:
    """A server that answers: where, and what it has said so far on both outputs."""

    process: subprocess.Popen[str]
    port: int
    lines: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def said(self) -> str:
        return "".join(self.lines)

    def ask(
        self, path: str, body: Any = None, *, token: str | None = TOKEN, **headers: str
    ) -> Reply:
        """Status, headers in small letters, and body (JSON, if it is some) of one request."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        given = {"Content-Type": "application/json", **headers}
        given |= {"Authorization": f"Bearer {token}"} if token else {}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            line.request("GET" if data is None else "POST", path, data, given)
            answer = line.getresponse()
            text = answer.read()
        finally:
            line.close()
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        return answer.status, {n.lower(): v for n, v in answer.getheaders()}, value

    def chat(self, text: str, model: str = "tickets", **more: Any) -> Reply:
        messages = [{"role": "user", "content": text}]
        return self.ask("/v1/chat/completions", {"model": model, "messages": messages, **more})

    def health(self) -> Any:
        return self.ask("/health")[2]


@contextmanager
def serving(workspace: Workspace, *words: str, token: str | None = TOKEN) -> Iterator[Running]:
    """`pawl serve` in a workspace, until the block ends; it must end well then."""
    command = [sys.executable, "-m", "pawl", "serve", "--port", "0", "--every", "0.2", *words]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    env |= {"PAWL_SERVE_TOKENS": token} if token else {}
    process = subprocess.Popen(
        command,
        cwd=workspace.root,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    lines: list[str] = []
    assert process.stdout is not None
    try:
        for line in process.stdout:
            lines.append(line)
            if found := re.search(r"serving on http://\S+:(\d+)/v1", line):
                break
        else:
            raise AssertionError("".join(lines))
        # Nobody else reads it, and a full pipe would stop the server.
        reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()), daemon=True)
        reader.start()
        running = Running(process, int(found[1]), lines)
        yield running
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, running.said()
    finally:
        process.kill()
        process.wait()
