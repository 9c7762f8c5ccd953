"""Fixtures of this room: a workspace with released versions on the real tiny base."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from callers import Running, Served, make_served, serving

from pawl.store.client import open_store
from pawl.workspace.paths import Workspace


@pytest.fixture(scope="session")
def released(
    tmp_path_factory: pytest.TempPathFactory, base_folder: Path, empty_store: Path
) -> dict[str, Served]:
    """Two tasks, of three versions and one, whose first is champion; to be copied."""
    before = dict(os.environ)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    root = tmp_path_factory.mktemp("released") / "ws"
    (root / ".pawl").mkdir(parents=True)
    shutil.copy(empty_store, root / ".pawl" / "mlflow.db")
    found = make_served(root, base_folder, {"tickets": 3, "notes": 1})
    os.environ.clear()
    os.environ.update(before)
    return found


@pytest.fixture
def fresh(released: dict[str, Served], tmp_path: Path) -> Iterator[dict[str, Served]]:
    """A copy of that workspace, to release in."""
    yield from _copy(released, tmp_path / "ws")


@pytest.fixture(scope="module")
def copied(
    released: dict[str, Served], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Served]]:
    """A copy for the tests of one file."""
    yield from _copy(released, tmp_path_factory.mktemp("copied") / "ws")


def _copy(released: dict[str, Served], root: Path) -> Iterator[dict[str, Served]]:
    before = dict(os.environ)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    first = next(iter(released.values()))
    shutil.copytree(first.workspace.root, root, symlinks=True)
    workspace = Workspace(root)
    store = open_store(workspace)
    yield {task: Served(workspace, store, task, base=one.base) for task, one in released.items()}
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def running(released: dict[str, Served]) -> Iterator[Running]:
    """One server for all that only asks."""
    with serving(released["tickets"].workspace) as server:
        yield server
