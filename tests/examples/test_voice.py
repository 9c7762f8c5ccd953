"""The voice example goes from `pawl new` to a verdict that people gave, on the tiny base."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from pawl.commands.init import init
from pawl.commands.new import new_task
from pawl.commands.sources import Sources
from pawl.core.records import Cycle
from pawl.workspace.paths import Workspace

ROOT = Path(__file__).parents[2]
VOICE = ROOT / "examples" / "voice"


def made(folder: Path) -> Path:
    path = folder / "voice.jsonl"
    subprocess.run([sys.executable, VOICE / "generate.py", "--out", path], check=True)
    return path


def test_the_generator_makes_the_same_bytes_and_no_question_twice(tmp_path: Path) -> None:
    first = made(tmp_path / "a").read_bytes()
    assert first == made(tmp_path / "b").read_bytes()
    rows = [json.loads(line) for line in first.decode().splitlines()]
    assert len({row["prompt"].casefold() for row in rows}) == len(rows) == 420
    # There is no exact answer: the same question has several that are as good.
    assert len({row["completion"] for row in rows}) > 300


def pawl(workspace: Workspace, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pawl", "-C", str(workspace.root), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=2400)


def asking(folder: Path, base_folder: Path, **gate: Any) -> Workspace:
    """A workspace with the task, judged by people."""
    workspace = init(folder / "workspace")
    new_task(workspace, "voice", Sources(made(folder), base=str(base_folder)))
    params = yaml.safe_load(workspace.params_file.read_text())
    section = params["tasks"]["voice"]
    section["gate"] = {"metric": "preference", "pairs": 60, "looks": 3, **gate}
    section["train"] |= {"epochs": 8, "precision": "float32"}
    section["evaluate"] |= {"max_new_tokens": 64}
    workspace.params_file.write_text(yaml.safe_dump(params))
    return workspace


@contextmanager
def judge() -> Iterator[str]:
    """The url of the example's judge."""
    command = [sys.executable, VOICE / "judge.py"]
    served = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert served.stdout is not None
        yield served.stdout.readline().strip()
    finally:
        served.terminate()
        served.wait(60)


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.timeout(3000)
def test_from_a_new_task_to_a_verdict_that_people_gave(tmp_path: Path, base_folder: Path) -> None:
    workspace = asking(tmp_path, base_folder)
    run = pawl(workspace, "run", "voice")
    assert run.returncode == 7, run.stdout[-2000:] + run.stderr[-3000:]
    assert "pairs of answers wait to be compared by people" in run.stdout
    assert pawl(workspace, "run", "voice").returncode == 7, "nothing is trained over it"

    review(workspace)
    done = pawl(workspace, "resume", "voice", "--json")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (cycle,) = json.loads(done.stdout)
    assert set(cycle) == {*Cycle.__dataclass_fields__}
    assert cycle["champion"]["version"] == 1
    assert "people prefer it to" in cycle["reasons"][0]
    assert pawl(workspace, "replay", "voice", "1").returncode == 0
    assert pawl(workspace, "verify", "voice").returncode == 0


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.timeout(3000)
def test_from_a_new_task_to_a_verdict_of_people_and_a_judge(
    tmp_path: Path, base_folder: Path
) -> None:
    with judge() as url:
        policy = {"url": url, "model": "harbour-judge", "rubric": "rubric.md"}
        workspace = asking(tmp_path, base_folder, judge=policy)
        (workspace.root / "rubric.md").write_text((VOICE / "rubric.md").read_text())
        run = pawl(workspace, "run", "voice")
        assert run.returncode == 7, run.stdout[-2000:] + run.stderr[-3000:]
    assert "harbour-judge" not in run.stdout, "it sways nobody before all labels are there"

    review(workspace)
    done = pawl(workspace, "resume", "voice")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    said = " ".join(done.stdout.split())
    assert "people prefer it to" in said
    assert "the judge harbour-judge takes part: on " in said
    assert "pairs that they told apart (at least" in said
    assert "its choice followed the place in" in said
    assert "a repeat changed" in said
    assert "the judge harbour-judge" in workspace.files("voice").page.read_text()
    # The judge is gone; the evidence is not.
    assert pawl(workspace, "replay", "voice", "1").returncode == 0
    assert pawl(workspace, "verify", "voice").returncode == 0
    # A new candidate would be judged by it, and nothing is paid for one that cannot be.
    forced = pawl(workspace, "run", "voice", "--force")
    assert forced.returncode == 1, forced.stdout[-2000:] + forced.stderr[-2000:]
    assert "the judge harbour-judge" in forced.stderr + forced.stdout


def review(workspace: Workspace) -> None:
    command = [sys.executable, "-m", "pawl", "-C", str(workspace.root), "review", "voice", "--web"]
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    page = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
    try:
        assert page.stdout is not None
        address = re.search(r"http://\S+", page.stdout.readline())
        assert address is not None
        reviewer = [sys.executable, VOICE / "reviewer.py", address[0]]
        subprocess.run(reviewer, check=True, timeout=600)
    finally:
        page.terminate()
        page.wait(60)
