"""The store itself: paging, errors, and the same behaviour over REST."""

from __future__ import annotations

import json
from typing import Any

import pytest
from workbench import TASK, Bench

from pawl.commands.status import status
from pawl.errors import RegistryError
from pawl.ledger.ledger import append, entries, model
from pawl.ledger.state import read_state
from pawl.release.retire import retire
from pawl.release.verify import verify
from pawl.store import registry
from pawl.store.client import open_store
from pawl.store.versions import versions

PRICE = {"level": 0.001, "alpha": 0.05, "since": 1, "rows": 20}


def test_a_ledger_longer_than_one_page_is_read_whole(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "PAGE", 2)
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
            details={"lineage": "l", "question": f"q{number}", "of": 9, **PRICE},
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


@pytest.mark.parametrize(
    ("entry", "details"),
    [("1", {}), ("1", {"level": float("nan")}), ("4", {}), ("5", {"after": "x"})],
)
def test_an_entry_that_lacks_what_its_kind_says_is_an_error_in_words(
    bench: Bench, entry: str, details: dict[str, Any]
) -> None:
    bench.cycle(1)
    bench.cycle(2, "reject")
    retire(bench.workspace, bench.store, TASK, 2, why="w", who="Bo")
    bench.cycle(3, "reject")
    tags = bench.store.client.get_model_version(model(TASK), entry).tags
    body = json.loads(tags["pawl.entry"])
    changed = {**body, "details": details and {**body["details"], **details}}
    if "after" in details:
        changed |= {"kind": "adopt", "new": body["expected"]}
    text = json.dumps(changed)
    bench.store.client.set_model_version_tag(model(TASK), entry, "pawl.entry", text)
    for ask in (status, verify):
        with pytest.raises(RegistryError, match=f"version {entry} of 'tickets.ledger' is no ledg"):
            ask(bench.workspace, open_store(bench.workspace), TASK)


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


@pytest.mark.parametrize(
    "address",
    [
        "http://ada:s3cr%2Ft@127.0.0.1:9",
        "http://ada:s3cr%2Ft@127.0.0.1:none",
        "postgresql://ada:s3cr%2Ft@127.0.0.1:9/mlflow",
        "postgresql://127.0.0.1:9/mlflow?user=ada&password=s3cr%2Ft",
    ],
)
def test_a_password_in_the_stores_address_is_never_shown(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryError, match=r"127\.0\.0\.1") as refused:
        versions(open_store(bench.workspace), TASK)
    assert "s3cr" not in str(refused.value)
