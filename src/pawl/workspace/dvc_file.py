"""`dvc.yaml` of a workspace: whether it gives names of `params.yaml` to a shell, as 0.1's does."""

from __future__ import annotations

import yaml

from pawl.workspace.paths import Workspace


def shell_warning(workspace: Workspace) -> str:
    """Say that a task's name stands in a command of `dvc.yaml`, and the remedy; '' if none does.

    DVC puts whatever `params.yaml` has into the command and gives it to a shell, before Pawl is
    asked: `dvc repro 'inputs@a;touch x'` runs `touch x` where a task is called so.
    """
    try:
        stages = yaml.safe_load((workspace.root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
        commands = {name: str(stage["do"]["cmd"]) for name, stage in stages.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError):
        return ""  # DVC says it better
    if not any("${" in command for command in commands.values()):
        return ""
    return (
        "dvc.yaml is of an earlier Pawl: it puts a task's name into a shell's command, so that "
        "`dvc repro` by hand runs what a hostile params.yaml says. Make a workspace elsewhere with "
        "`pawl init DIR` and copy its dvc.yaml here; each stage runs once more"
    )
