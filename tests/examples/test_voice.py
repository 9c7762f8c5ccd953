"""The voice example goes from `pawl new` to a verdict that people gave, on the tiny base."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

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
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=1200)


@pytest.mark.slow
@pytest.mark.server
def test_from_a_new_task_to_a_verdict_that_people_gave(tmp_path: Path, base_folder: Path) -> None:
    workspace = init(tmp_path / "workspace")
    new_task(workspace, "voice", Sources(made(tmp_path), base=str(base_folder)))
    params = yaml.safe_load(workspace.params_file.read_text())
    section = params["tasks"]["voice"]
    section["gate"] = {"metric": "preference", "pairs": 60, "looks": 3}
    section["train"] |= {"epochs": 8, "precision": "float32"}
    section["evaluate"] |= {"max_new_tokens": 64}
    workspace.params_file.write_text(yaml.safe_dump(params))

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
