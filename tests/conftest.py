"""Fixtures that tests of several rooms share: a real workspace on the real tiny base."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from workbench import Bench, make_bench

from pawl.commands.init import init
from pawl.commands.new import new_task
from pawl.commands.sources import Sources
from pawl.data.check import check
from pawl.data.inputs import held_out_register, inputs
from pawl.data.split.split import split
from pawl.model.tokenizer import load_tokenizer
from pawl.store.client import open_store
from pawl.workspace.paths import Workspace

ROOT = Path(__file__).parents[1]
BASE = ROOT / "base" / "tiny"
SNIPS = ROOT.parent / "shared" / "data" / "snips"
ROWS = 160

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# A shell starts what it runs in the background with Ctrl-C ignored, and children inherit that.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The two cores also train and serve while tests run: slowness is no finding.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
# Seconds for a test that takes minutes on free cores.
SLOW = 3000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW))


@pytest.fixture(scope="session")
def base_folder() -> Path:
    """The tiny base; `make data` brings it."""
    assert (BASE / "config.json").exists(), "base/tiny is not there: run `make data`"
    return BASE


@pytest.fixture(scope="session")
def tokenizer(base_folder: Path) -> Any:
    """The tiny base's tokenizer."""
    return load_tokenizer(base_folder)


@pytest.fixture(scope="session")
def snips() -> Path:
    """Real utterances, which are no part of the project."""
    if not SNIPS.is_dir():
        pytest.skip("the SNIPS rows are not there")
    return SNIPS


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, base_folder: Path) -> Path:
    """A workspace made as a user makes one, with few rows and one short epoch."""
    folder = tmp_path_factory.mktemp("template")
    rows = folder / "rows.jsonl"
    with (ROOT / "examples" / "tickets" / "v1.jsonl").open("rb") as file:
        rows.write_bytes(b"".join(itertools.islice(file, ROWS)))
    workspace = init(folder / "workspace")
    schema = ROOT / "data" / "tickets.schema.json"
    new_task(workspace, "tickets", Sources(rows, schema=schema, base=str(base_folder)))
    text = workspace.params_file.read_text(encoding="utf-8")
    text = text.replace("looks: 20", "looks: 3, min_rows: 5")
    # Few looks that all cost the same; tests/cli/test_screened.py is about what `pawl new` writes.
    text = re.sub(r"      spending: front\n      screen: [\d.]+\n", "", text)
    # The usual share, though there are few rows: `min_rows` asks for no more of them.
    text = re.sub(r"(      gate: )0\.[\d]+\n", r"\g<1>0.2\n", text)
    # What so short a training comes to is the same on every CPU.
    text = re.sub(r"epochs: \d+", "epochs: 1\n      precision: float32", text)
    assert "epochs: 1\n" in text
    text = text.replace("      looks: 3, min_rows: 5", "      looks: 3\n      min_rows: 5")
    workspace.params_file.write_text(text, encoding="utf-8")
    return workspace.root


@pytest.fixture
def quick_workspace(template: Path, tmp_path: Path) -> Workspace:
    """A fresh copy of a workspace with the task `tickets`, whose cycle takes about a minute."""
    root = tmp_path / "workspace"
    shutil.copytree(template, root, symlinks=True)
    return Workspace(root)


@pytest.fixture(scope="session")
def split_template(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That workspace once its data is checked and split."""
    root = tmp_path_factory.mktemp("split") / "workspace"
    shutil.copytree(template, root, symlinks=True)
    for stage in (inputs, check, held_out_register, split):
        stage(Workspace(root), "tickets")
    return root


@pytest.fixture
def split_workspace(split_template: Path, tmp_path: Path) -> Workspace:
    """A fresh copy of a workspace that is checked and split: what training starts from."""
    root = tmp_path / "workspace"
    shutil.copytree(split_template, root, symlinks=True)
    return Workspace(root)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store's file as MLflow makes it; making one anew for each test takes seconds."""
    before = dict(os.environ)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    workspace = Workspace(tmp_path_factory.mktemp("empty"))
    open_store(workspace)
    os.environ.clear()
    os.environ.update(before)
    return workspace.home / "mlflow.db"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path) -> Iterator[Bench]:
    # Opening a store sets the tools' environment; no test shall see another one's store.
    before = dict(os.environ)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    home = tmp_path / "ws" / ".pawl"
    home.mkdir(parents=True)
    shutil.copy(empty_store, home / "mlflow.db")
    yield make_bench(tmp_path / "ws")
    os.environ.clear()
    os.environ.update(before)
