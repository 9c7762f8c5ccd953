"""Who may write to MLflow cannot write the ledger: entries are signed, and heads are remembered."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workbench import TASK, Bench, make_bench

from pawl.core.records import Champion, Signature, to_json
from pawl.errors import RegistryError, UsageError
from pawl.ledger import heads
from pawl.ledger.entries import Entry, State
from pawl.ledger.hash_chain import link_entry
from pawl.ledger.heads import Head, head_of, lost_heads
from pawl.ledger.keys import TRUSTED, make_keys, private_path
from pawl.ledger.ledger import SIGNATURE, TAG, append, entries, ledger_name, model
from pawl.ledger.state import read_ledger, read_state, undoubted_state
from pawl.ledger.vouching import SKEW, vouched, vouching_problems
from pawl.release.release import adopt, promote, rollback
from pawl.release.verify import verify
from pawl.store.client import Store, open_store
from pawl.workspace.paths import Workspace


def fresh(bench: Bench) -> Store:
    """A store as the next command opens it."""
    return open_store(bench.workspace)


def doubts(bench: Bench) -> str:
    return "; ".join(read_ledger(fresh(bench), TASK).doubts)


def write_page(bench: Bench, entry: Entry) -> None:
    """Add an entry as anybody may who can write to MLflow."""
    tags = {TAG: json.dumps(entry.body), "pawl.op_id": entry.op_id}
    if entry.signature:
        tags[SIGNATURE] = json.dumps(to_json(entry.signature))
    client = bench.store.client
    client.create_model_version(model(TASK), "pawl:/forged", None, tags, await_creation_for=0)


def rewrite(bench: Bench, number: int, alter: Callable[[Entry], Entry]) -> None:
    """Alter an entry and compute the chain after it anew."""
    moved: dict[str, str] = {}
    for entry in entries(fresh(bench), TASK):
        new = dataclasses.replace(entry, previous=moved.get(entry.previous, entry.previous))
        new = alter(new) if entry.number == number else new
        moved[entry.digest] = new.digest
        client = bench.store.client
        client.set_model_version_tag(model(TASK), str(entry.number), TAG, json.dumps(new.body))


def forged_rollback(bench: Bench, *, who: str = "Ada") -> Entry:
    written = entries(fresh(bench), TASK)
    state = read_state(fresh(bench), TASK)
    when = datetime.now(UTC).isoformat()
    entry = Entry(0, "forged", "rollback", state.champion, Champion(1, "d" * 64), who, "w", when)
    return link_entry(entry, written)


def test_every_entry_is_signed_with_the_machines_key(bench: Bench) -> None:
    bench.cycle(1)
    bench.cycle(2)
    rollback(bench.workspace, bench.store, TASK, why="w", who="Ada")
    key = make_keys(bench.workspace).fingerprint
    assert {entry.signature and entry.signature.key for entry in entries(bench.store, TASK)} == {
        key
    }
    ledger = verify(bench.workspace, fresh(bench), TASK)[0]
    assert (ledger.ok, ledger.found.split("; ")[1]) == (True, "5 signed")


@pytest.mark.parametrize("signed_by", ["nobody", "a key of its own", "another entry's signature"])
def test_an_entry_without_a_trusted_signature_has_no_effect_and_is_named(
    bench: Bench, tmp_path: Path, signed_by: str
) -> None:
    bench.cycle(1)
    bench.cycle(2)
    forged = forged_rollback(bench)
    if signed_by == "a key of its own":
        other = make_bench(tmp_path / "other")
        append(other.store, TASK, kind="look", **LOOK)
        forged = dataclasses.replace(forged, signature=entries(other.store, TASK)[0].signature)
    elif signed_by == "another entry's signature":
        stolen = entries(bench.store, TASK)[-1].signature
        forged = dataclasses.replace(forged, signature=stolen)
    write_page(bench, forged)
    assert read_state(fresh(bench), TASK).champion.version == 2
    assert "ledger entry 5 (rollback by 'Ada') is" in doubts(bench)
    with pytest.raises(RegistryError, match="so it has no effect"):
        rollback(bench.workspace, fresh(bench), TASK, why="w", who="Bo")
    # A person looks at it and names the champion; then it is settled.
    adopt(bench.workspace, fresh(bench), TASK, why="forged by Eve", who="Ada", version=2)
    assert doubts(bench) == ""
    assert bench.cycle(3).champion.version == 3


LOOK: dict[str, Any] = {
    "expected": Champion(),
    "who": "Ada",
    "why": "w",
    "details": {
        "lineage": "l", "question": "q", "of": 3,
        "level": 0.01, "alpha": 0.05, "since": 1, "rows": 20,
    },
}  # fmt: skip


@pytest.mark.parametrize("changes", [{"who": "Eve"}, {"why": "other"}, {"kind": "override"}])
@pytest.mark.parametrize("number", [2, 4])
def test_who_why_and_kind_cannot_be_edited_with_the_chain_computed_anew(
    bench: Bench, number: int, changes: dict[str, Any]
) -> None:
    bench.cycle(1)
    bench.cycle(2)
    rewrite(bench, number, lambda entry: dataclasses.replace(entry, **changes))
    assert f"ledger entry {number}" in doubts(bench)
    assert not verify(bench.workspace, fresh(bench), TASK)[0].ok
    with pytest.raises(RegistryError):
        undoubted_state(fresh(bench), TASK)


def test_an_entry_copied_from_another_tasks_ledger_has_no_effect(bench: Bench) -> None:
    bench.cycle(1)
    append(bench.store, "other", kind="look", **LOOK)
    (other,) = entries(bench.store, "other")
    write_page(bench, other)
    assert "ledger entry 3" in doubts(bench)
    assert sum(map(len, read_state(fresh(bench), TASK).looks.values())) == 1


def test_the_last_entries_cannot_be_cut_off_with_tags_and_alias_set_to_match(bench: Bench) -> None:
    bench.cycle(1)
    before = bench.store.client.get_registered_model(TASK)
    bench.cycle(2)
    client = bench.store.client
    for number in ("4", "3"):
        client.delete_model_version(model(TASK), number)
    client.delete_model_version(TASK, "2")
    client.set_registered_model_alias(TASK, "champion", "1")
    for key, value in before.tags.items():
        client.set_registered_model_tag(TASK, key, value)
    assert "ends at entry 2, and this workspace has seen its entry 4" in doubts(bench)
    with pytest.raises(RegistryError, match="as in an older backup"):
        bench.cycle(3)
    adopt(
        bench.workspace, fresh(bench), TASK, why="the backup is all we have", who="Ada", version=1
    )
    assert doubts(bench) == ""
    assert bench.cycle(3).champion.version is not None


def test_a_deleted_ledger_is_no_new_beginning(bench: Bench) -> None:
    bench.cycle(1)
    bench.store.client.delete_registered_model(model(TASK))
    assert "has no entries, and this workspace has seen its entry 2" in doubts(bench)
    with pytest.raises(RegistryError, match="begin anew on purpose"):
        bench.cycle(2)


def with_git(bench: Bench) -> None:
    subprocess.run(["git", "init", "-q", str(bench.workspace.root)], check=True)


def test_git_remembers_what_was_beside_the_key_until_a_person_forgets_it(bench: Bench) -> None:
    with_git(bench)
    bench.cycle(1)
    private_path(bench.workspace).with_name(heads.FILE).unlink()
    for name in (TASK, model(TASK)):
        bench.store.client.delete_registered_model(name)
    assert "has seen its entry 2" in doubts(bench)
    command = heads.FORGET.strip("`").split()
    subprocess.run(command, cwd=bench.workspace.root, check=True)
    assert doubts(bench) == ""


def test_a_head_outside_the_workspace_survives_beside_the_key(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.cycle(1)
    key = tmp_path / "keys" / "pawl.key"
    key.parent.mkdir()
    private_path(bench.workspace).rename(key)
    monkeypatch.setenv("PAWL_SIGNING_KEY", str(key))
    assert doubts(bench) == ""
    shutil.rmtree(bench.workspace.home / "keys")
    bench.store.client.delete_registered_model(model(TASK))
    assert "has seen its entry 2" in doubts(bench)


def test_keys_that_are_gone_put_a_signed_ledger_in_doubt_and_none_is_made_for_it(
    bench: Bench,
) -> None:
    bench.cycle(1)
    (bench.workspace.root / TRUSTED).unlink()
    assert f"{TRUSTED} is gone" in doubts(bench)
    with pytest.raises((RegistryError, UsageError), match=f"{TRUSTED} is gone"):
        promote(bench.workspace, fresh(bench), TASK, 1, why="w", who="Eve", override=True)
    with pytest.raises(UsageError, match=f"git checkout {TRUSTED}"):
        append(fresh(bench), TASK, kind="look", **LOOK)
    assert not (bench.workspace.root / TRUSTED).exists()


def test_garbled_memory_is_an_error_with_a_remedy(bench: Bench) -> None:
    bench.cycle(1)
    (private_path(bench.workspace).with_name(heads.FILE)).write_text("<<<<<<< mine\n")
    with pytest.raises(RegistryError, match="update-ref -d"):
        undoubted_state(fresh(bench), TASK)


def test_a_signature_needs_the_whole_entry_its_ledger_and_its_key(bench: Bench) -> None:
    bench.cycle(1)
    (first, last) = entries(bench.store, TASK)
    trusted = [(bench.workspace.root / TRUSTED).read_text()]
    assert vouched([first, last], model(TASK), trusted) == (first, last)
    assert vouched([first, last], model("other"), trusted) == ()
    assert vouched([first, last], model(TASK), []) == ()
    for field, value in {"who": "E", "why": "E", "when": "2020-01-01T00:00:00+00:00"}.items():
        edited = dataclasses.replace(last, **{field: value})
        assert edited not in vouched([first, edited], model(TASK), trusted)


def unsigned(number: int, previous: str, *, when: str = "2026-01-01T00:00:00+00:00") -> Entry:
    details = {**LOOK["details"], "question": str(number)}
    return Entry(
        number, f"op {number}", "look", Champion(), None, "Ada", "w", when, None, previous, details
    )


@given(st.integers(1, 8))
@settings(deadline=None)
def test_a_ledger_of_before_goes_on_and_its_first_signed_entry_vouches_for_it(count: int) -> None:
    chain: list[Entry] = []
    for number in range(1, count + 1):
        chain.append(unsigned(number, chain[-1].digest if chain else ""))
    assert vouched(chain, "l", ["key"]) == tuple(chain), "nothing is signed yet"
    # A signature that no trusted key made vouches for nothing.
    forged = dataclasses.replace(chain[-1], signature=Signature("k" * 64, "AAAA"))
    assert vouched([*chain[:-1], forged], "l", ["key"]) == ()


def test_a_date_before_that_of_the_entry_it_follows_is_doubted() -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    first = unsigned(1, "", when=now.isoformat())
    for back, doubted in ((SKEW / 2, False), (SKEW * 2, True), (timedelta(days=900), True)):
        second = unsigned(2, first.digest, when=(now - back).isoformat())
        assert bool(vouching_problems([first, second], [first, second], ["key"])) is doubted


@given(st.integers(1, 6), st.integers(0, 6))
@settings(deadline=None)
def test_a_ledger_that_only_grew_extends_every_head_of_before(seen: int, more: int) -> None:
    chain: list[Entry] = []
    for number in range(1, seen + more + 1):
        chain.append(unsigned(number, chain[-1].digest if chain else ""))
    head = head_of(chain[:seen])
    assert head is not None
    assert lost_heads(chain, chain, [head]) == ()
    for gone in range(seen):
        assert lost_heads(chain, [*chain[:gone], *chain[gone + 1 :]], [head]) == (head,)


def test_a_head_of_after_an_adoption_is_not_let_go_by_it() -> None:
    chain = [unsigned(1, "")]
    old = Head(4, "d" * 64, 0)
    details = {"accepted": [], "after": 2, "lost": [[old.number, old.digest]]}
    for number in range(2, 5):
        one = unsigned(number, chain[-1].digest)
        if number == 2:
            one = dataclasses.replace(one, kind="adopt", new=Champion(1, "d"), details=details)
        chain.append(one)
    assert lost_heads(chain, chain, [old, Head(3, "e" * 64, 0)]) == ()
    new = head_of(chain)
    assert new is not None
    assert lost_heads(chain[:3], chain[:3], [new]) == (new,)


def test_signatures_that_were_taken_off_are_told(bench: Bench) -> None:
    bench.cycle(1)
    bench.cycle(2)
    for number in ("1", "2"):
        bench.store.client.delete_model_version_tag(model(TASK), number, SIGNATURE)
    assert "not the one that this workspace has seen" in doubts(bench)
    private_path(bench.workspace).with_name(heads.FILE).unlink()
    bench.store.client.delete_model_version_tag(model(TASK), "3", SIGNATURE)
    bench.store.client.set_model_version_tag(model(TASK), "1", SIGNATURE, SIGNED)
    assert "is not signed, though one before it is" in doubts(bench)


SIGNED = json.dumps({"key": "k" * 64, "value": "AAAA"})


def test_an_entry_that_follows_none_is_doubted_once_the_ledger_has_begun() -> None:
    begun = datetime(2026, 6, 1, tzinfo=UTC)
    first = unsigned(1, "", when=begun.isoformat())
    for later, doubted in ((timedelta(seconds=2), False), (timedelta(days=2), True)):
        other = unsigned(2, "", when=(begun + later).isoformat())
        assert bool(vouching_problems([first, other], [first, other], ["key"])) is doubted


def test_two_tasks_and_two_stores_are_remembered_apart(bench: Bench, tmp_path: Path) -> None:
    bench.cycle(1)
    other = Store("http://mlflow.test:5000", None, bench.workspace)
    names = {
        ledger_name(bench.store, TASK),
        ledger_name(bench.store, "b"),
        ledger_name(other, TASK),
    }
    assert len(names) == 3
    assert not any(" " in name for name in names)
    assert heads.remembered(bench.workspace, ledger_name(other, TASK)) == ()
    moved = Workspace(tmp_path / "moved")
    shutil.copytree(bench.workspace.root, moved.root)
    assert ledger_name(open_store(moved), TASK) == ledger_name(bench.store, TASK)


def test_a_key_that_is_no_longer_trusted_stays_vouched_for_and_signs_nothing_new(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.cycle(1)
    lost = (bench.workspace.root / TRUSTED).read_text()
    monkeypatch.setenv("PAWL_SIGNING_KEY", str(tmp_path / "new.key"))
    make_keys(bench.workspace)
    append(fresh(bench), TASK, kind="look", **LOOK)
    both = (bench.workspace.root / TRUSTED).read_text()
    (bench.workspace.root / TRUSTED).write_text(both.replace(lost, ""))
    assert doubts(bench) == ""
    state: State = read_state(fresh(bench), TASK)
    assert state.champion.version == 1
    monkeypatch.delenv("PAWL_SIGNING_KEY")
    with pytest.raises(UsageError, match=f"is not in {TRUSTED}"):
        append(fresh(bench), TASK, kind="look", op_id="again", **LOOK)
