"""`pawl init`: make a new workspace."""

from __future__ import annotations

from pathlib import Path

from pawl.commands.deploy import render
from pawl.config.schema import Params
from pawl.core.files import write_text
from pawl.core.processes import run
from pawl.errors import UsageError
from pawl.workspace.dvc_calls import keep_state_private, run_dvc
from pawl.workspace.paths import Workspace

COPIED = ("dvc.yaml", "flows/retrain.py")
WRITTEN = {
    "params.yaml": "# One section a task; `pawl new TASK --data FILE` adds one.\ntasks: {}\n",
    ".gitignore": "/.venv/\n/.pawl/\n/build/\n__pycache__/\n",
    ".dvcignore": "# No data of this workspace is below these.\n.venv\n.pawl\n",
}
RULE = "a workspace is a git and DVC repository"
REMEDY = "see the message; `pawl doctor` checks that both are installed"


def init(target: Path) -> Workspace:
    """Make a workspace in `target`, which must be new or empty: git, DVC, flow and parameters.

    Raises:
        UsageError: the folder is not empty, or git or DVC failed.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(
            f"{target} is not empty",
            rule="a new workspace starts in a new or empty folder",
            remedy="name another folder; in a workspace, `pawl new TASK` adds a task",
        )
    target.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        write_text(target / name, _template(name).read_text(encoding="utf-8"))
    write_text(target / "prefect.yaml", render(Params({})))
    for name, text in WRITTEN.items():
        write_text(target / name, text)
    (target / "data").mkdir()
    workspace = Workspace(target.resolve())
    run(workspace.root, "git", "init", "--quiet", rule=RULE, remedy=REMEDY)
    for command in (("init", "--quiet"), ("config", "core.analytics", "false")):
        run_dvc(workspace, *command, rule=RULE, remedy=REMEDY)
    keep_state_private(workspace, rule=RULE, remedy=REMEDY)
    return workspace


def _template(name: str) -> Path:
    """A file that `init` copies: in the installed package, or at the root of a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "workspace_files" / name
    return installed if installed.exists() else package.parents[1] / name
