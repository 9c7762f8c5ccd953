"""What a command starts ends with it, however either ends; git is asked about the right folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from pawl.core import processes
from pawl.core.processes import GIT_PLACES, started

# A leader as DVC is one: it starts a shell that starts something, and does not care for signals.
LEADER = """
import subprocess, sys, time
subprocess.Popen(["/bin/sh", "-c", {shell!r}])
print("up", flush=True)
time.sleep(600)
"""
MILD = "exec sleep 600"
# Saves its work for a second after SIGTERM.
SAVES = "trap 'sleep 1; echo saved > saved; exit' TERM; while :; do sleep 0.1; done"
DEAF = "trap '' TERM; while :; do sleep 0.1; done"


def leader(shell: str) -> list[str]:
    return [sys.executable, "-c", LEADER.format(shell=shell)]


def alive(session: int) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != "zombie":
                found.append(process.pid)
        except (OSError, psutil.Error):
            continue
    return found


def wait_for(said: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not said():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("shell", [MILD, SAVES, DEAF], ids=["mild", "saves", "deaf"])
def test_a_leader_that_is_killed_alone_leaves_nobody_of_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    monkeypatch.setattr(processes, "GRACE", 3)
    with started(leader(shell), cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        wait_for(lambda: len(alive(process.pid)) >= 2)
        # As the kernel does where memory runs out.
        process.kill()
        assert process.wait() == -signal.SIGKILL
        assert alive(process.pid)
    assert not alive(process.pid)
    assert (tmp_path / "saved").exists() == (shell == SAVES), "SIGTERM comes first"


def test_a_second_ctrl_c_while_others_save_their_work_leaves_nobody_either(tmp_path: Path) -> None:
    words = f"""
from pawl.core.processes import started
import subprocess
with started({leader(DEAF)!r}, stdout=subprocess.PIPE) as process:
    process.stdout.readline()
    print(process.pid, flush=True)
    process.wait()
"""
    command = [sys.executable, "-c", words]
    ours = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert ours.stdout is not None
    session = int(ours.stdout.readline())
    wait_for(lambda: len(alive(session)) >= 2)
    ours.send_signal(signal.SIGINT)
    time.sleep(1)
    assert alive(session)
    ours.send_signal(signal.SIGINT)
    ours.communicate(timeout=60)
    assert not alive(session)


@pytest.mark.parametrize("moment", [0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.3])
def test_whoever_is_killed_while_it_starts_a_program_leaves_none(
    tmp_path: Path, moment: float
) -> None:
    words = f"""
import sys
from pawl.core.processes import started
print("here", flush=True)
with started({leader(MILD)!r}, stdout=sys.stderr) as process:
    process.wait()
"""
    ours = subprocess.Popen(
        [sys.executable, "-c", words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert ours.stdout is not None
    ours.stdout.readline()
    time.sleep(moment)
    ours.kill()
    ours.communicate()

    def working() -> list[str]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.cwd() == str(tmp_path) and process.status() != "zombie":
                    found.append(" ".join(process.cmdline()))
            except (OSError, psutil.Error):
                continue
        return found

    wait_for(lambda: not working(), 30)


def test_a_program_gets_its_words_and_an_empty_stdin_and_its_code_comes_back() -> None:
    words = "import sys; print(sys.argv[1:], sys.stdin.read()); sys.exit(7)"
    command = [sys.executable, "-c", words, "a b", "$HOME", "'"]
    with started(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"""['a b', '$HOME', "'"] \n"""
        assert process.wait() == 7


def test_all_that_git_calls_local_to_a_repository_is_left_behind_but_its_configuration() -> None:
    said = subprocess.run(["git", "rev-parse", "--local-env-vars"], capture_output=True, text=True)
    local = {name for name in said.stdout.split() if not name.startswith("GIT_CONFIG")}
    assert local <= set(GIT_PLACES)


def test_a_command_in_a_git_hook_works_on_the_folder_it_is_given(tmp_path: Path) -> None:
    other, here = tmp_path / "other", tmp_path / "here"
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    hook = {
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": str(other / ".git" / "index"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "pawl", "init", str(here)],
        env={**os.environ, **hook},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (here / ".git").is_dir()
    assert not (other / ".git" / "index").exists()
