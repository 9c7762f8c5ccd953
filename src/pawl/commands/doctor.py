"""`pawl doctor`: check that everything a cycle needs is there; each finding has its remedy."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pawl.commands.doctor_dvc import examine_dvc, examine_owner
from pawl.core.records import SLOWER, Training, read_record
from pawl.core.records.commands import Finding
from pawl.errors import ParamsError, PawlError
from pawl.model.base import find_base
from pawl.workspace.dvc_file import shell_warning
from pawl.workspace.paths import Workspace
from pawl.workspace.place import copies_text
from pawl.workspace.tracked import refuse_other_base, refuse_other_data

PACKAGES = (
    "torch", "transformers", "peft", "bitsandbytes", "accelerate",
    "prefect", "mlflow", "dvc", "great-expectations",
)  # fmt: skip
LEAST_FREE = 1 << 30


def examine(workspace: Workspace | None) -> Iterator[Finding]:
    """Examine the machine, the packages, the workspace and its store; change nothing.

    Outside a workspace (None) there is only the machine and the packages. What is slow to find out
    comes last.
    """
    yield from _machine(workspace.root if workspace else Path.cwd())
    yield from _packages()
    if workspace is None:
        yield Finding("workspace", True, "none here; `pawl init FOLDER` makes one")
    else:
        yield from examine_owner(workspace)
        yield from _workspace(workspace)
        yield from examine_dvc(workspace)
        yield _copies(workspace)
        yield _store(workspace)
    yield _device()


def _machine(root: Path) -> Iterator[Finding]:
    here = sys.version_info
    yield Finding("python", (3, 11) <= here < (3, 14), f"{here.major}.{here.minor} (3.11–3.13)")
    git = shutil.which("git")
    yield Finding("git", git is not None, git or "not found: install git")
    free = shutil.disk_usage(root).free
    yield Finding("disk", free > LEAST_FREE, f"{free / 2**30:.0f} GiB free (1 GiB is asked)")


def _device() -> Finding:
    try:
        import torch
    except ImportError:
        return Finding("device", False, "torch is not installed: pip install 'pawl[train]'")
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return Finding("device", True, ", ".join(names) or f"CPU, {torch.get_num_threads()} threads")


def _packages() -> Iterator[Finding]:
    for name in PACKAGES:
        try:
            yield Finding(name, True, version(name))
        except PackageNotFoundError:
            yield Finding(name, False, "not installed: pip install 'pawl[train,pipeline]'")


def _workspace(workspace: Workspace) -> Iterator[Finding]:
    for name in ("dvc.yaml", "prefect.yaml", "flows/retrain.py", ".dvc", ".git"):
        there = (workspace.root / name).exists()
        yield Finding(name, there, "there" if there else "missing: `pawl init` writes one")
    if warning := shell_warning(workspace):
        yield Finding("dvc.yaml", False, warning)
    try:
        tasks = workspace.params().tasks
    except PawlError as error:
        yield Finding("params.yaml", False, str(error))
        return
    yield Finding("params.yaml", True, f"tasks: {', '.join(tasks) or 'none yet'}")
    for name, section in tasks.items():
        try:
            workspace.checked_task(name)
            refuse_other_data(workspace, section)
            find_base(section.base, workspace.root)
            refuse_other_base(workspace, section.base)
        except PawlError as error:
            yield Finding(name, False, str(error))
        else:
            found = f"data and base are there{_passes(workspace.files(name).training)}"
            yield Finding(name, True, found)


def _passes(training: Path) -> str:
    """How the last training ran the base, if it had to be slower than usual."""
    try:
        passes = read_record(training, Training).choices.passes
    except (PawlError, OSError):
        return ""
    slower = SLOWER.get(passes)
    return f"; the last training took {slower}, which alone agrees with the base" if slower else ""


def _copies(workspace: Workspace) -> Finding:
    told = copies_text(workspace)
    return Finding("copies", told is None, told or "none of this workspace on this machine")


def _store(workspace: Workspace) -> Finding:
    from pawl.store.addresses import displayed
    from pawl.store.client import check_connection, open_store

    try:
        store = open_store(workspace)
        check_connection(store)
    except ParamsError:
        # Said above already: the workspace's name, by which its record is found, is in that file.
        return Finding("tracking", True, "not looked at: params.yaml cannot be read")
    except PawlError as error:
        return Finding("tracking", False, str(error))
    return Finding("tracking", True, displayed(store.uri))
