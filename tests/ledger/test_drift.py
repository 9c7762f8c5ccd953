"""The record against what people do to it by hand: reported, never used silently, made official."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest
from workbench import TASK, Bench

from pawl.commands.status import status
from pawl.cycle.snapshots import snapshot_champion
from pawl.errors import AdapterError, RegistryError, UsageError
from pawl.ledger.alias import STRAYED, project
from pawl.ledger.ledger import append, entries, model
from pawl.ledger.state import read_state
from pawl.model.adapter import WEIGHTS
from pawl.release.history import history
from pawl.release.local_copies import local_copy
from pawl.release.release import adopt, promote, rollback
from pawl.release.signing import sign_release
from pawl.store.client import open_store
from pawl.store.registry import get_alias, set_alias
from pawl.store.versions import get


def notes(bench: Bench) -> list[str]:
    # A store of its own, as the next command opens it.
    return list(status(bench.workspace, open_store(bench.workspace), TASK).notes)


def two_versions(bench: Bench) -> None:
    bench.cycle(1)
    bench.cycle(2, "reject")


@pytest.mark.parametrize("seen", [False, True])
def test_a_change_by_hand_is_adopted_with_a_reason_before_or_after_it_was_set_back(
    bench: Bench, seen: bool
) -> None:
    two_versions(bench)
    set_alias(bench.store, TASK, 2)
    if seen:
        assert "`pawl adopt tickets 2 --reason" in notes(bench)[0]
        assert get_alias(bench.store, TASK) == 1
    entry = adopt(bench.workspace, bench.store, TASK, why="Bo moved it at night", who="Ada")
    assert (entry.kind, entry.new and entry.new.version) == ("adopt", 2)
    assert (read_state(bench.store, TASK).champion.version, get_alias(bench.store, TASK)) == (2, 2)
    assert notes(bench) == []
    assert history(bench.store, TASK)[-1].unearned == "adopt"
    tags = bench.store.client.get_model_version(TASK, "2").tags
    assert tags["pawl.adopt"].startswith("Bo moved it at night (Ada")


def test_an_adoption_settles_where_the_alias_was_moved_to_another_version(bench: Bench) -> None:
    two_versions(bench)
    bench.cycle(3, "reject")
    set_alias(bench.store, TASK, 2)
    adopt(bench.workspace, bench.store, TASK, why="3 was meant", who="Ada", version=3)
    assert notes(bench) == []
    assert get_alias(bench.store, TASK) == 3


def test_nothing_is_adopted_where_nothing_was_changed_by_hand(bench: Bench) -> None:
    two_versions(bench)
    with pytest.raises(UsageError, match="nothing of 'tickets' was changed by hand"):
        adopt(bench.workspace, bench.store, TASK, why="w", who="Bo")
    with pytest.raises(UsageError, match="is champion of 'tickets' already"):
        adopt(bench.workspace, bench.store, TASK, why="w", who="Bo", version=1)


def test_an_alias_that_lags_behind_a_release_is_set_right_without_blaming_anybody(
    bench: Bench,
) -> None:
    two_versions(bench)
    state = read_state(bench.store, TASK)
    new = get(bench.store, TASK, 2).champion
    copy = local_copy(bench.workspace, bench.store, new, task=TASK)
    signed = sign_release(bench.workspace, bench.store, TASK, new, adapter=copy, state=state)
    append(
        bench.store,
        TASK,
        op_id="x",
        kind="override",
        expected=state.champion,
        new=new,
        who="Bo",
        why="crashed after this",
        evidence=signed.evidence,
        details={"signature": signed.signature},
    )
    assert get_alias(bench.store, TASK) == 1
    assert notes(bench) == []
    assert get_alias(bench.store, TASK) == 2
    assert STRAYED not in bench.store.client.get_registered_model(TASK).tags
    tags = bench.store.client.get_model_version(TASK, "2").tags
    assert "crashed after this" in tags["pawl.override"], "the mark follows the ledger too"


def test_an_override_is_marked_for_ever_in_history_status_and_on_the_page(bench: Bench) -> None:
    two_versions(bench)
    promote(bench.workspace, bench.store, TASK, 2, why="I like it", who="Bo", override=True)
    rollback(bench.workspace, bench.store, TASK, why="no", who="Bo")
    assert status(bench.workspace, bench.store, TASK).champion.unearned is None
    rollback(bench.workspace, bench.store, TASK, why="yes", who="Bo", to=2)
    assert [row.unearned for row in history(bench.store, TASK)] == [
        None, "override", None, "override",
    ]  # fmt: skip
    champion = status(bench.workspace, bench.store, TASK).champion
    assert (champion.kind, champion.unearned) == ("rollback", "override: I like it")
    tags = bench.store.client.get_model_version(TASK, "2").tags
    assert tags["pawl.override"].startswith("I like it (Bo")


def test_a_removed_ledger_entry_blocks_cycles_until_a_person_names_the_champion(
    bench: Bench,
) -> None:
    for seed in (1, 2):
        bench.cycle(seed)
    bench.store.client.delete_model_version(model(TASK), "4")
    said = notes(bench)
    assert "ledger entry 4, which the alias was set from, is gone or altered" in said
    assert get_alias(bench.store, TASK) == 2, "the alias is not moved on a ledger in doubt"
    with pytest.raises(RegistryError, match="ledger entry 4"):
        snapshot_champion(bench.workspace, open_store(bench.workspace), TASK)
    fresh = open_store(bench.workspace)
    with pytest.raises(RegistryError, match="is gone or altered"):
        rollback(bench.workspace, fresh, TASK, why="w", who="Bo", to=1)
    entry = adopt(
        bench.workspace, bench.store, TASK, why="2 it was, says the mail", who="Ada", version=2
    )
    assert entry.details["after"] == 4
    assert (entry.number, read_state(bench.store, TASK).champion.version) == (5, 2)
    assert notes(bench) == []
    assert snapshot_champion(bench.workspace, bench.store, TASK).version == 2


def test_a_ledger_that_was_deleted_and_begins_anew_is_settled_by_an_adoption(bench: Bench) -> None:
    for seed in (1, 2):
        bench.cycle(seed)
    bench.store.client.delete_registered_model(model(TASK))
    gone, lost = notes(bench)
    assert gone == "ledger entry 4, which the alias was set from, is gone or altered"
    assert "has no entries, and this workspace has seen its entry 4" in lost
    fresh = open_store(bench.workspace)
    entry = adopt(bench.workspace, fresh, TASK, why="2 it was", who="Ada", version=2)
    assert (entry.number, get_alias(bench.store, TASK)) == (1, 2)
    assert notes(bench) == []
    assert bench.store.client.get_model_version(TASK, "2").tags["pawl.adopt"].startswith("2 it was")
    promote(bench.workspace, fresh, TASK, 1, why="and on", who="Bo", override=True)
    assert notes(bench) == []


def test_an_edited_entry_blocks_and_the_same_champion_may_be_confirmed(bench: Bench) -> None:
    for seed in (1, 2):
        bench.cycle(seed)
    tags = bench.store.client.get_model_version(model(TASK), "2").tags
    edited = json.dumps({**json.loads(tags["pawl.entry"]), "why": "another why"})
    bench.store.client.set_model_version_tag(model(TASK), "2", "pawl.entry", edited)
    with pytest.raises(RegistryError, match="ledger entry 3 was removed or altered"):
        bench.cycle(3)
    adopt(bench.workspace, bench.store, TASK, why="a typing error", who="Ada", version=2)
    assert notes(bench) == []
    # What was edited is no longer what its writer signed, so that it has no effect.
    assert read_state(bench.store, TASK).previous_champion() is None
    tags = bench.store.client.get_model_version(model(TASK), "4").tags
    edited = json.dumps({**json.loads(tags["pawl.entry"]), "why": "and another"})
    bench.store.client.set_model_version_tag(model(TASK), "4", "pawl.entry", edited)
    assert "ledger entry 5 was removed or altered" in notes(bench), "what comes later is new"


def test_an_edit_of_the_entry_that_won_a_race_shows(bench: Bench) -> None:
    two_versions(bench)
    seen = entries(bench.store, TASK)
    promote(bench.workspace, bench.store, TASK, 2, why="I was first", who="Bo", override=True)
    late: dict[str, Any] = {"kind": "override", "expected": seen[-1].expected, "who": "Eve"}
    new = get(bench.store, TASK, 2).champion
    append(bench.store, TASK, op_id="late", new=new, why="void", seen=seen, **late)
    rollback(bench.workspace, bench.store, TASK, why="back", who="Bo")
    assert notes(bench) == []
    tags = bench.store.client.get_model_version(model(TASK), "4").tags
    edited = tags["pawl.entry"].replace("I was first", "Eve was first")
    bench.store.client.set_model_version_tag(model(TASK), "4", "pawl.entry", edited)
    assert "ledger entry 6 was removed or altered" in notes(bench)


def test_a_champion_whose_bytes_changed_in_the_store_is_reported_and_its_copy_is_used(
    bench: Bench,
) -> None:
    bench.cycle(1)
    (weights,) = (bench.workspace.home / "artifacts").rglob(WEIGHTS)
    weights.write_bytes(b"something else")
    (said,) = notes(bench)
    assert said.startswith("champion version 1 in the tracking store:")
    assert snapshot_champion(bench.workspace, bench.store, TASK).version == 1
    (bench.workspace.home / "adapters" / TASK / "1" / WEIGHTS).write_bytes(b"and that too")
    (bench.workspace.files(TASK).champion / "champion.json").unlink()
    assert any(note.startswith("no verified copy of version 1") for note in notes(bench))
    with pytest.raises(AdapterError):
        snapshot_champion(bench.workspace, bench.store, TASK)


def test_a_manifest_that_was_cut_in_the_store_is_a_finding_and_holds_no_cycle_up(
    bench: Bench,
) -> None:
    bench.cycle(1)
    (manifest,) = (bench.workspace.home / "artifacts").rglob("pawl.json")
    manifest.write_text(manifest.read_text()[:40])
    says = "champion version 1 in the tracking store:"
    assert any(reason.startswith(says) for reason in bench.cycle(2, "reject").reasons)
    shutil.rmtree(bench.workspace.home / "adapters")
    stored, copy = notes(bench)
    assert stored.startswith(says)
    assert copy.startswith("no verified copy of version 1")


def test_a_champion_that_was_deleted_in_mlflow_is_reported_and_rolled_back_from(
    bench: Bench,
) -> None:
    for seed in (1, 2):
        bench.cycle(seed)
    bench.store.client.delete_model_version(TASK, "2")
    assert any("version 2" in note for note in notes(bench))
    rollback(bench.workspace, bench.store, TASK, why="2 is gone", who="Bo")
    assert (read_state(bench.store, TASK).champion.version, get_alias(bench.store, TASK)) == (1, 1)
    with pytest.raises(RegistryError, match="version 2 of 'tickets' was deleted in MLflow"):
        rollback(bench.workspace, bench.store, TASK, why="again", who="Bo", to=2)


@pytest.mark.parametrize("moved", [False, True])
def test_a_model_that_was_deleted_and_made_anew_does_not_pass_for_the_champion(
    bench: Bench, moved: bool
) -> None:
    bench.cycle(1)
    champion = read_state(bench.store, TASK).champion
    bench.store.client.delete_registered_model(TASK)
    bench.store.seen.clear()
    assert notes(bench) == ["champion version 1 in the tracking store: task 'tickets' has no "
                            "version 1"]  # fmt: skip
    # The champion's own bytes are here, so a candidate is judged by them.
    cycle = bench.cycle(2, "reject")
    assert (cycle.candidate.version, cycle.champion) == (1, champion)
    assert any("champion version 1 in the tracking store" in reason for reason in cycle.reasons)
    assert get_alias(bench.store, TASK) is None, "version 1 is another adapter now"
    if moved:
        set_alias(bench.store, TASK, 1)
    assert any("the model was deleted and made anew" in note for note in notes(bench))
    assert get_alias(bench.store, TASK) is None
    cycle = bench.cycle(3)
    assert (cycle.verdict, cycle.champion.version) == ("promote", 2)
    assert get_alias(bench.store, TASK) == 2


def test_projecting_a_ledger_without_releases_removes_an_alias_set_by_hand(bench: Bench) -> None:
    bench.cycle(1, "reject")
    set_alias(bench.store, TASK, 1)
    _, strayed = project(bench.store, TASK)
    assert strayed is not None
    assert (strayed.version, get_alias(bench.store, TASK)) == (1, None)


def test_a_ledger_whose_first_release_was_removed_is_reported(bench: Bench) -> None:
    for seed in (1, 2):
        bench.cycle(seed)
    bench.store.client.delete_model_version(model(TASK), "2")
    assert "ledger entry 2 was removed or altered" in notes(bench), "no release counts any more"
