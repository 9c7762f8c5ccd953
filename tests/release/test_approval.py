"""Where a task's gate asks for persons, nothing is released before they have approved it."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from workbench import TASK, Bench

from pawl.core.records import Cycle
from pawl.cycle.approved import approve_and_release, awaited_approval, cycle_of_version
from pawl.errors import UsageError
from pawl.ledger.entries import Entry
from pawl.ledger.keys import make_keys
from pawl.ledger.state import read_state, undoubted_state
from pawl.release.approval import Awaited, waiting
from pawl.release.release import promote, rollback
from pawl.release.verify import verify


@pytest.fixture
def manual(bench: Bench) -> Bench:
    bench.params(approval="manual")
    return bench


def approve(bench: Bench, version: int, who: str = "Bo") -> Entry | Awaited:
    return approve_and_release(
        bench.workspace, bench.store, TASK, version, why="read the losses", who=who
    )[1]


def champion(bench: Bench) -> int | None:
    return undoubted_state(bench.store, TASK).champion.version


def other_person(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on another machine's key signs, which the workspace trusts, too."""
    monkeypatch.setenv("PAWL_SIGNING_KEY", str(bench.workspace.root.parent / "other.key"))
    make_keys(bench.workspace)


def test_a_candidate_that_passed_waits_and_is_released_by_the_person_who_approves(
    manual: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    cycle = manual.cycle(1)
    assert (cycle.verdict, cycle.champion.version) == ("waiting", None)
    assert "waits for 1 approval" in cycle.reasons[0]
    assert "pawl approve tickets 1" in cycle.reasons[1]
    awaited = awaited_approval(manual.workspace, cycle)
    assert awaited
    assert (awaited.version, awaited.approved, awaited.needed) == (1, (), 1)

    release = approve(manual, 1)
    assert isinstance(release, Entry)
    assert (release.kind, release.who) == ("first", "Bo")
    assert champion(manual) == 1
    (approval,) = read_state(manual.store, TASK).approvals
    assert (approval.who, approval.why, approval.kind) == ("Bo", "read the losses", "approve")
    assert approval.signature
    assert all(check.ok for check in verify(manual.workspace, manual.store, TASK))
    assert cycle_of_version(manual.workspace, TASK, 1).verdict == "promote"
    # Others derive the same from the record.
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "bench"))
    keys = manual.workspace.root / "pawl.pub"
    assert importlib.import_module("auditor").check(manual.store.uri, TASK, keys=keys) == []
    with pytest.raises(UsageError, match="is champion of 'tickets' already"):
        approve(manual, 1)


def test_the_same_cycle_again_releases_what_was_approved_meanwhile_and_nothing_before(
    manual: Bench,
) -> None:
    manual.cycle(1)
    assert manual.cycle(1).verdict == "waiting"
    assert manual.cycle(1).candidate.version == 1
    approve(manual, 1)
    manual.cycle(2)
    assert champion(manual) == 1


def test_two_persons_are_two_names_with_two_keys(
    manual: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    manual.params(approval="manual", approvals=2)
    manual.cycle(1)
    left = approve(manual, 1, who="Bo")
    assert isinstance(left, Awaited)
    assert (left.approved, left.needed) == (("Bo",), 2)
    for who in ("Bo", "Cy"):
        with pytest.raises(UsageError, match="has approved version 1 already"):
            approve(manual, 1, who=who)
    assert len(read_state(manual.store, TASK).approvals) == 1, "a refusal leaves no entry"
    other_person(manual, monkeypatch)
    with pytest.raises(UsageError, match="has approved"):
        approve(manual, 1, who="Bo")
    release = approve(manual, 1, who="Cy")
    assert isinstance(release, Entry)
    assert release.why == "read the losses (approved by Bo, Cy)"
    assert champion(manual) == 1


def test_nobody_promotes_past_the_approval_but_by_an_override_that_stays_marked(
    manual: Bench,
) -> None:
    manual.cycle(1)
    with pytest.raises(UsageError, match="waits for 1 approval") as refused:
        promote(manual.workspace, manual.store, TASK, 1, why="now", who="Ada")
    assert "pawl approve tickets 1" in refused.value.remedy
    assert champion(manual) is None
    said = promote(manual.workspace, manual.store, TASK, 1, why="now", who="Ada", override=True)
    assert said.kind == "override"


def test_what_was_judged_under_a_manual_gate_stays_so_when_the_file_is_edited(
    manual: Bench,
) -> None:
    manual.cycle(1)
    manual.params()
    with pytest.raises(UsageError, match="waits for 1 approval"):
        promote(manual.workspace, manual.store, TASK, 1, why="now", who="Ada")


def test_a_verdict_that_went_stale_meanwhile_is_not_applied(manual: Bench) -> None:
    first, second = manual.cycle(1), manual.cycle(2)
    assert isinstance(approve(manual, 2), Entry)
    with pytest.raises(UsageError, match="judged against no champion; champion now is version 2"):
        approve(manual, 1)
    assert champion(manual) == 2
    assert awaited_approval(manual.workspace, first) is None
    assert cycle_of_version(manual.workspace, TASK, 1).verdict == "inconclusive"
    assert cycle_of_version(manual.workspace, TASK, 2).verdict == "promote"
    assert second.verdict == "waiting"


def test_an_approval_of_another_time_does_not_count_after_a_rollback(
    manual: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in (1, 2):
        manual.cycle(seed)
        approve(manual, seed)
    manual.params(approval="manual", approvals=2)
    manual.cycle(3)
    approve(manual, 3)
    rollback(manual.workspace, manual.store, TASK, why="worse", who="Ada")
    other_person(manual, monkeypatch)
    with pytest.raises(UsageError, match="judged against version 2"):
        approve(manual, 3, who="Cy")
    assert champion(manual) == 1


def test_what_nobody_approves_in_time_is_not_promoted(manual: Bench) -> None:
    manual.params(approval="manual", approval_hours=1e-9)
    late: Cycle = manual.cycle(1)
    assert late.verdict == "inconclusive"
    assert "the time to approve version 1 ended" in late.reasons[0]
    with pytest.raises(UsageError, match="the time to approve version 1 ended") as refused:
        approve(manual, 1)
    assert re.search("pawl promote tickets 1 --override", refused.value.remedy)
    again = manual.cycle(1)
    assert (again.candidate, again.verdict) == (late.candidate, late.verdict), "it has one time"
    assert waiting(manual.workspace, manual.store, TASK, 1) is None
    assert champion(manual) is None


def test_without_a_manual_gate_there_is_nothing_to_approve(bench: Bench) -> None:
    assert bench.cycle(1).verdict == "promote"
    bench.cycle(2, "reject")
    with pytest.raises(UsageError, match="the gate's verdict on version 2 is 'reject'"):
        approve(bench, 2)
