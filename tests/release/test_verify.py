"""`pawl verify` sees what was altered, wherever it was altered."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from workbench import TASK, Bench

from pawl.errors import UsageError
from pawl.ledger.alias import project
from pawl.ledger.ledger import append, model
from pawl.ledger.state import read_state
from pawl.model.adapter import WEIGHTS
from pawl.release.local_copies import local_copy
from pawl.release.signing import sign_release
from pawl.release.verify import verify
from pawl.store.client import open_store
from pawl.store.registry import set_alias
from pawl.store.versions import get


def off(bench: Bench, version: int | None = None) -> set[str]:
    """The names of the checks that failed, asked of a store of its own, as a command asks."""
    found = verify(bench.workspace, open_store(bench.workspace), TASK, version)
    assert all(check.remedy for check in found if not check.ok)
    return {check.name for check in found if not check.ok}


def stored(bench: Bench, name: str) -> Path:
    """A file of the first version in the store."""
    run = bench.store.client.get_model_version(TASK, "1").run_id
    return next((bench.workspace.home / "artifacts").rglob(f"{run}/**/{name}"))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def alter_stored_weights(bench: Bench) -> None:
    flip(stored(bench, WEIGHTS))


def alter_local_weights(bench: Bench) -> None:
    flip(bench.workspace.home / "adapters" / TASK / "1" / WEIGHTS)


def alter_signature(bench: Bench) -> None:
    flip(stored(bench, "*.sig"))


def alter_verdict(bench: Bench) -> None:
    path = stored(bench, "verdict.json")
    path.write_text(path.read_text().replace('"promote"', '"reject"'))


def alter_paperwork(bench: Bench) -> None:
    path = stored(bench, "pawl.json")
    path.write_text(path.read_text().replace('"k1"', '"k9"'))


def move_alias(bench: Bench) -> None:
    set_alias(bench.store, TASK, 2)


def edit_ledger(bench: Bench) -> None:
    with sqlite3.connect(bench.workspace.home / "mlflow.db") as db:
        db.execute(
            "update model_version_tags set value = replace(value, 'a test', 'a fest') "
            "where name = ? and key = 'pawl.entry' and value like ?",
            (model(TASK), '%"first"%'),
        )


def two_versions(bench: Bench) -> None:
    bench.cycle(1)
    bench.cycle(2, "reject")


def test_all_is_well_after_cycles_and_says_what_was_looked_at(bench: Bench) -> None:
    two_versions(bench)
    names = [check.name for check in verify(bench.workspace, bench.store, TASK)]
    assert names == [
        "ledger", "alias", "judgements",
        "adapter in the store", "local copy", "signature", "evidence",
    ]  # fmt: skip
    assert off(bench) == off(bench, 2) == set()


@pytest.mark.parametrize(
    ("alter", "names"),
    [
        (alter_stored_weights, {"adapter in the store"}),
        (alter_local_weights, {"local copy"}),
        (alter_signature, {"signature"}),
        (alter_verdict, {"signature", "evidence"}),
        (alter_paperwork, {"signature"}),
        (move_alias, {"alias"}),
        # An edited release has no effect, so that there is no champion left to look at.
        (edit_ledger, {"ledger", "alias", "version"}),
    ],
)
def test_what_was_altered_is_named(
    bench: Bench, alter: Callable[[Bench], None], names: set[str]
) -> None:
    two_versions(bench)
    alter(bench)
    assert off(bench) == names


def claim_another_verdict(bench: Bench) -> None:
    """A release on a verdict that says reject, as if the gate had promoted it."""
    state = read_state(bench.store, TASK)
    new = get(bench.store, TASK, 2).champion
    copy = local_copy(bench.workspace, bench.store, new, task=TASK)
    signed = sign_release(bench.workspace, bench.store, TASK, new, adapter=copy, state=state)
    append(
        bench.store, TASK, op_id="forged", kind="promote", expected=state.champion, new=new,
        who="Eve", why="w", evidence=signed.evidence, details={"signature": signed.signature},
    )  # fmt: skip
    project(bench.store, TASK)


def test_a_release_that_its_signed_verdict_does_not_bear_out_is_named(bench: Bench) -> None:
    two_versions(bench)
    claim_another_verdict(bench)
    assert off(bench) == {"evidence"}


@pytest.mark.parametrize("version", [None, 1])
@pytest.mark.parametrize("anew", [False, True])
def test_a_champion_that_is_gone_from_mlflow_or_is_another_adapter_there_is_named(
    bench: Bench, version: int | None, anew: bool
) -> None:
    bench.cycle(1)
    bench.store.client.delete_registered_model(TASK)
    bench.store.seen.clear()
    if anew:
        bench.cycle(2, "reject")
    assert off(bench, version) == {"alias", "version"}


def test_a_ledger_that_is_gone_is_named_though_there_is_no_champion_then(bench: Bench) -> None:
    bench.cycle(1)
    bench.store.client.delete_registered_model(model(TASK))
    assert "ledger" in off(bench)


def test_a_task_without_a_champion_has_nothing_to_verify(bench: Bench) -> None:
    with pytest.raises(UsageError, match="no champion yet"):
        verify(bench.workspace, bench.store, TASK)
