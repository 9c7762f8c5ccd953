"""Fixtures of this room: released versions with dev answers on the real tiny base, and replicas."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from published import Published
from released_tasks import make_served
from vllm_stand_in import Brain, StandIn, replicas

from pawl.store.client import open_store
from pawl.workspace.paths import Workspace


@pytest.fixture(scope="session")
def judged(
    tmp_path_factory: pytest.TempPathFactory, base_folder: Path, empty_store: Path
) -> Published:
    """A task of three versions, whose first is champion; to be copied."""
    before = dict(os.environ)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    root = tmp_path_factory.mktemp("judged") / "ws"
    (root / ".pawl").mkdir(parents=True)
    shutil.copy(empty_store, root / ".pawl" / "mlflow.db")
    found = make_served(root, base_folder, {"tickets": 3}, kind=Published)
    os.environ.clear()
    os.environ.update(before)
    made = found["tickets"]
    assert isinstance(made, Published)
    return made


@pytest.fixture
def tickets(judged: Published, tmp_path: Path) -> Iterator[Published]:
    """A copy of that workspace, to release and publish in."""
    before = dict(os.environ)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    root = tmp_path / "ws"
    shutil.copytree(judged.workspace.root, root, symlinks=True)
    workspace = Workspace(root)
    yield Published(workspace, open_store(workspace), judged.task, base=judged.base)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def brain(base_folder: Path) -> Brain:
    """What replicas answer with."""
    return Brain(base_folder)


@pytest.fixture
def pair(brain: Brain) -> Iterator[list[StandIn]]:
    """Two replicas."""
    with replicas(brain, 2) as found:
        yield found
