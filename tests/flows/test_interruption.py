"""A cycle that is asked to end, or loses a part of itself, ends at once and says how to go on."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from tracking import wait_for

from pawl.store.client import open_store
from pawl.store.registry import all_versions
from pawl.workspace.paths import Workspace

pytestmark = [pytest.mark.server, pytest.mark.slow]
TASK = "tickets"


def start(workspace: Workspace, **environment: str) -> subprocess.Popen[str]:
    """`pawl run` as a terminal starts it: with a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "pawl", "run", TASK, "--json"],
        cwd=workspace.root,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def working(workspace: Workspace, words: str = "") -> list[psutil.Process]:
    """The processes at work in a workspace whose command line holds `words`."""
    found = []
    for process in psutil.process_iter():
        try:
            here = Path(process.cwd()).is_relative_to(workspace.root)
            if here and process.status() != "zombie" and words in " ".join(process.cmdline()):
                found.append(process)
        except (OSError, psutil.Error):
            continue
    return found


def longer(workspace: Workspace) -> None:
    """A training that does not end before it is interrupted."""
    text = workspace.params_file.read_text(encoding="utf-8")
    assert "epochs: 1\n" in text
    workspace.params_file.write_text(text.replace("epochs: 1\n", "epochs: 90\n"), encoding="utf-8")


def shorter(workspace: Workspace) -> None:
    text = workspace.params_file.read_text(encoding="utf-8")
    workspace.params_file.write_text(text.replace("epochs: 90\n", "epochs: 1\n"), encoding="utf-8")


def trains(workspace: Workspace) -> bool:
    path = workspace.files(TASK).points
    return path.is_file() and sum('"step"' in line for line in path.read_text().splitlines()) >= 3


def newest(workspace: Workspace) -> list[dict[str, Any]]:
    """What the newest checkpoint says of itself, if there is one."""
    found = sorted(workspace.checkpoints(TASK).rglob("step-*/checkpoint.json"))[-1:]
    return [json.loads(path.read_text()) for path in found]


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "sigterm"]
)
def test_an_interrupted_training_ends_in_one_sentence_and_the_next_run_goes_on_from_there(
    quick_workspace: Workspace, signum: signal.Signals, code: int
) -> None:
    longer(quick_workspace)
    run = start(quick_workspace)
    wait_for(lambda: trains(quick_workspace), process=run)
    os.killpg(run.pid, signum)
    out, errors = run.communicate(timeout=90)
    assert (run.returncode, out) == (code, ""), errors
    sentence = errors.splitlines()[-1]
    assert "Traceback" not in errors
    assert "prefect" not in errors.lower()
    # Before it stand bars of progress, and what training computes in.
    others = [line for line in errors.splitlines()[:-1] if line.strip()]
    assert all(line.startswith(("train:", "Loading weights:")) for line in others), errors
    assert sentence.startswith("interrupted: training was asked to end after step ")
    assert sentence.endswith(", and a checkpoint is saved; `pawl run tickets` goes on from there")
    wait_for(lambda: not working(quick_workspace))
    (checkpoint,) = newest(quick_workspace)
    # The command that the sentence names.
    again = start(quick_workspace)
    wait_for(lambda: newest(quick_workspace) != [checkpoint], process=again)
    again.terminate()
    again.communicate(timeout=90)
    assert again.returncode == 143
    (later,) = newest(quick_workspace)
    assert later["resumed"] == [checkpoint["step"]]


def test_a_dvc_that_is_killed_alone_ends_its_training_and_the_next_run_starts_no_second_one(
    quick_workspace: Workspace,
) -> None:
    longer(quick_workspace)
    run = start(quick_workspace)
    wait_for(lambda: trains(quick_workspace), process=run)
    (dvc,) = working(quick_workspace, "-m dvc repro")
    dvc.kill()
    _, errors = run.communicate(timeout=90)
    assert run.returncode == 1, errors
    assert "was ended by SIGKILL: the kernel does so where memory runs out" in errors
    assert "Traceback" not in errors
    assert working(quick_workspace) == []
    # The remedy, and the training was saved before it ended.
    assert newest(quick_workspace)
    shorter(quick_workspace)
    again = start(quick_workspace)
    out, errors = again.communicate(timeout=500)
    assert json.loads(out)["candidate"]["version"] == 1, errors
    assert len(all_versions(open_store(quick_workspace), TASK)) == 1


def test_a_proxy_and_a_git_hook_in_the_environment_and_a_torn_lock_change_nothing(
    quick_workspace: Workspace, tmp_path: Path
) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path / "other")], check=True)
    hook = {
        "GIT_DIR": str(tmp_path / "other" / ".git"),
        "GIT_WORK_TREE": str(tmp_path / "other"),
        "GIT_INDEX_FILE": str(tmp_path / "other" / ".git" / "index"),
    }
    # Nobody listens there.
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY"), "http://127.0.0.2:9")
    proxies["ALL_PROXY"] = "socks5h://127.0.0.2:9"
    (quick_workspace.root / ".dvc" / "tmp" / "rwlock").write_text('{"write": {"build')
    run = start(quick_workspace, **hook, **proxies)
    out, errors = run.communicate(timeout=900)
    assert json.loads(out)["candidate"]["version"] == 1, errors
    assert not (tmp_path / "other" / ".git" / "index").exists()


def test_prefects_server_that_dies_is_told_in_words_and_the_training_is_saved(
    quick_workspace: Workspace,
) -> None:
    longer(quick_workspace)
    run = start(quick_workspace)
    wait_for(lambda: trains(quick_workspace), process=run)
    (server,) = working(quick_workspace, "prefect_app")
    server.kill()
    _, errors = run.communicate(timeout=90)
    assert run.returncode == 1, errors
    assert "error: Prefect's server of this run ended, with exit code -9" in errors
    assert "Traceback" not in errors
    wait_for(lambda: not working(quick_workspace))
    assert newest(quick_workspace)


def test_the_servers_of_a_ui_that_is_killed_end_with_it(quick_workspace: Workspace) -> None:
    ports = [str(free_port()) for _ in range(2)]
    words = ["--mlflow-port", ports[0], "--prefect-port", ports[1]]
    ui = subprocess.Popen(
        [sys.executable, "-m", "pawl", "ui", *words],
        cwd=quick_workspace.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: len(working(quick_workspace, "-m ")) >= 3, process=ui)
    ui.kill()
    ui.wait()
    wait_for(lambda: not working(quick_workspace))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
