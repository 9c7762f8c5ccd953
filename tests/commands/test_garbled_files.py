"""Whatever stands in a file of `build/`, commands and stages answer with a sentence or do well."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pawl.commands.gc import find_reclaimable
from pawl.commands.plan import plan
from pawl.commands.run import fingerprint_now
from pawl.commands.status import status
from pawl.core.files import remove
from pawl.core.records import read_record, read_rows
from pawl.core.records.train import Training
from pawl.cycle.conclude import conclude
from pawl.cycle.snapshots import snapshot_champion
from pawl.data.report.check_summary import read_check
from pawl.data.split.split import split
from pawl.errors import DataError, PawlError, file_error
from pawl.evaluate.preflight import preflight
from pawl.evaluate.run import evaluate
from pawl.gate.run import gate
from pawl.release.verify import verify
from pawl.report.dropped import read_dropped_text
from pawl.report.ranks import read_rank_trials
from pawl.store.client import Store, open_store
from pawl.train.run import train
from pawl.workspace.paths import Workspace
from pawl.workspace.stages import read_failure

EARLIER = Path(__file__).parents[1] / "earlier" / "workspace-0.1.tar.gz"
TASK = "tickets"
# What other Pawls, editors and crashes leave; each in place of a good file.
GARBAGE = (
    b"",
    b"{",
    b"[]\n",
    b"null\n",
    b"7\n",
    b'"a text"\n',
    b"{}\n",
    b'{"prompt": "p", "completion": "c"}\n',
    b'{"id": 1, "key": null, "messages": {}, "completion": []}\n',
    b"NaN\n",
    b"1e999\n",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"\xff\xfe\x00garbled",
    b'{"\xed\xa0\x80": 1}',
    b"\x00" * 64,
    b"9" * 5000,
)
# One of a kind, for each reader; the stages and `read_record` are given all.
KINDS = (b"", b"[]\n", b'{"prompt": "p", "completion": "c"}\n', b"1e999\n", b"[" * 100_000, b"\xff")
Reader = Callable[[Workspace, Store], object]
READERS: dict[str, Reader] = {
    "status": lambda there, store: status(there, store, TASK, repair=False),
    "plan": lambda there, store: plan(there, store, TASK, device="cpu"),
    "run": lambda there, store: fingerprint_now(there, store, TASK),
    "verify": lambda there, store: verify(there, store, TASK, None),
    "gc": find_reclaimable,
    "check": lambda there, _: read_check(there, TASK),
    "left out": lambda there, _: read_dropped_text(there.files(TASK).splits / "manifest.json"),
    "ranks": lambda there, _: read_rank_trials(there.files(TASK).training),
    "failure": lambda there, _: read_failure(there, TASK),
    "champion": lambda there, store: snapshot_champion(there, store, TASK),
    "split": lambda there, _: split(there, TASK),
    "preflight": lambda there, _: preflight(there, TASK),
    "gate": lambda there, _: gate(there, TASK),
}
# Those that go on to work for minutes where all is well; only files without which they cannot.
WORKERS: dict[str, tuple[Reader, tuple[str, ...]]] = {
    "train": (
        lambda there, _: train(there, TASK),
        ("splits/manifest.json", "splits/train.jsonl", "splits/dev.jsonl", "inputs/base.json"),
    ),
    "evaluate": (
        lambda there, _: evaluate(there, TASK),
        (
            "splits/manifest.json",
            "splits/gate.jsonl",
            "inputs/base.json",
            "look.json",
            "champion/champion.json",
            "champion/adapter/pawl.json",
            "adapter/pawl.json",
            "adapter/adapter_config.json",
            "adapter/adapter_model.safetensors",
        ),
    ),
    "register": (
        lambda there, store: conclude(there, store, TASK, question="q", who="A", why="w"),
        ("verdict.json", "adapter/pawl.json"),
    ),
}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory, base_folder: Path) -> Path:
    """A workspace with the files of two whole cycles."""
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(EARLIER) as tar:
        tar.extractall(folder, filter="data")
    shutil.copytree(base_folder, folder / "workspace" / "base" / "tiny")
    root = folder / "workspace"
    (root / "build" / TASK / "error.json").write_text(
        '{"kind": "DataError", "found": "f", "rule": "r", "remedy": "m"}'
    )
    return root


@pytest.fixture
def there(unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Workspace, Store]]:
    before = dict(os.environ)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    yield Workspace(unpacked), open_store(Workspace(unpacked))
    os.environ.clear()
    os.environ.update(before)


def names(root: Path) -> list[str]:
    build = root / "build" / TASK
    return sorted(p.relative_to(build).as_posix() for p in build.rglob("*") if p.is_file())


def answers_or_refuses(reader: Reader, there: Workspace, store: Store, case: str) -> bool:
    """Whether it refused; anything but a `PawlError` with a remedy is raised."""
    refused: PawlError | None = None
    try:
        reader(there, store)
    except PawlError as error:
        refused = error
    except OSError as error:
        # The command line and the stages say it in these words.
        if (refused := file_error(error)) is None:
            raise
    except BaseException as error:
        raise AssertionError(f"{case}: {type(error).__name__}: {error}") from error
    assert refused is None or refused.remedy, f"{case}: {refused}"
    return refused is not None


class Garbled:
    """A file of `build/` that is something else for a while, and all that a reader then wrote."""

    def __init__(self, root: Path, name: str) -> None:
        self.build, self.name = root / "build" / TASK, name
        self.saved = root.parent / "saved"

    def __enter__(self) -> Path:
        shutil.copytree(self.build, self.saved)
        path = self.build / self.name
        path.unlink()
        return path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.build)
        self.saved.rename(self.build)


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_every_reader_answers_whatever_a_file_holds(
    there: tuple[Workspace, Store], reader: str
) -> None:
    workspace, store = there
    for name in names(workspace.root):
        with Garbled(workspace.root, name) as path:
            for garbage in KINDS:
                path.write_bytes(garbage)
                case = f"{reader}, {name} = {garbage[:30]!r}"
                answers_or_refuses(READERS[reader], workspace, store, case)
                remove(path)
            path.mkdir()
            answers_or_refuses(READERS[reader], workspace, store, f"{reader}, {name} a folder")
            remove(path)
            path.symlink_to(path.name)
            answers_or_refuses(READERS[reader], workspace, store, f"{reader}, {name} a loop")
            remove(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("worker", "name"), [(one, name) for one, (_, names) in WORKERS.items() for name in names]
)
def test_a_stage_refuses_a_garbled_file_before_it_works(
    there: tuple[Workspace, Store], worker: str, name: str
) -> None:
    workspace, store = there
    with Garbled(workspace.root, name) as path:
        for garbage in GARBAGE:
            path.write_bytes(garbage)
            case = f"{worker}, {name} = {garbage[:30]!r}"
            refused = answers_or_refuses(WORKERS[worker][0], workspace, store, case)
            assert refused, f"{case} was taken"
            remove(path)


def test_a_row_of_another_pawl_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "gate.jsonl"
    path.write_text(
        '{"id": "1", "key": "k", "messages": [], "completion": "c"}\n'
        '{"prompt": "p", "completion": "c"}\n'
    )
    with pytest.raises(DataError, match=r"gate\.jsonl holds no Example a line: line 2") as refused:
        read_rows(path)
    assert "dvc repro" in refused.value.remedy


@pytest.mark.parametrize("text", ['{"seconds": 1e999}', "NaN", "[" * 100_000, "1" * 5000])
def test_a_record_holds_no_number_and_no_depth_that_python_trips_over(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "training.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"training\.json holds no Training"):
        read_record(path, Training)
