"""The main job from the command line: cycles, releases, exit codes, and errors that teach."""

from __future__ import annotations

import json
import re
import resource
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pawl.core.files import digest_file, digest_md5
from pawl.workspace.paths import Workspace

pytestmark = pytest.mark.server
# What Prefect's pages say of the runs so far, oldest first.
MESSAGES = "select message from flow_run_state where name = 'Rejected'"
RUNS = "select name, state_type, state_name from flow_run order by start_time"
HEAD = ("rev-parse", "HEAD")
PRICES = "{prompt_tokens: 0.5, output_tokens: 1.5, train_hour: 2.0}"


def pawl(workspace: Workspace, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would, in the workspace."""
    command = [sys.executable, "-m", "pawl", "-C", str(workspace.root), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=1500)


def answer(workspace: Workspace, *words: str, code: int = 0) -> Any:
    """The JSON that a command ends with."""
    done = pawl(workspace, *words, "--json")
    assert done.returncode == code, done.stderr[-3000:]
    return json.loads(done.stdout)


def edit(workspace: Workspace, old: str, new: str) -> None:
    text = workspace.params_file.read_text(encoding="utf-8")
    assert old in text
    workspace.params_file.write_text(text.replace(old, new), encoding="utf-8")


def git(workspace: Workspace, *words: str) -> str:
    who = ("-c", "user.name=A tester", "-c", "user.email=tester@example.org")
    command = ["git", *who, *words]
    return subprocess.run(
        command, cwd=workspace.root, capture_output=True, text=True, check=True
    ).stdout


def commit(workspace: Workspace) -> None:
    git(workspace, "add", "--all")
    git(workspace, "commit", "--quiet", "--message", "the task")


def test_a_cycle_judges_and_releases_and_the_record_answers_for_it(
    quick_workspace: Workspace,
) -> None:
    # A metric that one short epoch reaches and the bare base does not.
    edit(quick_workspace, "epochs: 1", "epochs: 3")
    # Prompts that are held to the schema are as valid as an adapter can be.
    edit(quick_workspace, "schema_decoding: baselines", "schema_decoding: none")
    edit(quick_workspace, "metric: exact_match", "metric: schema_valid\n      forgetting: 100")
    edit(quick_workspace, "exact_match: 0.1", "schema_valid: 0.1")
    edit(quick_workspace, "    train:", f"    cost: {PRICES}\n    train:")
    commit(quick_workspace)
    first = answer(quick_workspace, "run", "tickets")
    assert first["verdict"] == "promote", first["reasons"]
    assert first["candidate"]["version"] == first["champion"]["version"] == 1
    assert {"candidate", "zero-shot", "few-shot"} <= set(first["scores"])
    assert any("guard on forgetting" in reason for reason in first["reasons"])
    assert "beats prompting" in first["worth"]["says"][0]
    assert first["worth"]["training"] > 0
    assert set(first["rows"]) == {"train", "dev", "gate"}

    again = answer(quick_workspace, "run", "tickets")
    assert again["verdict"] == "unchanged"
    assert again["champion"]["version"] == 1

    # So small a rate learns next to nothing: that candidate cannot be better.
    edit(quick_workspace, "learning_rate: 0.002", "learning_rate: 0.000001")
    second = answer(quick_workspace, "run", "tickets", code=3)
    assert second["verdict"] == "reject", second["reasons"]
    assert second["candidate"]["version"] == 2
    assert second["champion"]["version"] == 1
    assert "champion" in second["scores"]
    with closing(sqlite3.connect(quick_workspace.home / "prefect" / "prefect.db")) as pages:
        runs = pages.execute(RUNS).fetchall()
        logged = "\n".join(text for (text,) in pages.execute("select message from log"))
        artifacts = dict(pages.execute("select key, data from artifact order by created"))
        said = pages.execute(MESSAGES).fetchall()
    # A rejection is not what a promotion looks like; the unchanged cycle needed no run.
    md5 = digest_md5(quick_workspace.root / "data" / "tickets.jsonl")
    assert runs == [
        (f"tickets · data {md5[:12]}", "COMPLETED", "Promoted"),
        (f"tickets · data {md5[:12]}", "COMPLETED", "Rejected"),
    ]
    assert said == [(f"champion: version 1; {second['reasons'][0]}",)]
    assert "Finished in state Completed" not in logged
    assert re.search(r"train: step \d+ of \d+, loss \d", logged)
    assert re.search(r"train: .*by the last cycles", logged)
    name = quick_workspace.params().name
    page = json.loads(artifacts[f"cycle-{name}--tickets"])
    assert page.startswith("## tickets: reject")
    for at in (
        f"runs/{second['run_id']}",
        f"models/{name}.tickets/versions/2",
        f"models/{name}.tickets/versions/1",
    ):
        assert f"](http://127.0.0.1:5000/#/{at})" in page
    flips = answer(quick_workspace, "flips", "tickets")
    assert (flips["version"], flips["against"], flips["metric"]) == (2, 1, "schema_valid")
    assert len(flips["lost"]) > len(flips["won"])
    assert all(row["prompt"] and row["reference"] for row in flips["lost"])
    assert flips["data"] == {"added": [], "removed": [], "relabelled": []}
    # The first version had no champion before it: its rows are beside those of what it had to beat.
    first_flips = answer(quick_workspace, "flips", "tickets", "1")
    assert first_flips["against"] in first["scores"]
    assert first_flips["won"]
    assert first_flips["data"] is None
    page = quick_workspace.files("tickets").page.read_text(encoding="utf-8")
    for told in (
        "Rejected: version 2 is not released; version 1 stays champion.",
        f'id="lost">{len(flips["lost"])} lost',
        f'id="won">{len(flips["won"])} won',
        f"With {second['rows']['gate']} gate rows",
        "<dt>train.learning_rate</dt><dd>0.002 → 1e-06</dd>",
        *(section + '">' for section in ("forest panel", 'id="cost', 'id="training', 'id="fields')),
    ):
        assert told in page, told
    shown = pawl(quick_workspace, "flips", "tickets", "2")
    assert flips["lost"][0]["id"] in shown.stdout

    refused = pawl(quick_workspace, "promote", "tickets", "2", "--reason", "I like it")
    assert refused.returncode == 2
    assert "--override" in refused.stderr
    answer(quick_workspace, "promote", "tickets", "2", "--reason", "I like it", "--override")
    answer(quick_workspace, "rollback", "tickets", "--reason", "it was no better")
    history = answer(quick_workspace, "history", "tickets")
    assert [(e["kind"], e["version"]) for e in history] == [
        ("first", 1), ("override", 2), ("rollback", 1),
    ]  # fmt: skip
    assert all(entry["when"] and entry["who"] and entry["why"] for entry in history)

    assert answer(quick_workspace, "resume", "tickets") == []
    refused = pawl(quick_workspace, "retire", "tickets", "2", "--reason", "no good")
    assert refused.returncode == 2
    assert "what a rollback may need" in refused.stderr
    space = answer(quick_workspace, "gc")
    assert (space["freed"], space["found"]) == (False, [])

    trends = answer(quick_workspace, "report", "tickets")
    assert [(one["version"], one["released"]) for one in trends["versions"]] == [
        (1, True),
        (2, True),
    ]
    assert trends["same_rows"] == second["rows"]["gate"]
    schema = [one["scores"]["candidate"]["schema_valid"] for one in (first, second)]
    assert [one["same"] for one in trends["versions"]] == pytest.approx(schema)
    assert quick_workspace.files("tickets").trends.is_file()
    status = answer(quick_workspace, "status", "tickets")
    assert (status["champion"]["version"], status["page"]) == (1, "build/tickets/verdict.html")
    assert status["last"]["verdict"] == "reject"
    assert [status["looks"][name] for name in ("used", "of", "budget")] == [2, 3, 1]
    assert answer(quick_workspace, "compare", "tickets", "1", "2")["versions"] == [1, 2]
    traced = answer(quick_workspace, "status", "tickets", "--lineage")
    rows, head = quick_workspace.root / "data" / "tickets.jsonl", git(quick_workspace, *HEAD)
    made_from = {"sha256": digest_file(rows), "md5": digest_md5(rows), "commit": head.strip()}
    assert [one["data"] for one in traced["versions"]] == [made_from, made_from]
    assert [one["champion"] for one in traced["versions"]] == [False, True]
    assert [one["versions"] for one in traced["data"]] == [[1, 2]]
    (said,) = answer(quick_workspace, "predict", "tickets", "Where is my parcel AB-12345?")
    assert said["answer"]
    plan = answer(quick_workspace, "plan", "tickets")
    assert plan["rows"] == second["rows"]
    training = json.loads(quick_workspace.files("tickets").training.read_text(encoding="utf-8"))
    assert plan["training"]["choices"] == training["choices"]
    assert plan["training"]["seconds"] > 0
    on_card = answer(quick_workspace, "plan", "tickets", "--device", "24GB")["training"]
    assert (on_card["device"]["cuda"], on_card["fits"], on_card["speed"]) == (True, True, None)

    # Version 1 from its own commit, though the parameters here are those of version 2 by now.
    again = answer(quick_workspace, "reproduce", "tickets", "1")
    assert again["same"], again
    assert again["scores"] == first["scores"]["candidate (dev)"]
    trees = git(quick_workspace, "worktree", "list")
    assert len(trees.splitlines()) == 1, "the clean worktree was left behind"
    refused = pawl(quick_workspace, "reproduce", "tickets", "2")
    assert refused.returncode == 2
    assert "-dirty" in refused.stderr

    edit(quick_workspace, "      looks: 3", "      disclosure: sealed\n      looks: 3")
    refused = pawl(quick_workspace, "flips", "tickets", "2")
    assert refused.returncode == 2
    assert "sealed" in refused.stderr


def test_data_that_breaks_a_rule_ends_in_exit_code_5_and_keeps_the_champion(
    quick_workspace: Workspace,
) -> None:
    rows = quick_workspace.root / "data" / "tickets.jsonl"
    kept = rows.read_bytes()
    rows.unlink()
    rows.write_bytes(kept + b'{"prompt": "x"}\n')
    cycle = answer(quick_workspace, "run", "tickets", code=5)
    assert cycle["verdict"] == "invalid"
    assert "data/tickets.jsonl:161: 'completion' is missing" in cycle["reasons"][0]
    assert cycle["candidate"]["version"] is None
    assert not quick_workspace.files("tickets").adapter.exists()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("run", "tickts"), 2, "did you mean 'tickets'?"),
        (("compare",), 2, "missing argument 'VERSION'"),
        (("promote", "tickets", "7", "--reason", "r"), 2, "7"),
        (("rollback", "tickets", "--reason", "r"), 2, "no champion"),
        (("adopt", "tickets", "--reason", "r"), 2, "nothing of 'tickets' was changed by hand"),
        (("retire", "tickets", "7", "--reason", "r"), 2, "no version 7"),
        (("new", "tickets", "--data", "data/tickets.jsonl"), 2, "exists already"),
        (("new", "Odd Name", "--data", "data/tickets.jsonl"), 2, "a task name matches"),
        (("new", "other", "--data", "dvc.yaml"), 5, "the format of dvc.yaml is not known"),
        (("init", "data"), 2, "is not empty"),
        (("frobnicate",), 2, "no such command"),
    ],
)
def test_bad_input_says_what_to_do_and_leaves_no_trace(
    quick_workspace: Workspace, words: tuple[str, ...], code: int, says: str
) -> None:
    before = sorted(p for p in quick_workspace.root.rglob("*") if ".pawl" not in p.parts)
    done = pawl(quick_workspace, *words)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    after = sorted(p for p in quick_workspace.root.rglob("*") if ".pawl" not in p.parts)
    assert after == before


def test_a_full_disk_is_an_error_that_says_so_and_leaves_the_old_file_whole(
    quick_workspace: Workspace,
) -> None:
    edit(quick_workspace, "    train:", "    schedule: {cron: 0 3 * * *}\n    train:")
    path = quick_workspace.root / "prefect.yaml"
    before = path.read_bytes()

    def full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))

    command = [sys.executable, "-m", "pawl", "-C", str(quick_workspace.root), "deploy"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=full)
    assert done.returncode == 1
    assert "the disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert path.read_bytes() == before
    assert not list(quick_workspace.root.glob(".prefect.yaml.*"))


def test_a_base_that_is_not_there_is_an_error_that_says_so(quick_workspace: Workspace) -> None:
    text = quick_workspace.params_file.read_text(encoding="utf-8")
    line = next(part for part in text.split("\n") if "model:" in part)
    edit(quick_workspace, line.strip(), "model: someone/not-cached-here")
    done = pawl(quick_workspace, "run", "tickets")
    assert done.returncode == 1
    assert "not in the local cache" in done.stderr
    assert "Traceback" not in done.stderr


def test_outside_a_workspace_every_command_says_how_to_get_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pawl", "-C", str(tmp_path), "status", "tickets"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pawl init DIR" in done.stderr


def test_a_new_workspace_is_whole_and_its_dvc_yaml_is_this_repositorys(
    quick_workspace: Workspace,
) -> None:
    root = Path(__file__).parents[2]
    for name in ("dvc.yaml", "flows/retrain.py"):
        assert (quick_workspace.root / name).read_bytes() == (root / name).read_bytes()
    assert (quick_workspace.root / "data" / "tickets.jsonl.dvc").exists()
    assert (quick_workspace.root / ".git").is_dir()
