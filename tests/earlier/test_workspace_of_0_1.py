"""A workspace made by Pawl 0.1 goes on: its record answers as before, its flow and stages run.

`workspace-0.1.tar.gz` was made by the last commit of 0.1 (two cycles, two overrides, a rollback)
and `answers-0.1.json` holds what its commands printed with `--json`. The private key is not in it.
It lay at `/workspace`, which its database still names: it has been moved, as anybody's may be.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from pawl import earlier
from pawl.commands.compare import compare
from pawl.commands.flips import flips_of
from pawl.commands.lineage import lineage
from pawl.commands.replay import replay
from pawl.commands.run import run_cycle
from pawl.commands.status import status
from pawl.core.records import to_json
from pawl.ledger.keys import make_keys
from pawl.ledger.state import read_state
from pawl.release.history import history
from pawl.release.release import rollback
from pawl.release.verify import verify
from pawl.store.client import Store, open_store
from pawl.workspace.paths import Workspace

HERE = Path(__file__).parent
ANSWERS: dict[str, Any] = json.loads((HERE / "answers-0.1.json").read_text(encoding="utf-8"))
TASK = "tickets"
FLOW = """
import json, sys
from prefect.flows import load_flow_from_entrypoint
flow = load_flow_from_entrypoint("flows/retrain.py:retrain", use_placeholder_flow=False)
print(json.dumps(flow(task="tickets")))
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory, base_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(HERE / "workspace-0.1.tar.gz") as tar:
        tar.extractall(folder, filter="data")
    shutil.copytree(base_folder, folder / "workspace" / "base" / "tiny")
    return folder / "workspace"


@pytest.fixture
def old(unpacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    before = dict(os.environ)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = tmp_path / "workspace"
    shutil.copytree(unpacked, root, symlinks=True)
    yield Workspace(root)
    os.environ.clear()
    os.environ.update(before)


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def only_old(answer: Any, old: Any) -> Any:
    """The answer without keys that were added since."""
    if isinstance(answer, dict) and isinstance(old, dict):
        return {key: only_old(answer[key], old[key]) for key in answer if key in old}
    if isinstance(answer, list) and isinstance(old, list) and len(answer) == len(old):
        return [only_old(one, before) for one, before in zip(answer, old, strict=True)]
    return answer


def test_every_question_to_the_record_gets_the_answer_that_0_1_gave(old: Workspace) -> None:
    store = open_store(old)
    answers = {
        "status": to_json(status(old, store, TASK)),
        "history": [to_json(entry) for entry in history(store, TASK)],
        "compare_1_2": to_json(compare(store, TASK, 1, 2)),
        "replay_2": to_json(replay(store, TASK, 2)),
        "lineage": to_json(lineage(old, store, TASK)),
        "flips_2": to_json(flips_of(old, store, TASK, 2)),
    }
    for name, answer in answers.items():
        assert only_old(as_json(answer), ANSWERS[name]) == ANSWERS[name], name
    found = {(check.name, check.ok) for check in verify(old, store, TASK)}
    assert found >= {(check["name"], check["ok"]) for check in ANSWERS["verify"]}
    assert all(ok for _, ok in found)


def test_a_version_that_0_1_released_is_rolled_back_to_and_verified(old: Workspace) -> None:
    # As in 0.1's own workspace, whose key is not in the archive.
    make_keys(old)
    store = open_store(old)
    entry = rollback(old, store, TASK, why="forward again", who="Ada", to=2)
    assert (entry.number, entry.kind) == (6, "rollback")
    assert champion(store) == 2
    assert all(check.ok for check in verify(old, store, TASK))


def test_a_cycle_on_the_inputs_of_0_1_is_unchanged(old: Workspace) -> None:
    cycle = run_cycle(old, TASK)
    assert cycle.verdict == ANSWERS["run3"]["verdict"] == "unchanged"
    assert to_json(cycle.candidate) == ANSWERS["run3"]["candidate"]


@pytest.mark.slow
def test_the_flow_that_0_1_wrote_is_run_as_it_is(old: Workspace) -> None:
    subprocess.run([sys.executable, "-m", "pawl", "keys"], cwd=old.root, check=True)
    done = subprocess.run(
        [sys.executable, "-c", FLOW],
        cwd=old.root,
        env=os.environ
        | {
            "PREFECT_HOME": str(old.home / "prefect"),
            "DO_NOT_TRACK": "1",
            # As Pawl has it: on a busy machine a server's first start takes longer than 20 s.
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1])["verdict"] == "unchanged"


def test_the_stages_of_a_dvc_yaml_of_0_1_keep_their_names(old: Workspace) -> None:
    for room, stage, left in (("data", "known", "before.json"), ("evaluate", "world", "look.json")):
        path = old.files(TASK).root / left
        path.unlink()
        command = [sys.executable, "-m", f"pawl.{room}", stage, TASK]
        subprocess.run(command, cwd=old.root, check=True)
        assert path.is_file()


@pytest.mark.parametrize("name", sorted(earlier.NAMES))
def test_each_earlier_name_leads_to_something(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert getattr(import_module(module), attribute) is not None


@pytest.mark.parametrize("module", sorted(earlier.MODULES))
def test_an_earlier_module_has_no_other_name(module: str) -> None:
    with pytest.raises(AttributeError):
        _ = import_module(module).no_such_name
    with pytest.raises(ModuleNotFoundError):
        import_module(f"{module}.no_such_module")


def champion(store: Store) -> int | None:
    return read_state(store, TASK).champion.version
