"""`pawl ui` as a process, for tests that speak to its servers."""

from __future__ import annotations

import base64
import http.client
import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from browser import Tab

from pawl.workspace.paths import Workspace

IMPORTS = """
from pathlib import Path
from pawl.commands.ui import serve_ui
from pawl.workspace.paths import Workspace
"""


@dataclass(frozen=True)
class Served:
    """Both servers of a workspace: their addresses, the key, and what `pawl ui` printed."""

    workspace: Workspace
    mlflow: str
    prefect: str
    said: str

    @property
    def key(self) -> str:
        path = self.workspace.home / "keys" / "prefect.key"
        return path.read_text().strip() if path.exists() else ""


def free_ports() -> tuple[int, int]:
    with socket.socket() as a, socket.socket() as b:
        a.bind(("127.0.0.1", 0))
        b.bind(("127.0.0.1", 0))
        return a.getsockname()[1], b.getsockname()[1]


def start(workspace: Workspace, ports: tuple[int, int]) -> subprocess.Popen[str]:
    call = f"serve_ui(Workspace(Path.cwd()), mlflow_port={ports[0]}, prefect_port={ports[1]})"
    return subprocess.Popen(
        [sys.executable, "-c", f"{IMPORTS}{call}"],
        cwd=workspace.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Run by a script in the background, tests ignore Ctrl-C, and their children inherit that.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def read_until(process: subprocess.Popen[str], word: str) -> str:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if word in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


@contextmanager
def served(workspace: Workspace) -> Iterator[Served]:
    """`pawl ui` in a workspace, one without tasks if there is none, until the block ends."""
    if not workspace.params_file.exists():
        workspace.params_file.write_text("tasks: {}\n")
    ports = free_ports()
    process = start(workspace, ports)
    try:
        said = read_until(process, "pawl worker")
        mlflow, prefect = (f"http://127.0.0.1:{port}" for port in ports)
        yield Served(workspace, mlflow, prefect, said)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def log_in(tab: Tab, ui: Served) -> None:
    """As a person does: open the page, type the key's line, press the button."""
    tab.open(ui.prefect)
    tab.wait_for("document.querySelector('input[type=password]')")
    tab.ask("document.querySelector('input[type=password]').focus()")
    tab.send("Input.insertText", text=ui.key)
    tab.ask("document.querySelector('button[type=submit]').click()")
    tab.wait_for("!document.querySelector('input[type=password]')")


def ask(
    ui: Served, method: str, path: str, body: Any = None, more: dict[str, str] | None = None
) -> Any:
    """One request to Prefect's API with the key, and `more` headers."""
    request = urllib.request.Request(
        f"{ui.prefect}/api{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **basic(ui.key), **(more or {})},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def basic(key: str) -> dict[str, str]:
    """The header that a client of Prefect with this key sends."""
    return {"Authorization": f"Basic {base64.b64encode(key.encode()).decode()}"}


def get(url: str) -> Any:
    """What an address answers to anybody on this machine."""
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.load(answer)


def status(server: str, method: str, path: str, headers: dict[str, str]) -> int:
    """The status of an answer; `headers` are sent as they are, also Host."""
    line = http.client.HTTPConnection(urlsplit(server).netloc, timeout=20)
    body = json.dumps({"name": "x", "value": "x", "type": "process"})
    line.request(method, path, body=body, headers={"Content-Type": "application/json", **headers})
    try:
        return line.getresponse().status
    finally:
        line.close()
