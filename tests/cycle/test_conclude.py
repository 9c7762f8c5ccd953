"""What follows a verdict can be taken twice, and survives losing a race."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest
from workbench import ROWS, TASK, Bench, held_out, write_splits

from pawl.core.records import Champion, CheckReport, Look, write_record
from pawl.cycle.snapshots import snapshot_champion
from pawl.cycle.unjudged import conclude_invalid, conclude_unchanged, find_cached_version
from pawl.errors import DataError
from pawl.ledger.judgements import find_by_fingerprint
from pawl.ledger.ledger import entries
from pawl.ledger.looks import reserve_look
from pawl.ledger.state import read_state
from pawl.release.release import promote, rollback
from pawl.store.adapters import fetch_adapter
from pawl.store.cycle_runs import last_cycle
from pawl.store.registry import get_alias, set_alias
from pawl.store.versions import versions


def ready(bench: Bench, seed: int, decision: str = "promote") -> Look:
    """All but the conclusion of a cycle."""
    bench.train(seed)
    champion = snapshot_champion(bench.workspace, bench.store, TASK)
    look = reserve_look(bench.workspace, bench.store, TASK)
    bench.judge(decision, champion, look)  # type: ignore[arg-type]
    return look


def test_concluding_twice_registers_and_releases_once(bench: Bench) -> None:
    ready(bench, 1)
    first, again = bench.conclude("q"), bench.conclude("q")
    assert (first.verdict, again.verdict) == ("promote", "promote")
    assert first.candidate == again.candidate
    assert len(versions(bench.store, TASK)) == 1
    assert len(read_state(bench.store, TASK).releases) == 1


def test_a_conclusion_that_crashed_before_the_release_is_taken_up_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(bench, 1)

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("pawl.cycle.registration.append", crash)
        with pytest.raises(KeyboardInterrupt):
            bench.conclude("q")
    assert find_by_fingerprint(bench.store, TASK, "q") is not None
    assert find_cached_version(bench.store, TASK, "q") is None, "it was promoted and never released"
    cycle = bench.conclude("q")
    assert (cycle.verdict, cycle.champion.version) == ("promote", 1)
    assert len(versions(bench.store, TASK)) == 1
    experiment = bench.store.client.get_experiment_by_name(TASK)
    assert experiment is not None
    assert len(bench.store.client.search_runs([experiment.experiment_id])) == 1


def test_a_verdict_against_a_champion_that_was_replaced_releases_nothing(bench: Bench) -> None:
    bench.cycle(1)
    bench.cycle(2, "reject")
    ready(bench, 3)
    promote(bench.workspace, bench.store, TASK, 2, why="quick", who="Bo", override=True)
    cycle = bench.conclude("q3")
    assert (cycle.verdict, cycle.champion.version) == ("inconclusive", 2)
    assert "version 2 became champion" in cycle.reasons[0]
    assert find_cached_version(bench.store, TASK, "q3") is None, "the next cycle must judge again"


def test_a_rollback_by_hand_stands_when_the_same_cycle_is_concluded_again(bench: Bench) -> None:
    bench.cycle(1)
    ready(bench, 2)
    bench.conclude("q2")
    rollback(bench.workspace, bench.store, TASK, why="it drools", who="Bo")
    cycle = bench.conclude("q2")
    assert (cycle.verdict, cycle.champion.version) == ("unchanged", 1)
    assert "it drools" in cycle.reasons[0]
    assert find_cached_version(bench.store, TASK, "q2") is not None


def test_a_cycle_that_was_judged_before_gets_the_stored_result(bench: Bench) -> None:
    bench.cycle(1, question="q")
    version = find_cached_version(bench.store, TASK, "q")
    assert version is not None
    cycle = conclude_unchanged(bench.workspace, bench.store, version)
    assert (cycle.verdict, cycle.candidate.version) == ("unchanged", 1)
    assert "version 1 was judged on the same inputs" in cycle.reasons[0]
    assert cycle.scores == {
        "candidate": {"exact_match": 0.75},
        "candidate (dev)": {"exact_match": 0.7},
    }
    assert find_cached_version(bench.store, TASK, "another") is None
    set_alias(bench.store, TASK, None)
    assert "moved by hand" in conclude_unchanged(bench.workspace, bench.store, version).reasons[-1]
    assert get_alias(bench.store, TASK) == 1


@pytest.mark.parametrize("question", ["q", "a new price, the same judgement"])
def test_a_look_gives_one_answer_however_often_its_rows_are_measured_again(
    bench: Bench, question: str
) -> None:
    look = ready(bench, 1, "inconclusive")
    assert bench.conclude("q").verdict == "inconclusive"
    # Wall times are others each time, and so are answers on some devices.
    bench.judge("promote", Champion(), look)
    cycle = bench.conclude(question)
    assert (cycle.verdict, cycle.candidate.version) == ("unchanged", 1)
    assert cycle.champion == Champion()
    assert "version 1 was judged on the same inputs" in cycle.reasons[0]
    assert "a look gives one answer" in cycle.reasons[1]
    assert len(versions(bench.store, TASK)) == 1, "there is no version that won, to promote by hand"


def test_invalid_data_is_recorded_and_changes_nothing(bench: Bench) -> None:
    bench.cycle(1)
    error = DataError("tickets.jsonl:7: no prompt", rule="rows have one", remedy="mend it")
    cycle = conclude_invalid(bench.workspace, bench.store, TASK, error=error, question=None)
    assert (cycle.verdict, cycle.champion.version) == ("invalid", 1)
    assert cycle.reasons == ("tickets.jsonl:7: no prompt", "rule: rows have one", "mend it")
    last = last_cycle(bench.store, TASK)
    assert last is not None
    assert last[0] == cycle
    assert len(versions(bench.store, TASK)) == 1


@pytest.mark.parametrize("delivered", [b"as it was checked", b"after the last check"])
def test_an_invalid_cycle_keeps_the_check_of_its_own_data_and_of_no_earlier(
    bench: Bench, delivered: bytes
) -> None:
    data = bench.workspace.root / "data" / "tickets.jsonl"
    data.parent.mkdir()
    data.write_bytes(delivered)
    checked = hashlib.sha256(b"as it was checked").hexdigest()
    report = bench.workspace.files(TASK).check / "report.json"
    write_record(report, CheckReport(TASK, data=checked, rows=1, rules=()))
    cycle = conclude_invalid(bench.workspace, bench.store, TASK, error=DataError("x"), question="q")
    kept = [file.path for file in bench.store.client.list_artifacts(cycle.run_id)]
    assert ("check" in kept) == (delivered == b"as it was checked")


def test_an_invalid_cycle_is_on_record_beside_a_check_that_cannot_be_read(bench: Bench) -> None:
    (bench.workspace.root / "data").mkdir()
    (bench.workspace.root / "data" / "tickets.jsonl").write_bytes(b"x")
    (bench.workspace.files(TASK).check / "report.json").write_text("{")
    cycle = conclude_invalid(bench.workspace, bench.store, TASK, error=DataError("x"), question="q")
    assert cycle.verdict == "invalid"


def test_reasons_too_long_for_a_tag_come_back_whole(bench: Bench) -> None:
    error = DataError("x" * 20_000)
    cycle = conclude_invalid(bench.workspace, bench.store, TASK, error=error, question=None)
    last = last_cycle(bench.store, TASK)
    assert last is not None
    assert last[0] == cycle


def test_a_verdict_on_another_adapter_is_refused(bench: Bench) -> None:
    ready(bench, 1)
    bench.train(2)
    with pytest.raises(DataError, match="the verdict is about adapter"):
        bench.conclude("q")
    assert versions(bench.store, TASK) == ()


@pytest.mark.parametrize("changes", [{"level": 0.49}, {"since": 7}])
def test_a_promotion_at_another_level_than_the_one_paid_for_is_refused(
    bench: Bench, changes: dict[str, float]
) -> None:
    bench.train(1)
    look = reserve_look(bench.workspace, bench.store, TASK)
    assert look is not None
    bench.judge("promote", Champion(), dataclasses.replace(look, **changes))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="at its level"):
        bench.conclude("q")


@pytest.mark.parametrize("look", [None, Look(1, 20, "made up", 0.0025)])
def test_a_promotion_without_a_reserved_look_is_refused(bench: Bench, look: Look | None) -> None:
    bench.train(1)
    bench.judge("promote", Champion(), look)
    with pytest.raises(DataError, match="a look that the ledger does not have"):
        bench.conclude("q")
    assert read_state(bench.store, TASK).champion == Champion()


def test_a_rejection_without_a_look_is_judged_anew_against_another_champion(bench: Bench) -> None:
    before = bench.cycle(1).champion
    assert before.version == 1
    bench.train(2)
    bench.judge("reject", before, None)
    bench.cycle(3)  # promoted by somebody else while dev was asked
    bench.train(2)
    bench.judge("reject", before, None)
    stale = bench.conclude("q")
    assert stale.stale
    now = snapshot_champion(bench.workspace, bench.store, TASK)
    bench.judge("reject", now, None)
    again = bench.conclude("q")
    assert (again.stale, again.verdict) == (False, "reject")
    assert again.candidate.version != stale.candidate.version
    assert bench.conclude("q").candidate == again.candidate, "a retry is the same judgement"
    assert find_cached_version(bench.store, TASK, "q") is not None


def test_the_same_question_is_looked_at_for_free(bench: Bench) -> None:
    bench.train(1)
    first = reserve_look(bench.workspace, bench.store, TASK)
    path = bench.workspace.files(TASK).look
    before = path.read_bytes()
    assert reserve_look(bench.workspace, bench.store, TASK) == first
    assert path.read_bytes() == before
    assert len(entries(bench.store, TASK)) == 1


def test_an_exhausted_budget_blocks_until_enough_fresh_gate_rows_are_there(bench: Bench) -> None:
    bench.params(looks=2, min_rows=5)
    for seed, number in ((1, 1), (2, 2)):
        bench.train(seed)
        look = reserve_look(bench.workspace, bench.store, TASK)
        assert (look.number, look.of, look.since) == (number, 2, 1)
    bench.train(3)
    with pytest.raises(DataError, match="has used its 2 looks; 0 gate rows are fresh, 20 open"):
        reserve_look(bench.workspace, bench.store, TASK)
    before = {name: held_out(name, count) for name, count in ROWS.items()}
    write_splits(bench.workspace, {**before, "gate": [*before["gate"], *held_out("new", 19)]})
    bench.params(looks=200, alpha=0.2, min_rows=5)
    with pytest.raises(DataError, match="19 gate rows are fresh, 20 open") as raised:
        reserve_look(bench.workspace, bench.store, TASK)
    assert "about 5 new rows bring the 1 gate rows that are missing" in raised.value.remedy
    write_splits(bench.workspace, {**before, "gate": [*before["gate"], *held_out("new", 20)]})
    look = reserve_look(bench.workspace, bench.store, TASK)
    assert (look.number, look.since) == (3, 3)
    # The second budget of a task may spend a sixth of alpha.
    assert look.level == pytest.approx(0.2 / 6 / 200)
    bench.train(1)
    bench.params(looks=2, min_rows=5)
    write_splits(bench.workspace, before)
    assert reserve_look(bench.workspace, bench.store, TASK).number == 1, "it was paid for"


def test_levels_that_lean_on_the_first_looks_are_written_into_the_ledger(bench: Bench) -> None:
    bench.params(looks=3, spending="front")
    levels = []
    for seed in (1, 2, 3):
        bench.train(seed)
        levels.append(reserve_look(bench.workspace, bench.store, TASK).level)
    assert levels == pytest.approx([0.025 * 6 / 11, 0.025 * 3 / 11, 0.025 * 2 / 11])
    said = [entry.details["level"] for entry in entries(bench.store, TASK)]
    assert said == levels


def test_a_snapshot_that_is_right_is_left_alone_and_one_that_is_not_is_made_anew(
    bench: Bench,
) -> None:
    files = bench.workspace.files(TASK)
    assert snapshot_champion(bench.workspace, bench.store, TASK) == Champion()
    empty = files.champion.stat().st_ino
    snapshot_champion(bench.workspace, bench.store, TASK)
    assert files.champion.stat().st_ino == empty
    bench.cycle(1)
    assert snapshot_champion(bench.workspace, bench.store, TASK).version == 1
    made = files.champion.stat().st_ino
    snapshot_champion(bench.workspace, bench.store, TASK)
    assert files.champion.stat().st_ino == made
    (files.champion / "adapter" / "adapter_config.json").write_text("{}")
    snapshot_champion(bench.workspace, bench.store, TASK)
    assert (files.champion / "adapter" / "adapter_config.json").read_text() != "{}"


def test_a_fetched_adapter_is_the_one_that_was_judged(bench: Bench) -> None:
    cycle = bench.cycle(1)
    into = bench.workspace.root / "fetched"
    assert fetch_adapter(bench.store, TASK, 1, into=into).digest == cycle.candidate.digest
    assert len(list(into.iterdir())) == 3
