"""The store itself: paging, errors, and the same behaviour over REST."""

from __future__ import annotations

import pytest
from conftest import TASK, Bench

from pawl.errors import RegistryError
from pawl.registry import store as module
from pawl.registry.ledger import append, entries
from pawl.registry.snapshot import read_state
from pawl.registry.store import open_store
from pawl.registry.versions import versions


def test_a_ledger_longer_than_one_page_is_read_whole(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    state = read_state(bench.store, TASK)
    for number in range(5):
        append(
            bench.store,
            TASK,
            op_id=f"op{number}",
            kind="look",
            expected=state.champion,
            new=None,
            who="Ada",
            why="w",
            details={"lineage": "l", "question": f"q{number}", "of": 9},
        )
    assert [entry.number for entry in entries(bench.store, TASK)] == [1, 2, 3, 4, 5]


def test_a_version_that_a_person_added_is_not_taken_for_a_judged_one(bench: Bench) -> None:
    bench.cycle(1)
    bench.store.client.create_model_version(TASK, "s3://somewhere/else", tags={"mine": "yes"})
    assert [version.version for version in versions(bench.store, TASK)] == [1]


def test_a_ledger_version_that_is_no_entry_is_an_error_and_not_skipped(bench: Bench) -> None:
    bench.cycle(1)
    bench.store.client.create_model_version(f"{TASK}.ledger", "s3://somewhere")
    with pytest.raises(RegistryError, match="is no ledger entry"):
        read_state(bench.store, TASK)


def test_an_unreachable_store_says_what_to_do(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryError, match="MLFLOW_TRACKING_URI is right"):
        versions(open_store(bench.workspace), TASK)


def test_a_file_that_is_no_database_says_what_to_do(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = bench.workspace.root / "broken.db"
    broken.write_bytes(b"this is no SQLite file" * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{broken}")
    with pytest.raises(RegistryError, match="mlflow db upgrade"):
        versions(open_store(bench.workspace), TASK)
