"""`dvc.yaml` of a workspace: whether it is of an earlier Pawl, and what that means."""

from __future__ import annotations

import yaml

from pawl.errors import ParamsError
from pawl.workspace.paths import Workspace


def shell_warning(workspace: Workspace) -> str:
    """Say that a task's name stands in a command of `dvc.yaml`, and the remedy; '' if none does.

    DVC puts whatever `params.yaml` has into the command and gives it to a shell, before Pawl is
    asked: `dvc repro 'inputs@a;touch x'` runs `touch x` where a task is called so.
    """
    if not any("${" in command for command in _commands(workspace).values()):
        return ""
    return (
        "dvc.yaml is of an earlier Pawl: it puts a task's name into a shell's command, so that "
        "`dvc repro` by hand runs what a hostile params.yaml says. Make a workspace elsewhere with "
        "`pawl init DIR` and copy its dvc.yaml here; each stage runs once more"
    )


def refuse_missing_stage(workspace: Workspace, stage: str, needed_by: str) -> None:
    """Refuse what needs a stage that came after this workspace's `dvc.yaml`.

    Raises:
        ParamsError: there is no such stage.
    """
    if (commands := _commands(workspace)) and stage not in commands:
        raise ParamsError(
            f"{needed_by} without a stage `{stage}` in dvc.yaml, which is of an earlier Pawl",
            rule="DVC has to know every file that a stage reads",
            remedy="make a workspace elsewhere with `pawl init DIR` and copy its dvc.yaml and "
            "flows/retrain.py here; stages from `train` on run once more",
        )


def _commands(workspace: Workspace) -> dict[str, str]:
    """The commands of all stages, by name; none where the file cannot be read: DVC says why."""
    try:
        stages = yaml.safe_load((workspace.root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
        return {name: str(stage["do"]["cmd"]) for name, stage in stages.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError):
        return {}
