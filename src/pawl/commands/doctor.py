"""`pawl doctor`: is everything there that a cycle needs? Each finding says what to do."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pawl.errors import PawlError
from pawl.model.base import find_base
from pawl.workspace.paths import Workspace
from pawl.workspace.task_inputs import data_file

PACKAGES = (
    "torch", "transformers", "peft", "bitsandbytes", "accelerate",
    "prefect", "mlflow", "dvc", "great-expectations",
)  # fmt: skip
LEAST_FREE = 1 << 30


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `says` is what was found, with the remedy where it is not well."""

    what: str
    ok: bool
    says: str


def examine(workspace: Workspace) -> list[Finding]:
    """Look at the machine, the packages, the workspace and its store; changes nothing."""
    return [*_machine(workspace.root), *_packages(), *_workspace(workspace), _store(workspace)]


def _machine(root: Path) -> Iterator[Finding]:
    found = sys.version_info
    yield Finding("python", (3, 11) <= found < (3, 14), f"{found.major}.{found.minor} (3.11–3.13)")
    for name in ("git",):
        path = shutil.which(name)
        yield Finding(name, path is not None, path or f"not found: install {name}")
    free = shutil.disk_usage(root).free
    yield Finding("disk", free > LEAST_FREE, f"{free / 2**30:.0f} GiB free (1 GiB is asked)")
    yield _device()


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
            yield Finding(name, False, "not installed: pip install -r requirements.lock")


def _workspace(workspace: Workspace) -> Iterator[Finding]:
    for name in ("dvc.yaml", "prefect.yaml", "flows/retrain.py", ".dvc", ".git"):
        there = (workspace.root / name).exists()
        yield Finding(name, there, "there" if there else "missing: `pawl init` writes one")
    try:
        tasks = workspace.params().tasks
    except PawlError as error:
        yield Finding("params.yaml", False, str(error))
        return
    yield Finding("params.yaml", True, f"tasks: {', '.join(tasks) or 'none yet'}")
    for name, section in tasks.items():
        try:
            workspace.checked_task(name)
            data_file(workspace, section)
            find_base(section.base, workspace.root)
        except PawlError as error:
            yield Finding(name, False, str(error))
        else:
            yield Finding(name, True, "data and base are there")


def _store(workspace: Workspace) -> Finding:
    from pawl.store.client import open_store

    try:
        store = open_store(workspace)
        store.client.search_experiments(max_results=1)
    except PawlError as error:
        return Finding("tracking", False, str(error))
    return Finding("tracking", True, store.uri)
