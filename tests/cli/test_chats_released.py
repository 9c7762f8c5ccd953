"""Calls of functions, and chats of several turns, as people bring them: from file to champion."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pawl.commands.init import init
from pawl.core.calls import parse_calls
from pawl.workspace.paths import Workspace

# A training and a judgement each: minutes, and many on a busy machine.
pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(1800)]

ROWS = 200
TOWNS = ("Oslo", "Lima", "Cairo", "Paris", "Quito", "Delhi", "Rome", "Perth", "Bonn", "Turin")
ASKED = {
    "open_gate": ("Open the gate of {}.", "Let {} in, please.", "{} waits, open up!"),
    "close_gate": ("Close the gate of {}.", "Nobody else for {}.", "Shut {} now."),
    "count_cars": ("How many cars are in {}?", "Count the cars of {}.", "Cars at {}?"),
}
TOOLS = [{"type": "function", "function": {"name": name}} for name in ASKED]


def answer(workspace: Workspace, *words: str) -> Any:
    """The JSON that a command ends with; a busy machine may take long."""
    command = [sys.executable, "-m", "pawl", "-C", str(workspace.root), *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    return json.loads(done.stdout)


def call(name: str, place: str, number: int) -> dict[str, Any]:
    """An assistant's turn with one call, written in one of the ways that are about."""
    arguments: Any = {"place": place}
    made: dict[str, Any] = {"role": "assistant"}
    if number % 3:
        made["content"] = None if number % 3 == 1 else ""
    if number % 7 == 0:
        return made | {"function_call": {"name": name, "arguments": json.dumps(arguments)}}
    text = json.dumps(arguments) if number % 2 else arguments
    function = {"name": name, "arguments": text}
    return made | {"tool_calls": [{"id": f"c{number}", "type": "function", "function": function}]}


def calling_rows() -> list[dict[str, Any]]:
    """Rows of OpenAI's form with tools; some call again after a result, some end otherwise."""
    draw, rows = random.Random(3), []
    for number in range(ROWS):
        name, place = draw.choice(list(ASKED)), f"{draw.choice(TOWNS)}-{draw.randrange(10, 99)}"
        turns: list[dict[str, Any]] = [{"role": "developer" if number % 5 else "system",
                                        "content": "You watch gates."}]  # fmt: skip
        if number % 4 == 0:
            turns += [
                {"role": "user", "content": f"How many cars are in {place}?"},
                call("count_cars", place, number),
                {"role": "tool", "tool_call_id": f"c{number}", "content": {"cars": number % 9}},
            ]
        asked = draw.choice(ASKED[name]).format(place)
        parts = [{"type": "text", "text": asked}]
        turns.append({"role": "user", "content": parts if number % 6 == 0 else asked})
        turns.append(call(name, place, number))
        if number % 10 == 0:  # a chat that ends with its user, and a turn that is not to be learned
            turns += [{"role": "assistant", "content": "Hm.", "weight": 0}]
            turns += [{"role": "user", "content": "Thanks."}]
        tools: Any = json.dumps(TOOLS) if number % 8 == 0 else TOOLS
        rows.append({"id": number, "messages": turns, "tools": tools, "parallel_tool_calls": False})
    return rows


def chats() -> list[dict[str, Any]]:
    """ShareGPT's rows: two towns are named one after the other, then one of them is asked for."""
    draw, rows = random.Random(5), []
    for number in range(ROWS):
        first, second = (f"{t}-{draw.randrange(10, 99)}" for t in draw.sample(TOWNS, 2))
        turns = [
            {"from": "human", "value": draw.choice(["I am at {}.", "Start at {}."]).format(first)},
            {"from": "gpt", "value": f"From {first}."},
            {"from": "human", "value": draw.choice(["To {}.", "I go to {}."]).format(second)},
            {"from": "gpt", "value": f"To {second}."},
            {"from": "human", "value": draw.choice(["Where do I go?", "Where to?"])},
            {"from": "gpt", "value": second},
        ]  # fmt: skip
        if number % 5 == 0:
            turns.insert(0, {"from": "system", "value": "You plan trips."})
        if number % 9 == 0:
            turns.append({"from": "human", "value": "Bye!"})
        rows.append({"conversations": turns, "source": "desk", "score": number / 10})
    return rows


def released(folder: Path, base: Path, rows: list[dict[str, Any]]) -> tuple[Workspace, Any, Any]:
    """A workspace in which `pawl new` and `pawl run` were typed, and what they answered."""
    file = folder / "rows.jsonl"
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    file.write_text("\ufeff" + "\n".join(lines) + "\n", encoding="utf-8")
    workspace = init(folder / "workspace")
    new = answer(workspace, "new", "t", "--data", str(file), "--base", str(base))
    text = workspace.params_file.read_text(encoding="utf-8")
    workspace.params_file.write_text(re.sub(r"epochs: \d+", "epochs: 3", text), encoding="utf-8")
    return workspace, new, answer(workspace, "run", "t")


def test_a_set_with_functions_becomes_a_champion_whose_answers_are_calls(
    tmp_path: Path, base_folder: Path
) -> None:
    workspace, new, run = released(tmp_path, base_folder, calling_rows())
    assert new["section"]["gate"]["metric"] == "calls_match"
    assert (run["verdict"], run["champion"]["version"]) == ("promote", 1), run["reasons"]
    assert run["scores"]["candidate"]["calls_match"] > 0.25
    rows = [json.loads(line) for line in (workspace.files("t").eval / "rows.jsonl").open()]
    answers = [row["output"] for row in rows if row["contender"] == "candidate"]
    called = [parse_calls(text) for text in answers]
    assert all(len(found) == 1 and found[0]["name"] in ASKED for found in called)


def test_chats_of_several_turns_become_a_champion(tmp_path: Path, base_folder: Path) -> None:
    _, new, run = released(tmp_path, base_folder, chats())
    assert new["section"]["check"]["turns"] == "all"
    assert any("600 answers taught" in line for line in new["understood"])
    assert (run["verdict"], run["champion"]["version"]) == ("promote", 1), run["reasons"]
    assert run["scores"]["candidate"]["exact_match"] > 0.5
