"""A folder gets each version whole and verified, and a name that moves last."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from published import Published

from pawl.errors import UsageError
from pawl.ledger.provenance import author
from pawl.model.adapter import WEIGHTS, read_adapter
from pawl.release.retire import retire


@pytest.fixture
def out(tickets: Published, tmp_path: Path) -> Path:
    tickets.targets({"kind": "folder", "path": str(tmp_path / "out")})
    return tmp_path / "out"


def name(out: Path) -> Any:
    return json.loads((out / "tickets.json").read_text())


def test_the_champion_is_a_folder_of_its_own_that_the_name_means(
    tickets: Published, out: Path
) -> None:
    done = tickets.publish()
    assert done.ok
    assert done.name == name(out)["served"] == "tickets-v1"
    assert read_adapter(out / "tickets-v1").digest == name(out)["digest"]
    assert all(one.ok for one in tickets.look())


def test_a_release_that_was_not_published_shows_and_publishing_twice_changes_nothing(
    tickets: Published, out: Path
) -> None:
    tickets.publish()
    tickets.release(2)
    [seen] = tickets.look()
    assert not seen.ok
    assert seen.served == "tickets-v1"
    assert "tickets-v2 is champion" in seen.says
    tickets.publish()
    before = {path: path.stat().st_ino for path in out.rglob("*")}
    assert tickets.publish().ok
    assert {path: path.stat().st_ino for path in out.rglob("*")} == before
    assert name(out)["previous"] == "tickets-v1"


def test_a_rollback_goes_back_without_a_download(tickets: Published, out: Path) -> None:
    tickets.publish()
    tickets.release(2)
    tickets.publish()
    tickets.release(1, back=True)
    shutil.rmtree(tickets.workspace.home / "adapters")
    artifacts = tickets.workspace.home / "artifacts"
    hidden = artifacts.rename(artifacts.with_name("hidden")) if artifacts.is_dir() else None
    assert tickets.publish().ok
    assert name(out)["served"] == "tickets-v1"
    assert hidden is None or not artifacts.exists()


def test_a_version_that_was_altered_where_servers_read_it_shows_and_is_written_anew(
    tickets: Published, out: Path
) -> None:
    tickets.publish()
    weights = out / "tickets-v1" / WEIGHTS
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.chmod(0o644)
    weights.write_bytes(data)
    [seen] = tickets.look()
    assert not seen.ok
    assert "digest" in seen.says
    assert tickets.publish().ok
    assert read_adapter(out / "tickets-v1").digest == name(out)["digest"]


def test_a_retired_version_is_gone_after_the_next_publication(
    tickets: Published, out: Path
) -> None:
    params = yaml.safe_load(tickets.workspace.params_file.read_text())
    tickets.workspace.params_file.write_text(yaml.safe_dump(params | {"release": {"keep": 1}}))
    tickets.publish()
    for version in (2, 3):
        tickets.release(version)
        tickets.publish()
    who = author(tickets.workspace)
    retire(tickets.workspace, tickets.store, "tickets", 1, why="w", who=who)
    tickets.publish()
    found = sorted(path.name for path in out.iterdir())
    assert found == ["tickets-v2", "tickets-v3", "tickets.json"]


@pytest.mark.parametrize("path", [".", "..", ".pawl", ".pawl/keys", ".git/x", "params.yaml"])
def test_no_folder_with_keys_or_state_is_published_to(tickets: Published, path: str) -> None:
    tickets.targets({"kind": "folder", "path": path})
    [told] = tickets.publish().served
    assert not told.ok
    assert "path" in told.says


def test_a_disk_that_takes_nothing_is_told_and_leaves_the_name(
    tickets: Published, tmp_path: Path
) -> None:
    tickets.targets(
        {"kind": "folder", "path": "/proc/nowhere"}, {"kind": "folder", "path": str(tmp_path / "o")}
    )
    first, second = tickets.publish().served
    assert not first.ok
    assert second.ok


def test_a_task_without_a_target_is_told_where_they_are(tickets: Published) -> None:
    with pytest.raises(UsageError, match="serve"):
        tickets.publish()
