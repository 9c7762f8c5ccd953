"""Workspaces that share a Prefect server: each registers its own deployments, and no other's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from servers import Served, ask, served

from pawl.commands.deploy import deploy
from pawl.errors import UsageError
from pawl.workspace.paths import Workspace

pytestmark = [pytest.mark.server, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
SECTION: dict[str, Any] = {
    "data": "data/t.jsonl", "base": {"model": "b"}, "check": {}, "split": {"salt": "s"},
    "train": {}, "evaluate": {}, "gate": {},
}  # fmt: skip
NIGHTLY = {"cron": "0 3 * * *", "timezone": "Europe/Berlin", "on_change": True}


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(Workspace(tmp_path_factory.mktemp("served"))) as ui:
        yield ui


@pytest.fixture(autouse=True)
def _reached(ui: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"{ui.prefect}/api")
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", ui.key)


def workspace(root: Path, name: str | None, **tasks: Any) -> Workspace:
    root.mkdir(exist_ok=True, parents=True)
    params = {**({"name": name} if name else {}), "tasks": tasks}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    (root / "flows").mkdir(exist_ok=True)
    shutil.copy(ROOT / "flows" / "retrain.py", root / "flows")
    return Workspace(root)


def found(ui: Served) -> dict[str, Any]:
    return {one["name"]: one for one in ask(ui, "POST", "/deployments/filter", {})}


def automations(ui: Served, pool: str) -> dict[str, Any]:
    every = ask(ui, "POST", "/automations/filter", {})
    own = [one for one in every if one["name"].startswith(f"{pool}: ")]
    assert len({one["name"] for one in own}) == len(own)
    return {one["name"].removeprefix(f"{pool}: "): one for one in own}


def test_two_workspaces_with_one_task_name_deploy_both_again_and_prune_their_own_alone(
    ui: Served, tmp_path: Path
) -> None:
    nightly = {**SECTION, "schedule": NIGHTLY}
    one = workspace(tmp_path / "one", "one", tickets=nightly, voice=SECTION)
    two = workspace(tmp_path / "two", "two", tickets=nightly)
    for each in (one, two, one, two):
        deploy(each, apply=True)
    there = found(ui)
    assert {"one.tickets", "one.voice", "two.tickets"} <= set(there)
    assert there["one.tickets"]["work_pool_name"] == "pawl-one"
    assert there["one.tickets"]["work_queue_name"] == "cycles"
    (schedule,) = there["one.tickets"]["schedules"]
    assert schedule["schedule"]["cron"] == "0 3 * * *"
    assert schedule["schedule"]["timezone"] == "Europe/Berlin"
    assert there["one.voice"]["schedules"] == []
    flows = [(d["flow_id"], d["name"]) for d in ask(ui, "POST", "/deployments/filter", {})]
    assert len(set(flows)) == len(flows)
    new_data = {"new data of tickets", "new data of voice"}
    assert set(automations(ui, "pawl-one")) == {"a dead worker", "a crashed cycle", *new_data}

    # What a person paused stays so; a removed task goes, and nothing of the other workspace.
    ask_nothing(ui, "PATCH", f"/deployments/{there['one.tickets']['id']}", {"paused": True})
    workspace(one.root, "one", tickets=nightly)
    before = found(ui)["two.tickets"]
    assert "removed: retrain/one.voice" in deploy(one, apply=True)
    after = found(ui)
    assert "one.voice" not in after
    assert after["one.tickets"]["paused"]
    assert after["two.tickets"] == before
    assert "new data of voice" not in automations(ui, "pawl-one")
    assert set(automations(ui, "pawl-two")) >= {"new data of tickets"}


def test_a_workspace_without_a_name_never_replaces_what_another_one_deployed(
    ui: Served, tmp_path: Path
) -> None:
    first = workspace(tmp_path / "first", None, tickets=SECTION)
    deploy(first, apply=True)
    other = workspace(tmp_path / "other", None, tickets=SECTION)
    with pytest.raises(UsageError, match="retrain/tickets") as refused:
        deploy(other, apply=True)
    assert str(first.root) in refused.value.found
    assert "pawl name" in refused.value.remedy
    # With a name it has its own; and its old deployments go where it is the first's own folder.
    workspace(other.root, "other", tickets=SECTION)
    deploy(other, apply=True)
    assert {"tickets", "other.tickets"} <= set(found(ui))
    workspace(first.root, "first", tickets=SECTION)
    assert "retrain/tickets" in deploy(first, apply=True)
    assert "tickets" not in found(ui)


def test_the_pool_of_an_earlier_pawl_limits_its_cycles_and_no_rollback(
    ui: Served, tmp_path: Path
) -> None:
    pool = {"name": "pawl-earlier", "type": "process", "concurrency_limit": 3}
    ask(ui, "POST", "/work_pools/", pool)
    deploy(workspace(tmp_path / "e", "earlier", tickets=SECTION), apply=True)
    assert ask(ui, "GET", "/work_pools/pawl-earlier")["concurrency_limit"] is None
    queue = ask(ui, "GET", "/work_pools/pawl-earlier/queues/cycles")
    assert queue["concurrency_limit"] == 3
    fresh = workspace(tmp_path / "f", "fresh", tickets=SECTION)
    deploy(fresh, apply=True)
    assert ask(ui, "GET", "/work_pools/pawl-fresh/queues/cycles")["concurrency_limit"] == 1
    release = ask(ui, "GET", "/deployments/name/release/pawl-fresh")
    assert release["work_queue_name"] == "default"
    form = release["parameter_openapi_schema"]["properties"]
    assert form["action"]["enum"] == ["promote", "rollback"]


def ask_nothing(ui: Served, method: str, path: str, body: Any) -> None:
    """A request whose answer has no body."""
    with suppress(ValueError):
        ask(ui, method, path, body)
