"""`pawl review` at a terminal and in a browser: keys, resuming, and nobody else's page."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import axe
import pytest
from browser import browser
from reviews import MINE, OTHER, waiting_cycle
from workbench import TASK, Bench

from pawl.commands.review import Reviewing, review_status
from pawl.core.records import Message
from pawl.ledger.provenance import author
from pawl.report.console import Terminal
from pawl.report.review import show_pair

ENV = {**os.environ, "PYTHONUNBUFFERED": "1"}


def pawl(bench: Bench, *words: str, keys: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pawl", "-C", str(bench.workspace.root), "review", TASK]
    return subprocess.run(
        [*command, *words], input=keys, capture_output=True, text=True, check=False, timeout=300
    )


@contextmanager
def page(bench: Bench) -> Iterator[tuple[str, str]]:
    """The address of a running page, and its key."""
    command = [sys.executable, "-m", "pawl", "-C", str(bench.workspace.root), "review", TASK]
    process = subprocess.Popen([*command, "--web"], stdout=subprocess.PIPE, text=True, env=ENV)
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/#(\S+)", process.stdout.readline())
        assert found is not None
        yield found[0], found[1]
    finally:
        process.terminate()
        process.wait(30)


def ask(url: str, headers: dict[str, str], value: Any = None) -> tuple[int, str]:
    data = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(url, data=data, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_keys_at_a_terminal_label_skip_undo_and_stop_and_it_goes_on_where_it_was(
    bench: Bench,
) -> None:
    waiting_cycle(bench)
    first = pawl(bench, keys="1\nx\n2\nu\ns\n0\nq\n")
    assert first.returncode == 0, first.stderr
    assert "2 of 20 pairs compared" in first.stdout
    assert all(len(line) <= 80 for line in first.stdout.splitlines())
    assert not any(word in first.stdout for word in ("candidate", "champion", "zero-shot"))
    assert review_status(bench.workspace, TASK).labelled == 2
    rest = pawl(bench, keys="0\n" * 18)
    assert f"next: pawl resume {TASK}" in rest.stdout
    told = json.loads(pawl(bench, "--json").stdout)
    assert told == {"task": TASK, "pairs": 20, "labelled": 20, "same": 0}


def test_who_labels_beside_somebody_else_goes_on_with_the_next_pair(bench: Bench) -> None:
    waiting_cycle(bench)
    command = [sys.executable, "-m", "pawl", "-C", str(bench.workspace.root), "review", TASK]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=ENV) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        while "pair 1 of 20" not in process.stdout.readline():
            pass
        Reviewing(bench.workspace, TASK).say(first_pair(bench), "left")
        said, _ = process.communicate("2\n1\nq\n", timeout=300)
    assert process.returncode == 0
    assert "has a label already" in said
    assert review_status(bench.workspace, TASK).labelled == 2


def first_pair(bench: Bench) -> str:
    pair = Reviewing(bench.workspace, TASK).next()
    assert pair is not None
    return pair.id


def test_answers_are_texts_to_a_terminal_and_never_commands() -> None:
    out = io.StringIO()
    console = Terminal(file=out, width=80, force_terminal=False)
    hostile = "\x1b[2J[bold]x[/bold] \u202egnol"
    turns = (Message("user", hostile), Message("assistant", hostile))
    show_pair(turns, (hostile, ""), title=hostile, console=console)
    text = out.getvalue()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[bold]x[/bold]" in text
    assert "(an empty answer)" in text


@pytest.mark.server
def test_the_page_answers_its_own_requests_with_the_key_of_this_start_alone(bench: Bench) -> None:
    waiting_cycle(bench)
    with page(bench) as (address, key):
        url = address.partition("#")[0]
        own = {"X-Pawl-Key": key}
        status, text = ask(url, {})
        assert status == 200
        assert MINE not in text
        assert OTHER not in text
        for headers in (
            {},
            {"X-Pawl-Key": "x"},
            {**own, "Origin": "https://evil.example"},
            {**own, "Host": "evil.example"},
            {**own, "Origin": "http://127.0.0.1:9"},
        ):
            assert ask(f"{url}next", headers, {})[0] == 403
        status, text = ask(f"{url}next", own, {})
        pair = json.loads(text)["pair"]
        assert status == 200
        assert {pair["left"][:13], pair["right"][:13]} == {MINE, OTHER}
        for bad in ("x", {"choice": "mine", "pair": pair["id"]}, {"choice": "left"}, [1]):
            assert ask(f"{url}next", own, bad)[0] == 400
        assert ask(f"{url}next", own, {"choice": "left", "pair": "f" * 64})[0] == 409
        assert ask(f"{url}build", own)[0] == 404
        assert review_status(bench.workspace, TASK).labelled == 0
        assert ask(f"{url}next", own, {"choice": "left", "pair": pair["id"]})[0] == 200
        assert review_status(bench.workspace, TASK).labelled == 1
        (path,) = (bench.workspace.home / "reviews" / TASK).iterdir()
        path.write_bytes(path.read_bytes().replace(b"left", b"right"))
        status, text = ask(f"{url}next", own, {})
        assert status == 409
        assert "is not signed" in json.loads(text)["error"]


@pytest.mark.server
def test_in_a_browser_keys_alone_do_and_everybody_can_read_it(bench: Bench) -> None:
    waiting_cycle(bench)
    with page(bench) as (address, _), browser() as tab:
        tab.open(address)
        tab.wait_for("!document.querySelector('#ask').hidden")
        shown = tab.ask("document.body.innerText")
        assert MINE in shown
        assert OTHER in shown
        assert not any(word in shown for word in ("candidate", "champion", author(bench.workspace)))
        for number, key in enumerate("120", start=1):
            press(tab, key)
            tab.wait_for(f"document.querySelector('progress').value === {number}")
        press(tab, "u")
        tab.wait_for("document.querySelector('progress').value === 2")
        before = tab.ask("document.querySelector('#prompt').textContent")
        press(tab, "s")
        tab.wait_for(f"document.querySelector('#prompt').textContent !== {json.dumps(before)}")
        assert axe.findings(tab) == []
        assert tab.complaints == []
    assert review_status(bench.workspace, TASK).labelled == 2


def press(tab: Any, key: str) -> None:
    for kind in ("keyDown", "keyUp"):
        text = {"text": key} if kind == "keyDown" else {}
        tab.send("Input.dispatchKeyEvent", type=kind, key=key, **text)
