"""Releases on a real SQLite store: who may be released, what a rollback does, what is recorded."""

from __future__ import annotations

from typing import Any

import pytest
from workbench import TASK, Bench

from pawl.commands.compare import compare
from pawl.commands.status import status
from pawl.core.files import digest_file
from pawl.core.records import BaseInfo, write_record
from pawl.cycle.snapshots import snapshot_champion
from pawl.errors import AdapterError, UsageError
from pawl.ledger.looks import reserve_look
from pawl.ledger.state import read_state
from pawl.model.adapter import WEIGHTS
from pawl.release.history import history
from pawl.release.local_copies import adapter_folder
from pawl.release.release import promote, rollback
from pawl.store.registry import get_alias, set_alias


def claim(bench: Bench, version: int, **tags: str) -> None:
    """Edit a version's page in MLflow."""
    for key, value in tags.items():
        bench.store.client.set_model_version_tag(TASK, str(version), f"pawl.{key}", value)


def champion(bench: Bench) -> int | None:
    version = read_state(bench.store, TASK).champion.version
    assert get_alias(bench.store, TASK) == version
    return version


def test_a_promoted_candidate_becomes_champion_and_history_says_who_why_and_on_what_evidence(
    bench: Bench,
) -> None:
    cycle = bench.cycle(1)
    evidence = digest_file(bench.workspace.files(TASK).verdict)
    assert (cycle.verdict, cycle.champion.version) == ("promote", 1)
    bench.cycle(2)
    first, second = history(bench.store, TASK)
    assert (first.kind, first.from_, first.version) == ("first", None, 1)
    assert (second.kind, second.from_, second.version) == ("promote", 1, 2)
    assert (first.who, first.why, first.evidence) == ("Ada", "a test", evidence)
    assert champion(bench) == 2


@pytest.mark.parametrize("decision", ["reject", "inconclusive"])
def test_a_candidate_that_was_not_promoted_is_on_record_and_changes_nothing(
    bench: Bench, decision: str
) -> None:
    bench.cycle(1)
    cycle = bench.cycle(2, decision)  # type: ignore[arg-type]
    assert (cycle.verdict, cycle.candidate.version, cycle.champion.version) == (decision, 2, 1)
    assert champion(bench) == 1


def test_only_what_the_gate_promoted_is_released_unless_overridden(bench: Bench) -> None:
    bench.cycle(1)
    bench.cycle(2, "reject")
    with pytest.raises(UsageError, match="verdict on version 2 is 'reject'"):
        promote(bench.workspace, bench.store, TASK, 2, why="I like it", who="Bo")
    assert champion(bench) == 1
    entry = promote(bench.workspace, bench.store, TASK, 2, why="I like it", who="Bo", override=True)
    assert (entry.kind, entry.who, champion(bench)) == ("override", "Bo", 2)


def test_what_a_versions_page_claims_is_not_believed_against_its_verdict(bench: Bench) -> None:
    bench.cycle(1)
    bench.cycle(2, "reject")
    claim(bench, 2, verdict="promote")
    with pytest.raises(UsageError, match="not what its signature was made over") as refused:
        promote(bench.workspace, bench.store, TASK, 2, why="w", who="Bo")
    assert "`pawl run tickets --force`" in refused.value.remedy
    claim(bench, 2, verdict="reject")
    # Judged against version 1, and meanwhile version 2 became champion.
    bench.train(3)
    before = snapshot_champion(bench.workspace, bench.store, TASK)
    bench.judge("promote", before, reserve_look(bench.workspace, bench.store, TASK))
    entry = promote(bench.workspace, bench.store, TASK, 2, why="w", who="Bo", override=True)
    assert entry.kind == "override"
    bench.conclude("question 3")
    now = read_state(bench.store, TASK).champion
    claim(bench, 3, against="2", against_digest=str(now.digest))
    with pytest.raises(UsageError, match="not what its signature was made over"):
        promote(bench.workspace, bench.store, TASK, 3, why="w", who="Bo")
    assert champion(bench) == 2


def test_a_version_that_was_trained_on_another_base_than_the_tasks_is_not_promoted(
    bench: Bench,
) -> None:
    bench.cycle(1)
    bench.cycle(2, "reject")
    write_record(bench.workspace.files(TASK).base, BaseInfo("base/tiny", None, "c" * 64))
    with pytest.raises(AdapterError, match="trained on base bbbbbbbbbbbb"):
        promote(bench.workspace, bench.store, TASK, 2, why="w", who="Bo", override=True)
    assert champion(bench) == 1


def test_a_verdict_against_an_earlier_champion_does_not_release(bench: Bench) -> None:
    for seed in (1, 2, 3):
        bench.cycle(seed)
    with pytest.raises(UsageError, match="was judged against version 1; champion now is version 3"):
        promote(bench.workspace, bench.store, TASK, 2, why="w", who="Bo")
    rollback(bench.workspace, bench.store, TASK, why="w", who="Bo", to=1)
    promote(bench.workspace, bench.store, TASK, 2, why="again", who="Bo")
    assert champion(bench) == 2


def test_a_rollback_returns_to_the_champion_before_and_then_further_back(bench: Bench) -> None:
    for seed in (1, 2, 3):
        bench.cycle(seed)
    for expected in (2, 1):
        rollback(bench.workspace, bench.store, TASK, why="it drools", who="Bo")
        assert champion(bench) == expected
    with pytest.raises(UsageError, match="no champion before"):
        rollback(bench.workspace, bench.store, TASK, why="more", who="Bo")
    assert [row.kind for row in history(bench.store, TASK)][-2:] == ["rollback", "rollback"]


