"""A secret that git would take is refused before it is used."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pawl.errors import UsageError
from pawl.publish.secret import from_file
from pawl.workspace.paths import Workspace


def test_a_secret_file_that_git_would_take_is_refused_and_one_that_it_ignores_is_not(
    tmp_path: Path,
) -> None:
    subprocess.run(["git", "-C", tmp_path, "init", "-q"], check=True)
    secret, workspace = tmp_path / "hook.secret", Workspace(tmp_path)
    secret.write_text("a-secret-of-some-length\n")
    secret.chmod(0o600)
    with pytest.raises(UsageError, match="lies where git takes it") as refused:
        from_file(workspace, secret.name)
    assert "a-secret" not in str(refused.value)
    (tmp_path / ".gitignore").write_text("*.secret\n")
    assert from_file(workspace, secret.name) == "a-secret-of-some-length"
    subprocess.run(["git", "-C", tmp_path, "add", "-f", secret.name], check=True)
    with pytest.raises(UsageError, match="lies where git takes it"):
        from_file(workspace, str(secret))
