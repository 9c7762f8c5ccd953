"""A password in an address is shown nowhere and written nowhere: not on success, not on failure."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tracking import Server
from workbench import TASK, Bench, make_bench

from pawl.commands.init import init
from pawl.core.processes import run
from pawl.errors import PawlError, UsageError
from pawl.store.addresses import displayed, redacted
from pawl.workspace.paths import Workspace

SECRET = "s3cret"
FLOW = """
from prefect import flow
from pawl.cycle import steps
from prefect import task as step

@flow(name="retrain", persist_result=False)
def retrain(task: str, force: bool = False):
    return step(steps.fingerprint_inputs)(steps.find_workspace(), task)
"""


def with_password(url: str) -> str:
    return url.replace("://", f"://ada:{SECRET}@")


def traces(folder: Path) -> list[str]:
    """Files below a folder that hold the password."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return [str(path) for path in files if SECRET.encode() in path.read_bytes()]


def pawl(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pawl", "-C", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = dict(os.environ)
    for name in ("PREFECT_API_URL", "PREFECT_HOME", "DVC_SITE_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    # Logged in full by whoever logs at all.
    monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", "DEBUG")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    yield
    os.environ.clear()
    os.environ.update(before)


COMMANDS = (
    ("status", TASK, "--lineage"),
    ("history", TASK, "--json"),
    ("promote", TASK, "2", "--reason", "x"),
    ("retire", TASK, "1", "--reason", "x"),
    ("verify", TASK),
    ("replay", TASK, "1"),
    ("reproduce", TASK, "1"),
    ("gc",),
    ("run", TASK),
)


@pytest.fixture
def workspace(tmp_path: Path, environment: None) -> Workspace:
    """One whose flow asks the store, under Prefect, and nothing else."""
    made = init(tmp_path / "flow")
    (made.root / "flows" / "retrain.py").write_text(FLOW)
    section = {"data": "data/t.jsonl", "base": {"model": "x/y"}, "split": {"salt": "s"}}
    section |= {name: {} for name in ("check", "train", "evaluate", "gate")}
    made.params_file.write_text(yaml.safe_dump({"tasks": {TASK: section}}))
    return made


@pytest.mark.slow
def test_a_flow_that_fails_leaves_no_password_in_prefects_log(
    workspace: Workspace, tmp_path: Path
) -> None:
    os.environ["MLFLOW_TRACKING_URI"] = with_password("http://127.0.0.1:9")
    done = pawl(workspace.root, "run", TASK, "--force")
    assert done.returncode == 1
    assert "ada:***@127.0.0.1:9 failed" in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert (workspace.home / "prefect" / "prefect.db").is_file()
    logged = b"".join(p.read_bytes() for p in (workspace.home / "prefect").glob("prefect.db*"))
    assert b"ada:***@127.0.0.1:9 failed" in logged, "the log is elsewhere: nothing is proved"
    assert traces(tmp_path) == []


@pytest.mark.server
@pytest.mark.slow
def test_no_command_shows_or_writes_the_password_of_a_server_up_or_down(
    tmp_path: Path, environment: None
) -> None:
    server = Server(tmp_path)
    server.start()
    try:
        os.environ["MLFLOW_TRACKING_URI"] = with_password(server.url)
        bench: Bench = make_bench(tmp_path / "ws")
        bench.cycle(1)
        bench.cycle(2)
        said = {("up", *words): pawl(bench.workspace.root, *words) for words in COMMANDS[:4]}
    finally:
        server.kill()
    said |= {("down", *words): pawl(bench.workspace.root, *words) for words in COMMANDS}
    shown = [words for words, done in said.items() if SECRET in done.stdout + done.stderr]
    assert shown == []
    assert said["up", *COMMANDS[0]].returncode == 0, said["up", *COMMANDS[0]].stderr
    assert said["down", *COMMANDS[0]].returncode == 1
    # The server's own database too.
    assert traces(tmp_path) == []


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (f"http://ada:{SECRET}@host:5000/x", "http://ada:***@host:5000/x"),
        (f"https://{SECRET}@host/team.git", "https://***@host/team.git"),
        (f"postgresql://ada:{SECRET}@h/db", "postgresql://ada:***@h/db"),
        (f"postgresql://h/db?user=a&password={SECRET}", "postgresql://h/db?user=a&password=***"),
        (f"https://h/x?sig={SECRET}&token={SECRET}", "https://h/x?sig=***&token=***"),
        (f"http://ada:a@{SECRET}@host", "http://ada:***@host"),
        (f"s3://key:{SECRET}@bucket/p", "s3://key:***@bucket/p"),
    ],
)
def test_an_error_shows_no_password_of_any_address_in_it(address: str, shown: str) -> None:
    error = PawlError(f"failed: '{address}' (403)", rule=address, remedy=f"see {address} or ask")
    assert str(error).splitlines() == [
        f"failed: '{shown}' (403)",
        f"  rule:   {shown}",
        f"  remedy: see {shown} or ask",
    ]
    again = PawlError(error.found, rule=error.rule, remedy=error.remedy)
    assert (again.found, again.args) == (error.found, error.args)
    assert SECRET not in repr(error.args)


def test_messages_without_an_address_stay_as_they_are() -> None:
    for text in ("a@b.example", "Ada <a@b.example>", "see https://h/x and a@b", "git@h:x.git"):
        assert PawlError(text).found == text


@pytest.mark.parametrize("kind", ["git", "dvc"])
def test_a_token_in_a_remotes_address_is_not_in_the_error_of_git_or_dvc(
    tmp_path: Path, environment: None, kind: str
) -> None:
    root = init(tmp_path / "ws").root
    address = f"http://ada:{SECRET}@127.0.0.1:9/repo"
    if kind == "git":
        command: tuple[str, ...] = ("git", "fetch", address)
    else:
        (root / "data" / "x.dvc").write_text(f"outs:\n- md5: {'a' * 32}\n  hash: md5\n  path: x\n")
        dvc = (sys.executable, "-m", "dvc")
        run(root, *dvc, "remote", "add", "--default", "r", address, rule="", remedy="")
        command = (*dvc, "pull")
    with pytest.raises(UsageError) as failed:
        run(root, *command, rule="", remedy="")
    assert SECRET not in str(failed.value)


def test_the_password_of_a_known_address_goes_however_it_is_quoted() -> None:
    uri = "postgresql://ada:p%40ss%2Fword@h/db"
    assert displayed(uri) == "postgresql://ada:***@h/db"
    for text in (uri, "login p@ss/word failed", "login p%40ss%2Fword failed"):
        assert "ss" not in redacted(text, uri).replace("pass", "")