def test_a_rollback_names_only_earlier_champions(bench: Bench) -> None:
    bench.cycle(1)
    bench.cycle(2, "reject")
    with pytest.raises(UsageError, match="never was champion"):
        rollback(bench.workspace, bench.store, TASK, why="w", who="Bo", to=2)
    with pytest.raises(UsageError, match="has no version 9"):
        promote(bench.workspace, bench.store, TASK, 9, why="w", who="Bo")
    with pytest.raises(UsageError, match="is champion of 'tickets' already"):
        promote(bench.workspace, bench.store, TASK, 1, why="w", who="Bo")
    with pytest.raises(UsageError, match="no reason"):
        promote(bench.workspace, bench.store, TASK, 2, why=" ", who="Bo", override=True)


def test_an_adapter_whose_bytes_changed_in_the_store_is_never_released(bench: Bench) -> None:
    bench.cycle(1)
    bench.cycle(2, "reject")
    run_id = bench.store.client.get_model_version(TASK, "2").run_id
    folder = bench.workspace.home / "artifacts" / TASK / run_id / "artifacts" / "adapter"
    (folder / WEIGHTS).write_bytes(b"something else")
    with pytest.raises(AdapterError):
        promote(bench.workspace, bench.store, TASK, 2, why="w", who="Bo", override=True)
    assert champion(bench) == 1
    assert not (bench.workspace.home / "adapters" / TASK / "2").exists()


def test_a_damaged_local_copy_is_fetched_again(bench: Bench) -> None:
    bench.cycle(1)
    copy = adapter_folder(bench.workspace, bench.store, TASK)
    good = (copy / WEIGHTS).read_bytes()
    (copy / WEIGHTS).write_bytes(good[:-1])
    assert (adapter_folder(bench.workspace, bench.store, TASK, 1) / WEIGHTS).read_bytes() == good


@pytest.mark.parametrize("said", [None, 2])
def test_an_alias_moved_by_hand_is_reported_and_set_back(bench: Bench, said: int | None) -> None:
    bench.cycle(1)
    bench.cycle(2, "reject")
    set_alias(bench.store, TASK, said)
    seen = status(bench.workspace, bench.store, TASK, repair=False)
    assert "the ledger says 1" in seen.notes[0]
    assert get_alias(bench.store, TASK) == said
    assert "set back" in status(bench.workspace, bench.store, TASK).notes[0]
    assert champion(bench) == 1
    set_alias(bench.store, TASK, said)
    assert snapshot_champion(bench.workspace, bench.store, TASK).version == 1
    assert champion(bench) == 1
    assert "set back" in bench.cycle(3, "reject").reasons[1], "a cycle says so too"
    promote(bench.workspace, bench.store, TASK, 2, why="w", who="Bo", override=True)
    assert status(bench.workspace, bench.store, TASK).notes == ()


def test_status_tells_champion_last_verdict_and_looks(bench: Bench) -> None:
    fresh = status(bench.workspace, bench.store, TASK)
    assert (fresh.champion.version, fresh.last) == (None, None)
    bench.cycle(1)
    bench.cycle(2, "reject")
    seen = status(bench.workspace, bench.store, TASK)
    assert (seen.champion.version, seen.champion.why) == (1, "a test")
    assert seen.last.reasons == ("the gate says reject",)
    assert (seen.looks.used, seen.looks.of, seen.looks.budget) == (2, 20, 1)


def test_an_edited_ledger_entry_shows_in_the_status(bench: Bench) -> None:
    bench.cycle(1)
    bench.cycle(2)
    model = f"{TASK}.ledger"
    text = bench.store.client.get_model_version(model, "2").tags["pawl.entry"]
    bench.store.client.set_model_version_tag(
        model, "2", "pawl.entry", text.replace("a test", "another why")
    )
    assert (
        "ledger entry 3 was removed or altered" in status(bench.workspace, bench.store, TASK).notes
    )


def test_compare_shows_what_differs_and_leaves_out_what_is_the_same(bench: Bench) -> None:
    bench.cycle(1)
    bench.params(alpha=0.01)
    bench.cycle(2)
    seen = compare(bench.store, TASK, 1, 2)
    assert seen.params == {"gate.alpha": (0.05, 0.01)}
    assert seen.scores["candidate"]["exact_match"] == (0.75, 0.75)


def test_a_release_asks_the_store_a_dozen_times_at_most_however_long_the_ledger_is(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in (1, 2):
        bench.cycle(seed)
    monkeypatch.setattr("pawl.store.registry.PAGE", 2)
    for _ in range(2):
        rollback(bench.workspace, bench.store, TASK, why="back", who="Bo", to=1)
        promote(bench.workspace, bench.store, TASK, 2, why="on", who="Bo", override=True)
    asked: list[str] = []
    client = type(bench.store.client)
    for name in [name for name in vars(client) if not name.startswith("_")]:
        real = getattr(client, name)

        def counting(*args: Any, real: Any = real, name: str = name, **kwargs: Any) -> Any:
            asked.append(name)
            return real(*args, **kwargs)

        monkeypatch.setattr(client, name, counting)
    rollback(bench.workspace, bench.store, TASK, why="back", who="Bo", to=1)
    assert len(asked) <= 12, asked
