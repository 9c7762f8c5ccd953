"""Nothing that `params.yaml` names leads to a key, or to state of Pawl, git or DVC."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from pawl.commands.new import new_task
from pawl.commands.sources import Sources
from pawl.core.sealing import KEY, key_file, seal
from pawl.data.inputs import inputs
from pawl.errors import PawlError
from pawl.ledger.keys import VARIABLE, make_keys
from pawl.workspace.paths import Workspace
from pawl.workspace.stages import reproduce
from pawl.workspace.task_inputs import data_file, read_prompt, read_schema

READ = {"data": data_file, "schema": read_schema, "prompt": read_prompt}


@pytest.fixture
def workspace(quick_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with this machine's keys, one of which is named by a variable."""
    monkeypatch.setenv(KEY, str(quick_workspace.root / "data" / "owner.seal"))
    seal({"rows.jsonl": '{"split": "dev"}\n'})
    assert key_file().is_file()
    make_keys(quick_workspace)
    return quick_workspace


def signing_key(workspace: Workspace) -> Path:
    key = workspace.home / "keys" / "signing.key"
    assert b"PRIVATE KEY" in key.read_bytes()
    return key


def places(workspace: Workspace) -> list[str]:
    """Names in params.yaml that lead to something private, directly or by links."""
    root, key = workspace.root, signing_key(workspace)
    (root / "data" / "link").symlink_to(key)
    (root / "data" / "folder").symlink_to(workspace.home / "keys")
    os.link(key, root / "data" / "hard")
    (root / "data" / "far").symlink_to(root / "data" / "link")
    (root / "data" / "git").symlink_to(root / ".git" / "config")
    plain = [".pawl/keys/signing.key", "data/../.pawl/mlflow.db", ".git/config", ".dvc/config"]
    links = ["link", "folder/signing.key", "hard", "far", "git", "owner.seal"]
    return [*plain, *(f"data/{name}" for name in links)]


def named(workspace: Workspace, **keys: Any) -> None:
    params = yaml.safe_load(workspace.params_file.read_text())
    params["tasks"]["tickets"] |= keys
    workspace.params_file.write_text(yaml.safe_dump(params))


@pytest.mark.parametrize("key", READ)
def test_no_file_of_a_section_leads_to_something_private(workspace: Workspace, key: str) -> None:
    for name in places(workspace):
        named(workspace, **{key: name})
        with pytest.raises(PawlError, match="leads to") as refused:
            READ[key](workspace, workspace.task("tickets"))
        assert refused.value.remedy
        with pytest.raises(PawlError, match="leads to"):
            reproduce(workspace, "inputs", "tickets")
    texts = [path for path in (workspace.root / "build").rglob("*") if path.is_file()]
    assert not [path for path in texts if b"PRIVATE KEY" in path.read_bytes()]


@pytest.mark.parametrize("part", ["base", "evaluate"])
@pytest.mark.parametrize("place", [".pawl", ".git", "data/state"])
def test_no_base_is_taken_from_there(workspace: Workspace, part: str, place: str) -> None:
    (workspace.root / "data" / "state").symlink_to(workspace.home)
    base = {"model": place}
    named(workspace, **{part: base if part == "base" else {"bases": {"other": base}}})
    with pytest.raises(PawlError, match="leads to"):
        workspace.checked_task("tickets")
    with pytest.raises(PawlError, match="leads to"):
        inputs(workspace, "tickets")


@pytest.mark.parametrize("kind", ["PRIVATE KEY", "OPENSSH PRIVATE KEY", "EC PRIVATE KEY"])
def test_a_file_with_a_private_key_in_it_is_no_prompt_and_no_schema(
    workspace: Workspace, tmp_path: Path, kind: str
) -> None:
    pem = f"-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n"
    (workspace.root / "data" / "p.md").write_text(f"Answer shortly.\n{pem}")
    (workspace.root / "data" / "s.json").write_text(json.dumps({"title": pem}))
    named(workspace, prompt="data/p.md")
    with pytest.raises(PawlError, match="holds a private key"):
        read_prompt(workspace, workspace.task("tickets"))
    named(workspace, schema="data/s.json")
    with pytest.raises(PawlError, match="holds a private key"):
        read_schema(workspace, workspace.task("tickets"))


@pytest.mark.parametrize("key", ["prompt", "schema"])
def test_a_key_is_not_copied_into_a_new_task(
    workspace: Workspace, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    rows = workspace.root / "data" / "tickets.jsonl"
    for secret in (signing_key(workspace), key_file()):
        with pytest.raises(PawlError):
            new_task(workspace, "other", Sources(rows, **{key: secret}))
    assert not [path for path in (workspace.root / "data").iterdir() if "other" in path.name]
