"""`pawl publish`, and what `status`, `promote` and `rollback` say of what is served."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from published import Published

from pawl.core.records import Candidate, Champion, Cycle
from pawl.cycle import steps
from pawl.errors import PublishError


def pawl(tickets: Published, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pawl", *words]
    return subprocess.run(
        command, cwd=tickets.workspace.root, env=os.environ, capture_output=True, text=True
    )


def test_what_is_released_by_hand_is_published_and_what_is_not_served_has_an_exit_code(
    tickets: Published, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    tickets.targets({"kind": "folder", "path": str(out)})
    told = pawl(tickets, "status", "tickets")
    assert told.returncode == 8
    assert "`pawl publish tickets` mends it" in told.stdout
    done = pawl(tickets, "publish", "--json")
    assert done.returncode == 0, done.stderr
    [one] = json.loads(done.stdout)
    assert one["name"] == "tickets-v1"
    released = pawl(tickets, "promote", "tickets", "2", "--override", "--reason", "w")
    assert released.returncode == 0, released.stderr
    assert json.loads((out / "tickets.json").read_text())["served"] == "tickets-v2"
    assert pawl(tickets, "status", "tickets").returncode == 0
    # The release stands where it cannot be published.
    (out / "tickets.json").unlink()
    (out / "tickets.json").mkdir()
    back = pawl(tickets, "rollback", "tickets", "--reason", "w")
    assert back.returncode == 8
    assert "champion is version 1 now" in back.stdout
    assert "`pawl publish tickets` goes on from there" in back.stderr


def test_a_flow_publishes_what_is_champion_and_a_failure_is_retried_and_told(
    tickets: Published, tmp_path: Path
) -> None:
    workspace = tickets.workspace
    cycle = Cycle(
        "tickets", "promote", ("won",), Candidate(1, "d" * 64), Champion(1, "d" * 64), {}, {}, None
    )
    assert steps.published(workspace, cycle, pytest.fail) is cycle  # no target: nothing is called
    tickets.targets({"kind": "folder", "path": str(tmp_path / "out")})
    (tmp_path / "out").write_text("in its place")
    with pytest.raises(PublishError) as caught:
        steps.publish_champion(workspace, "tickets")

    class Failed:
        def result(self, **_: bool) -> Exception:
            return caught.value

    assert steps.is_retryable(None, None, Failed())
    told = steps.published(workspace, cycle, steps.publish_champion)
    assert told.verdict == "promote"
    assert "not published" in told.reasons[-1]
    (tmp_path / "out").unlink()
    assert steps.published(workspace, cycle, steps.publish_champion) is cycle
    assert (tmp_path / "out" / "tickets.json").is_file()


def test_looking_at_what_is_served_loads_nothing_heavy(tickets: Published, tmp_path: Path) -> None:
    tickets.targets({"kind": "folder", "path": str(tmp_path / "out")})
    code = (
        "import sys; from pawl.publish.publish import look; "
        "heavy = ('mlflow', 'torch', 'transformers', 'prefect'); "
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
