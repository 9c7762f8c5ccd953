"""No text of others commands the terminal, is taken for markup, or marks up a page."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text
from workbench import TASK, Bench

from pawl.core.records import Champion, Cycle, Verdict
from pawl.core.records.commands import HistoryEntry
from pawl.core.records.cycle import Candidate
from pawl.core.visible import OBEYED, visible, visible_json
from pawl.gate.flips import Changed, Flip
from pawl.report.console import Terminal
from pawl.report.flips import FlipsReport, show_flips
from pawl.report.markdown import cycle_page, verdict_page
from pawl.report.terminal import show_cycle, show_history, show_record, show_rows

# Of a terminal's own: colours and weights.
STYLE = re.compile(r"\x1b\[[0-9;]*m")
HOSTILE = (
    "\x1b]0;pwned\x07\x1b[2J\x1b[31mred \x9b1A \rover\b\b \u202egnol\u2066 \x7f \U000e0041 "
    "[bold]bold[/] [link=https://x.y]click[/link] :warning: [/] <script>alert(1)</script> "
    "[a](javascript:b) ![i](https://x.y/i.png) \ud800 end"
)
texts = st.text(st.characters() | st.sampled_from("\x1b[]\x9b\u202e\ud800/:\\"), max_size=40)


def shown(show: Any, *values: Any, **options: Any) -> str:
    out = io.StringIO()
    console = Terminal(file=out, width=400, force_terminal=True, color_system="truecolor")
    show(*values, console=console, **options)
    return STYLE.sub("", out.getvalue())


def test_every_record_is_shown_with_its_texts_as_they_are_and_no_command_in_them() -> None:
    champion = Champion(None, None)
    cycle = Cycle(
        task=TASK,
        verdict="reject",
        reasons=(HOSTILE,),
        candidate=Candidate(None, None),
        champion=champion,
        scores={},
        rows={},
        run_id=None,
    )
    when = "2026-01-01T00:00:00"
    entry = HistoryEntry(1, HOSTILE, 2, None, 1, when, HOSTILE, HOSTILE, None, None)
    flip = Flip(HOSTILE, True, HOSTILE, HOSTILE, HOSTILE, HOSTILE, (1.0, 0.0))
    flips = FlipsReport(TASK, 2, 1, "exact_match", (flip,), (), Changed((HOSTILE,), (), ()))
    pages = {
        "cycle": shown(show_cycle, cycle, left_out=(HOSTILE,)),
        "history": shown(show_history, [entry], title=HOSTILE),
        "record": shown(show_record, cycle),
        "rows": shown(show_rows, [{HOSTILE: HOSTILE}], title="t"),
        "flips": shown(show_flips, flips),
        "text": shown(lambda console: console.print(Text(HOSTILE))),
        "facts": shown(lambda console: console.print(HOSTILE)),
    }
    for name, page in pages.items():
        assert OBEYED.search(page) is None, (name, page)
        assert "[bold]bold[/]" in page, name
        assert "[link=https://x.y]" in page, name
        assert r"\x1b]0;pwned" in page, name
        assert ":warning:" in page, name


@given(texts)
def test_a_visible_text_commands_nothing_and_an_ordinary_one_is_itself(text: str) -> None:
    assert OBEYED.search(visible(text)) is None
    assert visible(visible(text)) == visible(text)
    if text.isprintable() and OBEYED.search(text) is None:
        assert visible(text) == text


@given(st.dictionaries(texts, texts, max_size=3))
def test_json_for_machines_is_the_same_value_and_has_no_command_either(value: Any) -> None:
    text = visible_json(json.dumps(value, ensure_ascii=False))
    assert OBEYED.search(text) is None
    assert json.loads(text) == value


def test_a_page_of_mlflow_or_prefect_shows_hostile_texts_as_texts() -> None:
    verdict = Verdict(TASK, "reject", (HOSTILE,), "d", Champion(None, None), None, (), {}, {})
    cycle = Cycle(
        task=TASK,
        verdict="reject",
        reasons=(HOSTILE,),
        candidate=Candidate(None, None),
        champion=Champion(None, None),
        scores={},
        rows={},
        run_id=None,
    )
    for page in (verdict_page(verdict, stale=HOSTILE), cycle_page(cycle, mlflow="http://h")):
        assert OBEYED.search(page) is None
        # Each mark is escaped: no tag, no link, no picture is left.
        assert re.search(r"(?<!\\)[<\[\]]", page.split("####")[0]) is None, page


@pytest.fixture
def hostile_store(bench: Bench) -> Bench:
    """A history whose reasons and authors are hostile, as git and MLflow keep them."""
    bench.cycle(1)
    bench.cycle(2)
    return bench


def pawl(bench: Bench, *words: str) -> subprocess.CompletedProcess[str]:
    author = HOSTILE.replace("\ud800", "")
    config = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "user.name",
        "GIT_CONFIG_VALUE_0": author,
    }
    env = os.environ | config
    command = [sys.executable, "-m", "pawl", "-C", str(bench.workspace.root), *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, errors="replace")


def test_commands_of_the_real_thing_print_nothing_that_a_terminal_obeys(
    hostile_store: Bench,
) -> None:
    reason = HOSTILE.replace("\ud800", "")
    back = pawl(hostile_store, "rollback", TASK, "--reason", reason)
    assert back.returncode == 0, back.stderr
    told = [
        back,
        pawl(hostile_store, "history", TASK),
        pawl(hostile_store, "status", TASK),
        pawl(hostile_store, "promote", TASK, "2", "--reason", reason),
        pawl(hostile_store, "status", f"no such {reason}"),
    ]
    for done in told:
        assert OBEYED.search(done.stdout + done.stderr) is None, done
        assert "Traceback" not in done.stderr
    assert r"\x1b]0;pwned" in told[1].stdout
    as_json = pawl(hostile_store, "history", TASK, "--json").stdout
    assert OBEYED.search(as_json) is None
    assert json.loads(as_json)[-1]["why"] == reason
