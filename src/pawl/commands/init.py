"""`pawl init`: make a new workspace."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pawl.commands.deploy import render
from pawl.commands.schema import schema_text
from pawl.commands.template import template
from pawl.config.params_schema import FILE, REFERENCE
from pawl.config.schema import LONGEST_NAME, Params
from pawl.core.files import remove, write_text
from pawl.core.processes import run
from pawl.errors import UsageError
from pawl.workspace.deployments import OPERATE, RETRAIN
from pawl.workspace.dvc_calls import keep_state_private, run_dvc
from pawl.workspace.paths import Workspace, refuse_question_mark

COPIED = ("dvc.yaml", RETRAIN, OPERATE)
WRITTEN = {
    "params.yaml": f"{REFERENCE}\n# This workspace's name on servers that others use, too. Stays.\n"
    "name: {name}\n# One section a task; `pawl new TASK --data FILE` adds one.\ntasks: {}\n",
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
    if target.is_symlink() and not target.exists():
        raise UsageError(
            f"{target} is a link to nothing",
            rule="a new workspace starts in a new or empty folder",
            remedy="delete the link, or name the folder itself",
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(
            f"{target} is not empty",
            rule="a new workspace starts in a new or empty folder",
            remedy="name another folder; in a workspace, `pawl new TASK` adds a task",
        )
    refuse_question_mark(target.resolve())
    missing = [folder for folder in (target, *target.parents) if not folder.exists()]
    try:
        target.mkdir(parents=True, exist_ok=True)
        return _fill(target)
    except BaseException:
        _empty(target, missing)
        raise


def _fill(target: Path) -> Workspace:
    for name in COPIED:
        write_text(target / name, template(name).read_text(encoding="utf-8"))
    name = _new_name(target)
    write_text(target / "prefect.yaml", render(Params({}, name=name)))
    for file, text in WRITTEN.items():
        write_text(target / file, text.replace("{name}", name))
    write_text(target / FILE, schema_text())
    (target / "data").mkdir()
    workspace = Workspace(target.resolve())
    run(workspace.root, "git", "init", "--quiet", rule=RULE, remedy=REMEDY)
    for command in (("init", "--quiet"), ("config", "core.analytics", "false")):
        run_dvc(workspace, *command, rule=RULE, remedy=REMEDY)
    keep_state_private(workspace, rule=RULE, remedy=REMEDY)
    return workspace


def _new_name(target: Path) -> str:
    """A name for the workspace: its folder's, and so much chance that no other has the same."""
    words = re.findall("[a-z0-9]+", target.resolve().name.lower())
    word = "-".join(words).lstrip("0123456789-")[: LONGEST_NAME - 7].rstrip("-")
    return f"{word or 'workspace'}-{secrets.token_hex(3)}"


def _empty(target: Path, made: Sequence[Path]) -> None:
    """Remove all that is in `target`, which was empty, and the folders that were `made` for it."""
    # A name that is too long is no folder; and somebody else may have put something there.
    with suppress(OSError):
        for path in target.iterdir():
            remove(path)
    for folder in made:
        with suppress(OSError):
            folder.rmdir()
