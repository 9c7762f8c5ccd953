"""`pawl deploy` derives Prefect's deployments from the schedules in params.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pawl.commands.deploy import ENTRYPOINT, POOL, deploy
from pawl.errors import PawlError
from pawl.workspace.paths import Workspace

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


def test_each_task_has_one_deployment_with_its_schedule_and_time_zone(workspace: Workspace) -> None:
    assert "nightly, manual" in deploy(workspace)
    deployments = written(workspace)
    assert list(deployments) == ["nightly", "manual"]
    assert deployments["nightly"]["schedules"] == [NIGHTLY]
    assert deployments["manual"]["schedules"] == [], "it runs when it is started by hand"
    for name, deployment in deployments.items():
        assert deployment["entrypoint"] == ENTRYPOINT
        assert deployment["parameters"] == {"task": name}
        assert deployment["work_pool"] == {"name": POOL}
        assert deployment["concurrency_limit"]["limit"] == 1


def test_a_schedule_without_a_time_zone_is_in_utc(workspace: Workspace) -> None:
    text = workspace.params_file.read_text().replace("      timezone: Europe/Berlin\n", "")
    workspace.params_file.write_text(text)
    deploy(workspace)
    assert written(workspace)["nightly"]["schedules"] == [{**NIGHTLY, "timezone": "UTC"}]


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
    assert list(written(workspace)) == ["nightly"]


def test_an_unreachable_prefect_ends_in_one_error_with_a_remedy(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "0")
    with pytest.raises(PawlError, match="`prefect work-pool create pawl") as refused:
        deploy(workspace, apply=True)
    assert "PREFECT_API_URL" in refused.value.remedy
    assert list(written(workspace)) == ["nightly", "manual"], "the file is written all the same"
