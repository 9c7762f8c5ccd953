"""The auditor is proven: each lie that is planted in a real store is found, also without keys.

What keys and remembered heads tell beyond that: tests/bench/test_lies.py.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from workbench import TASK, Bench, make_bench

from pawl.core.files import digest_file
from pawl.ledger.keys import TRUSTED
from pawl.ledger.ledger import append, entries
from pawl.ledger.state import read_state
from pawl.model.adapter import WEIGHTS
from pawl.release.release import promote, rollback
from pawl.release.verify import verify
from pawl.store.registry import add_version, set_alias
from pawl.store.versions import versions

AUDITOR = Path(__file__).parents[2] / "bench" / "auditor.py"
LEDGER = f"{TASK}.ledger"
Event = dict[str, Any]


@pytest.fixture(scope="module")
def auditor() -> ModuleType:
    sys.path.insert(0, str(AUDITOR.parent))
    return importlib.import_module(AUDITOR.stem)


def told(bench: Bench) -> list[Event]:
    """A first champion, a better one, a rejected one, a rollback, with what commands were told."""
    events: list[Event] = []

    def saying(why: str, act: Callable[[], object]) -> None:
        act()
        now = read_state(bench.store, TASK).champion
        events.append({"event": "asked", "task": TASK, "why": why})
        said = {"version": now.version, "digest": now.digest}
        events.append({"event": "done", "task": TASK, "why": why, **said})

    saying("a test", lambda: bench.cycle(1))
    bench.cycle(2, "reject")
    hand: dict[str, Any] = {"who": "Bo"}
    workspace, store = bench.workspace, bench.store
    saying(
        "by hand", lambda: promote(workspace, store, TASK, 2, why="by hand", override=True, **hand)
    )
    saying("back", lambda: rollback(workspace, store, TASK, why="back", **hand))
    return events


def write(path: Path, events: list[Event]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def edit(bench: Bench, number: int, **changes: Any) -> None:
    """Forge a ledger entry in the database itself."""
    with sqlite3.connect(bench.store.uri.removeprefix("sqlite:///")) as database:
        where = "where name = ? and version = ? and key = 'pawl.entry'"
        (text,) = database.execute(
            f"select value from model_version_tags {where}", (LEDGER, number)
        ).fetchone()
        changed = json.dumps({**json.loads(text), **changes}, sort_keys=True)
        database.execute(
            f"update model_version_tags set value = ? {where}", (changed, LEDGER, number)
        )


def artifacts(bench: Bench, version: int) -> Path:
    run_id = bench.store.client.get_model_version(TASK, str(version)).run_id
    return bench.workspace.home / "artifacts" / TASK / str(run_id) / "artifacts"


def again(bench: Bench, version: int) -> None:
    """The same judgement registered a second time."""
    known = bench.store.client.get_model_version(TASK, str(version))
    add_version(
        bench.store,
        TASK,
        op_id="another operation",
        source=known.source,
        run_id=known.run_id,
        tags={k: v for k, v in known.tags.items() if k != "pawl.op_id"},
        description="",
    )


def operated_twice(bench: Bench) -> None:
    known = bench.store.client.get_model_version(TASK, "1")
    bench.store.client.create_model_version(TASK, known.source, known.run_id, tags=known.tags)


def forge(bench: Bench, kind: Any) -> None:
    """An entry that the ledger counts though nobody earned it."""
    state = read_state(bench.store, TASK)
    new = versions(bench.store, TASK)[1].champion
    append(
        bench.store, TASK, op_id="forged", kind=kind, expected=state.champion, new=new,
        who="Eve", why="forged",
    )  # fmt: skip
    set_alias(bench.store, TASK, new.version)


def rejudge(bench: Bench, *, version: int = 1, **changes: Any) -> str:
    """Rewrite the stored verdict of a version; returns its new digest."""
    path = artifacts(bench, version) / "verdict.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return digest_file(path)


def signature(bench: Bench, version: int) -> Path:
    """The signature that the store keeps of a version."""
    return next((artifacts(bench, version) / "release").glob("*.sig"))


def left_open(bench: Bench) -> None:
    experiment = bench.store.client.get_experiment_by_name(TASK)
    assert experiment is not None
    bench.store.client.create_run(experiment.experiment_id)


def stray(bench: Bench) -> None:
    bench.store.client.create_model_version(LEDGER, "nowhere")


LIES: dict[str, tuple[str, Callable[[Bench], None]]] = {
    "entry removed": (
        "I1: ledger entry 2 is gone",
        lambda b: b.store.client.delete_model_version(LEDGER, "2"),
    ),
    "entry edited": ("follows no earlier one", lambda b: edit(b, 2, why="I never said that")),
    "entry garbled": (
        "is no entry",
        lambda b: b.store.client.set_model_version_tag(LEDGER, "2", "pawl.entry", "{"),
    ),
    "stranger in the ledger": ("is no entry", stray),
    "promoted though rejected": ("the gate said reject", lambda b: forge(b, "promote")),
    "first though there is a champion": ("first, but there", lambda b: forge(b, "first")),
    "no reason": ("says not who and why", lambda b: edit(b, 4, why=" ")),
    "unknown kind": ("of no known kind", lambda b: forge(b, "rollback") or edit(b, 6, kind="gift")),
    "verdict gone": (
        "has no readable verdict",
        lambda b: (artifacts(b, 1) / "verdict.json").unlink(),
    ),
    "verdict rewritten": ("another file is its evidence", lambda b: rejudge(b, reasons=["x"])),
    "verdict of an override rewritten": (
        "I1: entry 4 (override of version 2): another file is its evidence",
        lambda b: rejudge(b, version=2, reasons=["x"]),
    ),
    "verdict and entry rewritten alike": (
        "another file is its evidence",
        lambda b: edit(b, 2, evidence=rejudge(b, reasons=["x"])),
    ),
    "version's page names another verdict": (
        "another file is its evidence",
        lambda b: b.store.client.set_model_version_tag(TASK, "1", "pawl.evidence", "0" * 64),
    ),
    "signature gone": ("its signature is gone", lambda b: signature(b, 1).unlink()),
    "signature of another version": (
        "I1: entry 4 (override of version 2): its signature is gone, or is another file",
        lambda b: shutil.copyfile(signature(b, 1), signature(b, 2)),
    ),
    "signature altered": (
        "I1: entry 5 (rollback of version 1): its signature is gone, or is another file",
        lambda b: signature(b, 1).write_text("{}"),
    ),
    "released unsigned": ("its signature is gone", lambda b: edit(b, 4, details={})),
    "entry names another signature": (
        "its signature is gone",
        lambda b: edit(b, 5, details={"signature": "0" * 64}),
    ),
    "verdict on another adapter": ("judged another adapter", lambda b: rejudge(b, candidate="x")),
    "verdict against another champion": (
        "judged against another champion",
        lambda b: rejudge(b, champion={"version": 7, "digest": "x"}),
    ),
    "verdict without a look": ("no look was paid for", lambda b: rejudge(b, look=None)),
    "verdict's parents changed": (
        "its evidence changed",
        lambda b: rejudge(b, parents={"eval/report.json": "x"}),
    ),
    "version gone": (
        "that version is gone",
        lambda b: b.store.client.delete_model_version(TASK, "2"),
    ),
    "version replaced": (
        "or is another adapter",
        lambda b: b.store.client.set_model_version_tag(TASK, "2", "pawl.digest", "x"),
    ),
    "release lost": ("I2: lost", lambda b: b.store.client.delete_model_version(LEDGER, "5")),
    "release undone": ("I2: lost", lambda b: edit(b, 5, expected={"version": 9, "digest": "x"})),
    "release nobody asked for": ("I2: phantom", lambda b: forge(b, "override")),
    "alias moved": ("I3: alias at 2", lambda b: set_alias(b.store, TASK, 2)),
    "alias gone": ("I3: alias at None", lambda b: set_alias(b.store, TASK, None)),
    "champion's bytes changed": (
        "I4: champion bytes",
        lambda b: (artifacts(b, 1) / "adapter" / WEIGHTS).write_bytes(b"other"),
    ),
    "champion's file added": (
        "I4: champion bytes",
        lambda b: (artifacts(b, 1) / "adapter" / "model.bin").write_bytes(b"x"),
    ),
    "champion's files gone": (
        "I4: the champion",
        lambda b: (artifacts(b, 1) / "adapter").rename(artifacts(b, 1) / "gone"),
    ),
    "operation recorded twice": ("I5: 2 versions of operation", operated_twice),
    "judgement registered twice": ("I5: 2 versions of judgement", lambda b: again(b, 1)),
    "run left open": ("never ended", left_open),
}  # fmt: skip


@dataclass(frozen=True)
class Honest:
    """A store in which all is well, its acknowledgements, and a copy to come back to."""

    bench: Bench
    acks: Path
    copy: Path

    def restore(self) -> Bench:
        """The store as it was; MLflow keeps its file open, so the pages are copied back into it."""
        path = Path(self.bench.store.uri.removeprefix("sqlite:///"))
        kept = closing(sqlite3.connect(self.copy / "mlflow.db"))
        with kept as source, closing(sqlite3.connect(path)) as database:
            source.backup(database)
        for name in ("artifacts", "keys"):  # the remembered heads lie beside the key
            shutil.rmtree(path.parent / name)
            shutil.copytree(self.copy / name, path.parent / name)
        self.bench.store.seen.clear()
        return self.bench


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory, auditor: ModuleType) -> Iterator[Honest]:
    root, before = tmp_path_factory.mktemp("honest"), dict(os.environ)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    bench = make_bench(root / "ws")
    acks = write(root / "acks.jsonl", told(bench))
    shutil.copytree(bench.workspace.home, root / "copy")
    assert [entry.kind for entry in entries(bench.store, TASK)] == [
        "look", "first", "look", "override", "rollback",
    ]  # fmt: skip
    assert auditor.check(bench.store.uri, TASK, acks=acks) == []
    yield Honest(bench, acks, root / "copy")
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize("lie", LIES)
def test_each_lie_that_is_planted_in_the_store_is_found(
    honest: Honest, auditor: ModuleType, lie: str
) -> None:
    says, plant = LIES[lie]
    bench = honest.restore()
    plant(bench)
    found = auditor.check(bench.store.uri, TASK, acks=honest.acks)
    assert any(says in line for line in found), found


def test_a_refused_release_that_counts_all_the_same_is_a_phantom(
    honest: Honest, auditor: ModuleType, tmp_path: Path
) -> None:
    bench = honest.restore()
    events = [json.loads(line) for line in honest.acks.read_text().splitlines()]
    events[-1] = {"event": "refused", "task": TASK, "why": "back"}
    found = auditor.check(bench.store.uri, TASK, acks=write(tmp_path / "acks", events))
    assert found == ["I2: phantom: 'back' was refused"]


def test_right_after_a_crash_the_alias_may_lag_and_nothing_else(
    honest: Honest, auditor: ModuleType
) -> None:
    bench = honest.restore()
    set_alias(bench.store, TASK, 2)
    left_open(bench)
    assert auditor.check(bench.store.uri, TASK, settled=False) == []
    bench.cycle(3, "reject")
    set_alias(bench.store, TASK, 3)
    assert auditor.check(bench.store.uri, TASK, settled=False) == ["I3: alias at 3, ledger at 1"]


def test_the_auditor_shares_no_code_with_the_package_and_is_short() -> None:
    paths = [AUDITOR, *AUDITOR.with_name("auditlab").glob("*.py")]
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths) < 740
    names = {
        name
        for path in paths
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import)
            else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        )
    }  # fmt: skip
    own = sys.stdlib_module_names | {"auditlab", "cryptography", "mlflow", "model_signing"}
    assert {name.split(".")[0] for name in names} <= own
    assert not any(name.startswith("mlflow.") for name in names)


def told_by(bench: Bench, *more: str) -> tuple[int, str]:
    command = [sys.executable, str(AUDITOR), "--store", bench.store.uri, "--task", TASK, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_the_command_with_keys_and_heads_verifies_all_and_says_what_it_could_not(
    honest: Honest,
) -> None:
    bench = honest.restore()
    keys = ("--keys", str(bench.workspace.root / TRUSTED))
    heads = ("--heads", str(bench.workspace.home / "keys" / "heads"))
    assert told_by(bench, *keys, *heads) == (0, "tickets: no violation\n")
    code, said = told_by(bench)
    assert code == 0
    assert [line.split(":")[1] for line in said.splitlines()[:-1]] == [
        " signatures", " that nothing was cut off",
    ]  # fmt: skip


def test_the_command_ends_with_1_and_the_violation_in_words(honest: Honest) -> None:
    bench = honest.restore()
    set_alias(bench.store, TASK, None)
    code, said = told_by(bench)
    assert (code, said.splitlines()[0]) == (1, "I3: alias at None, ledger at 1")


def test_no_tag_of_a_page_can_be_edited_without_verify_and_the_auditor_saying_so(
    bench: Bench, auditor: ModuleType
) -> None:
    bench.cycle(1)
    client, keys = bench.store.client, bench.workspace.root / "pawl.pub"
    tags = client.get_model_version(TASK, "1").tags
    own = {name for name in tags if name.startswith("pawl.")}
    assert own >= {"pawl.data", "pawl.commit", "pawl.params", "pawl.base", "pawl.scores"}
    for name in sorted(own):
        other = "{}" if tags[name].startswith("{") else f"{tags[name]}1"
        client.set_model_version_tag(TASK, "1", name, other)
        said = {one.name for one in verify(bench.workspace, bench.store, TASK) if not one.ok}
        heard = auditor.check(bench.store.uri, TASK, keys=keys)
        assert said >= {"judgements"} or (name == "pawl.digest" and said), (name, said)
        assert any("version 1" in line for line in heard), (name, heard)
        client.set_model_version_tag(TASK, "1", name, tags[name])
    assert all(check.ok for check in verify(bench.workspace, bench.store, TASK))
    assert auditor.check(bench.store.uri, TASK, keys=keys) == []
