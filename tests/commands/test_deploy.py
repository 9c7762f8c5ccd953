"""`pawl deploy` derives Prefect's deployments from the schedules in params.yaml."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from pawl.commands.deploy import deploy
from pawl.errors import ParamsError, PawlError
from pawl.workspace.paths import Workspace

ROOT = Path(__file__).parents[2]
SECTION: dict[str, Any] = {
    "data": "data/t.jsonl", "base": {"model": "b"}, "check": {}, "split": {"salt": "s"},
    "train": {}, "evaluate": {}, "gate": {},
}  # fmt: skip
NIGHTLY = {"cron": "0 3 * * *", "timezone": "Europe/Berlin"}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    tasks = {"nightly": {**SECTION, "schedule": NIGHTLY}, "manual": SECTION}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"tasks": tasks}, sort_keys=False))
    return Workspace(tmp_path)


def written(workspace: Workspace) -> dict[str, Any]:
    deployments = yaml.safe_load((workspace.root / "prefect.yaml").read_text())["deployments"]
    return {deployment["name"]: deployment for deployment in deployments}


def cycles(workspace: Workspace) -> dict[str, Any]:
    return {name: one for name, one in written(workspace).items() if one["parameters"]}


def named(workspace: Workspace, name: str) -> None:
    workspace.params_file.write_text(f"name: {name}\n{workspace.params_file.read_text()}")


def test_each_task_has_one_deployment_with_its_schedule_and_time_zone(workspace: Workspace) -> None:
    assert "nightly, manual" in deploy(workspace)
    deployments = cycles(workspace)
    assert list(deployments) == ["nightly", "manual"]
    assert deployments["nightly"]["schedules"] == [NIGHTLY]
    assert deployments["manual"]["schedules"] == [], "it runs when it is started by hand"
    for name, deployment in deployments.items():
        assert deployment["entrypoint"] == "flows/retrain.py:retrain"
        assert deployment["parameters"] == {"task": name}
        assert deployment["work_pool"] == {"name": "pawl", "work_queue_name": "cycles"}
        assert deployment["concurrency_limit"]["limit"] == 1


def test_every_name_on_a_server_begins_with_that_of_the_workspace(workspace: Workspace) -> None:
    named(workspace, "support")
    deploy(workspace)
    assert list(cycles(workspace)) == ["support.nightly", "support.manual"]
    for name, one in written(workspace).items():
        assert name.startswith(("support.", "pawl-support"))
        assert one["work_pool"]["name"] == "pawl-support"
        assert one["tags"] == ["pawl-support"]


def test_releasing_and_verifying_wait_for_no_cycle(workspace: Workspace) -> None:
    deploy(workspace)
    text = (workspace.root / "prefect.yaml").read_text()
    others = [one for one in yaml.safe_load(text)["deployments"] if not one["parameters"]]
    assert [one["entrypoint"] for one in others] == [
        "flows/operate.py:release", "flows/operate.py:verify",
    ]  # fmt: skip
    assert {one["work_pool"]["work_queue_name"] for one in others} == {"default"}
    assert (workspace.root / "flows" / "operate.py").is_file(), "an earlier workspace lacks it"


def test_data_is_watched_where_a_task_asks_for_it(workspace: Workspace) -> None:
    text = workspace.params_file.read_text()
    workspace.params_file.write_text(text.replace("cron: 0 3 * * *", "on_change: true"))
    deploy(workspace)
    text = (workspace.root / "prefect.yaml").read_text()
    assert "flows/operate.py:watch" in text
    assert cycles(workspace)["nightly"]["schedules"] == []


@pytest.mark.parametrize(
    "cron", ["99 99 * * *", "a b c d e", "0 3 * *", "0 0 31 2 *", "@daily", ""]
)
def test_a_line_that_is_no_time_is_refused_before_anything_is_deployed(
    workspace: Workspace, cron: str
) -> None:
    text = workspace.params_file.read_text()
    workspace.params_file.write_text(text.replace("cron: 0 3 * * *", f"cron: {cron!r}"))
    with pytest.raises(ParamsError, match="cron"):
        deploy(workspace)
    assert not (workspace.root / "prefect.yaml").exists()


def test_a_schedule_without_a_time_zone_is_in_utc(workspace: Workspace) -> None:
    text = workspace.params_file.read_text().replace("      timezone: Europe/Berlin\n", "")
    workspace.params_file.write_text(text)
    deploy(workspace)
    assert cycles(workspace)["nightly"]["schedules"] == [{**NIGHTLY, "timezone": "UTC"}]


def test_deploying_again_changes_nothing_and_a_removed_task_leaves_the_file(
    workspace: Workspace,
) -> None:
    file = workspace.root / "prefect.yaml"
    deploy(workspace)
    first = file.read_bytes()
    assert b"Written by `pawl deploy`" in first
    deploy(workspace)
    assert file.read_bytes() == first
    tasks = yaml.safe_load(workspace.params_file.read_text())["tasks"]
    del tasks["manual"]
    workspace.params_file.write_text(yaml.safe_dump({"tasks": tasks}))
    deploy(workspace)
    assert list(cycles(workspace)) == ["nightly"]


def test_an_unreachable_prefect_ends_in_one_error_with_a_remedy(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "0")
    (workspace.root / "flows").mkdir()
    shutil.copy(ROOT / "flows" / "retrain.py", workspace.root / "flows")
    with pytest.raises(PawlError, match="Prefect could not take the deployments") as refused:
        deploy(workspace, apply=True)
    assert "PREFECT_API_URL" in refused.value.remedy
    assert list(cycles(workspace)) == ["nightly", "manual"], "the file is written all the same"
