"""Two workspaces on one MLflow: a task of one is no task of the other, whatever it is called."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from workbench import TASK, Bench, make_bench

from pawl.commands.name import name_workspace
from pawl.errors import ParamsError, RegistryError, UsageError
from pawl.ledger.ledger import entries
from pawl.ledger.state import read_state, undoubted_state
from pawl.release.history import history
from pawl.release.release import rollback
from pawl.release.verify import verify
from pawl.store.client import open_store
from pawl.store.registry import model_names
from pawl.workspace.names import artifact_key
from pawl.workspace.paths import Workspace


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path) -> str:
    file = tmp_path / "server" / "mlflow.db"
    file.parent.mkdir()
    shutil.copy(empty_store, file)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{file}")
    return str(file)


def named(root: Path, name: str | None) -> Bench:
    bench = make_bench(root)
    if name:
        text = bench.workspace.params_file.read_text()
        bench.workspace.params_file.write_text(f"name: {name}\n{text}")
    return Bench(bench.workspace, open_store(bench.workspace))


def names(store: Any) -> list[str]:
    return sorted(model.name for model in store.client.search_registered_models())


def test_two_workspaces_with_one_task_name_have_a_ledger_and_versions_each(
    tmp_path: Path, shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "bench"))
    auditor = importlib.import_module("auditor")
    one, two = named(tmp_path / "one", "one"), named(tmp_path / "two", "two")
    first, other = one.cycle(1), two.cycle(2)
    assert (first.verdict, other.verdict) == ("promote", "promote")
    both = [f"{name}.tickets{end}" for name in ("one", "two") for end in ("", ".ledger")]
    assert names(one.store) == both
    for bench, cycle in ((one, first), (two, other)):
        state = undoubted_state(open_store(bench.workspace), TASK)
        assert state.champion.digest == cycle.candidate.digest
        assert state.champion.version == 1
        assert model_names(bench.store) == ["tickets", "tickets.ledger"]
        alias = bench.store.client.get_model_version_by_alias(
            f"{bench.store.name}.tickets", "champion"
        )
        assert int(alias.version) == 1
        assert all(check.ok for check in verify(bench.workspace, bench.store, TASK))
        # The checker that shares no code with Pawl finds the same.
        keys, name = bench.workspace.root / "pawl.pub", bench.store.name
        assert auditor.check(bench.store.uri, TASK, keys=keys, workspace=name) == []
    # Read without MLflow, it is the same.
    reading = open_store(one.workspace, reading=True)
    assert reading.reader is not None
    assert read_state(reading, TASK).champion.digest == first.candidate.digest
    assert model_names(reading) == ["tickets", "tickets.ledger"]


def test_a_workspace_without_a_name_goes_on_beside_them_as_before(
    tmp_path: Path, shared: str
) -> None:
    earlier, one = named(tmp_path / "earlier", None), named(tmp_path / "one", "one")
    cycle = earlier.cycle(1)
    one.cycle(2)
    assert {"tickets", "tickets.ledger"} < set(names(earlier.store))
    assert model_names(earlier.store) == ["tickets", "tickets.ledger"]
    state = undoubted_state(open_store(earlier.workspace), TASK)
    assert state.champion.digest == cycle.candidate.digest


def test_a_record_comes_along_when_its_workspace_is_named_and_named_again(
    tmp_path: Path, shared: str
) -> None:
    bench = named(tmp_path / "ws", None)
    bench.cycle(1)
    bench.cycle(2)
    before = entries(bench.store, TASK)
    done = name_workspace(bench.workspace, bench.store, "support")
    assert done.carried == ("support.tickets", "support.tickets.ledger")
    assert bench.workspace.params_file.read_text().startswith("name: support\n")
    store = open_store(bench.workspace)
    assert entries(store, TASK) == before
    assert names(store) == ["support.tickets", "support.tickets.ledger"]
    assert all(check.ok for check in verify(bench.workspace, store, TASK))
    rollback(bench.workspace, store, TASK, why="worse", who="Ada")
    assert [entry.kind for entry in history(store, TASK)] == ["first", "promote", "rollback"]

    name_workspace(bench.workspace, store, "desk")
    store = open_store(bench.workspace)
    assert undoubted_state(store, TASK).champion.version == 1
    third = Bench(bench.workspace, store).cycle(3)
    assert third.candidate.version == 3


def test_a_naming_that_was_cut_off_is_finished_by_the_same_command(
    tmp_path: Path, shared: str
) -> None:
    bench = named(tmp_path / "ws", None)
    bench.cycle(1)
    params = bench.workspace.params_file.read_text()
    name_workspace(bench.workspace, bench.store, "support")
    # As if it had been killed before the name was written: under the old one nothing begins anew.
    bench.workspace.params_file.write_text(params)
    with pytest.raises(RegistryError, match="this workspace has seen its entry"):
        undoubted_state(open_store(bench.workspace), TASK)
    name_workspace(bench.workspace, open_store(bench.workspace), "support")
    assert undoubted_state(open_store(bench.workspace), TASK).champion.version == 1


def test_a_name_that_is_taken_or_none_changes_nothing(tmp_path: Path, shared: str) -> None:
    one, two = named(tmp_path / "one", "one"), named(tmp_path / "two", "two")
    one.cycle(1)
    two.cycle(2)
    before = two.workspace.params_file.read_text()
    with pytest.raises(RegistryError, match=r"'two\.tickets' and 'one\.tickets'"):
        name_workspace(two.workspace, two.store, "one")
    for wrong in ("Two", "a--b", "a.b", "", "x" * 41):
        with pytest.raises(UsageError, match="is no name"):
            name_workspace(two.workspace, two.store, wrong)
    assert two.workspace.params_file.read_text() == before
    assert names(two.store)[-2:] == ["two.tickets", "two.tickets.ledger"]


def test_a_name_is_read_whatever_else_is_wrong_and_refused_if_it_is_none(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    (tmp_path / ".pawl").mkdir()
    for text, name in (("name: a-b\ntasks: {x: 3}\n", "a-b"), ("tasks: {t: {name: x}}\n", None)):
        workspace.params_file.write_text(text)
        assert open_store(workspace).name == name
    workspace.params_file.write_text("name: A.b\ntasks: {}\n")
    with pytest.raises(ParamsError, match=r"params.yaml:1: name = 'A.b'"):
        open_store(workspace)


def test_keys_of_pages_of_two_workspaces_never_meet() -> None:
    keys = [artifact_key(*of) for of in (("a", "cycle", "b-c"), ("a-b", "cycle", "c"))]
    assert len(set(keys)) == 2
    assert artifact_key(None, "cycle", "b_c") == "cycle-b-c", "as Pawl 0.1 named it"
