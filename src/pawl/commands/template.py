"""Files that every workspace has from the package: its flows and its `dvc.yaml`."""

from __future__ import annotations

from pathlib import Path

from pawl.core.files import write_text
from pawl.workspace.paths import Workspace


def template(name: str) -> Path:
    """A file that `init` copies: in the installed package, or at the root of a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "workspace_files" / name
    return installed if installed.exists() else package.parents[1] / name


def write_missing(workspace: Workspace, name: str) -> None:
    """Write a file that came with a later version of Pawl; one that is there is the workspace's."""
    if not (path := workspace.root / name).exists():
        write_text(path, template(name).read_text(encoding="utf-8"))
