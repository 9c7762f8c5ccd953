"""A workspace that had a record does not begin a new one by itself."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from workbench import TASK, Bench

from pawl.cli.app import app
from pawl.cli.data import data
from pawl.errors import RegistryError
from pawl.store.client import open_store
from pawl.workspace.record import refuse_lost_record

# What each command is called with; `data` has commands of its own.
WORDS = {
    "accept": (TASK, "--reason", "w"),
    "adopt": (TASK, "--reason", "w"),
    "approve": (TASK, "1", "--reason", "w"),
    "backup": ("record.pawl",),
    "check": (TASK,),
    "compare": (TASK, "1", "2"),
    "data add": ("params.yaml",),
    "data diff": (TASK,),
    "data log": (TASK,),
    "data restore": (TASK, "v1"),
    "deploy": (),
    "export": (TASK, "--peft", "--out", "never"),
    "flips": (TASK,),
    "gc": (),
    "history": (TASK,),
    "name": ("support",),
    "new": ("other", "--data", "params.yaml"),
    "plan": (TASK,),
    "predict": (TASK, "hello"),
    "promote": (TASK, "1", "--reason", "w"),
    "publish": (TASK,),
    "replay": (TASK, "1"),
    "report": (TASK,),
    "reproduce": (TASK, "1"),
    "resume": (TASK,),
    "review": (TASK,),
    "retire": (TASK, "1", "--reason", "w"),
    "rollback": (TASK, "--reason", "w"),
    "run": (TASK,),
    "serve": (TASK,),
    "status": (TASK,),
    "ui": (),
    "verify": (TASK,),
    "worker": (),
}
# They make a workspace, a key, or the record anew; `doctor` reports it among other things.
OTHERS = {"init", "keys", "restore", "doctor", "completion", "schema"}


def pawl(bench: Bench, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pawl", *words]
    return subprocess.run(
        command, cwd=bench.workspace.root, capture_output=True, text=True, check=False
    )


def lose(bench: Bench) -> None:
    bench.cycle(1)
    shutil.rmtree(bench.workspace.home)


def commands() -> set[str]:
    names = {
        f"{group}{command.name or command.callback.__name__}"  # type: ignore[union-attr]
        for group, part in (("", app), ("data ", data))
        for command in part.registered_commands
    }
    return names - OTHERS


def test_a_deleted_record_is_doubted_by_every_command(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(bench)
    monkeypatch.chdir(bench.workspace.root)
    for name in sorted(commands()):
        with pytest.raises(RegistryError, match="record of this workspace is gone") as it:
            app([*name.split(), *WORDS[name]], standalone_mode=False)
        assert "`pawl restore FILE` brings a backup back" in it.value.remedy, name
        assert it.value.exit_code == 1
    assert not bench.workspace.home.exists()


def test_doctor_and_a_process_of_its_own_end_with_exit_code_1(bench: Bench) -> None:
    lose(bench)
    for words in (("doctor",), ("status", TASK)):
        done = pawl(bench, *words)
        assert done.returncode == 1
        assert "record of this workspace is gone" in " ".join((done.stdout + done.stderr).split())
    assert not bench.workspace.database.exists()


@pytest.mark.parametrize("trace", ["build", "pawl.pub", ".pawl/artifacts", ".pawl/releases"])
def test_each_trace_of_a_record_is_enough(bench: Bench, trace: str) -> None:
    bench.cycle(1)
    bench.workspace.database.unlink()
    for other in ("build", "pawl.pub", ".pawl/artifacts", ".pawl/adapters", ".pawl/releases"):
        if other != trace:
            path = bench.workspace.root / other
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if trace == "pawl.pub":
        shutil.rmtree(bench.workspace.home / "keys")
    with pytest.raises(RegistryError, match="is gone"):
        open_store(bench.workspace)


def test_a_record_begins_where_nothing_shows_that_there_was_one(bench: Bench) -> None:
    shutil.rmtree(bench.workspace.home)
    pawl(bench, "keys")
    assert (bench.workspace.root / "pawl.pub").exists()
    refuse_lost_record(bench.workspace)
    assert pawl(bench, "status", TASK).returncode == 0


def test_beginning_anew_on_purpose_is_possible(bench: Bench) -> None:
    lose(bench)
    with pytest.raises(RegistryError, match="to begin anew on purpose, remove what is named") as it:
        open_store(bench.workspace)
    assert "pawl.pub" in it.value.found
    assert "build/tickets/cycle.json" in it.value.found
    (bench.workspace.root / "pawl.pub").unlink()
    (bench.workspace.files(TASK).cycle).unlink()
    open_store(bench.workspace)


def test_a_store_elsewhere_is_no_lost_record(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    lose(bench)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{bench.workspace.root}/other.db")
    open_store(bench.workspace)
