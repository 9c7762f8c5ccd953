"""What becomes of a candidate that waits for persons: approved again, overtaken, retired."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from workbench import TASK, Bench

from pawl.core.files import write_lines
from pawl.cycle import conclude as concluding
from pawl.cycle.approved import (
    approve_and_release,
    awaited_approval,
    cycle_of_version,
    given_name,
    suspended_version,
    suspension,
)
from pawl.cycle.conclude import deliver_outbox
from pawl.cycle.steps import flush_outbox
from pawl.errors import DataError, UsageError
from pawl.ledger.entries import Entry
from pawl.ledger.looks import refuse_without_look
from pawl.ledger.state import read_state, undoubted_state
from pawl.release import approval
from pawl.release.approval import Awaited
from pawl.release.release import promote, rollback
from pawl.release.retire import retire
from pawl.workspace.fingerprints import cycle_fingerprint


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


def crashed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cycle that is cut off once its candidate is registered; its order stays in the outbox."""

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(concluding, "close_run", crash)
        with pytest.raises(KeyboardInterrupt):
            bench.cycle(1)


def test_who_approved_at_another_time_approves_again_once_its_champion_is_back(
    manual: Bench,
) -> None:
    for seed in (1, 2):
        manual.cycle(seed)
        approve(manual, seed)
    manual.params(approval="manual", approvals=2)
    manual.cycle(3)
    assert isinstance(approve(manual, 3), Awaited)
    rollback(manual.workspace, manual.store, TASK, why="worse", who="Ada")
    rollback(manual.workspace, manual.store, TASK, why="better after all", who="Ada", to=2)
    left = approve(manual, 3)
    assert isinstance(left, Awaited)
    assert left.approved == ("Bo",)


def test_a_cycle_that_crashed_while_its_candidate_was_approved_says_that_it_was_released(
    manual: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashed(manual, monkeypatch)
    assert isinstance(approve(manual, 1), Entry)
    ((_, cycle),) = deliver_outbox(manual.workspace, manual.store, TASK)
    assert cycle.verdict == "promote", cycle.reasons
    assert champion(manual) == 1
    assert len(read_state(manual.store, TASK).releases) == 1


def test_a_candidate_goes_on_waiting_when_a_later_one_waits_too(manual: Bench) -> None:
    first, second = manual.cycle(1), manual.cycle(2)
    for cycle, version in ((first, 1), (second, 2)):
        awaited = awaited_approval(manual.workspace, cycle)
        assert awaited is not None
        assert awaited.version == version
    assert cycle_of_version(manual.workspace, TASK, 1).verdict == "waiting"


def test_an_approval_by_command_loses_nothing_that_is_typed_on_a_suspended_runs_page() -> None:
    until = datetime.now(UTC)
    key = suspension(Awaited(3, (), 2, until))[0]
    assert suspension(Awaited(3, ("Bo",), 2, until))[0] == key
    assert suspension(Awaited(3, (given_name("Cy"),), 2, until))[0] != key
    assert suspended_version(key) == 3


def test_who_approves_while_another_one_releases_is_told_of_that_release(
    manual: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    manual.cycle(1)
    write = approval.append

    def overtaken(*words: Any, **details: Any) -> Entry:
        entry = write(*words, **details)
        promote(manual.workspace, manual.store, TASK, 1, why="agreed", who="Cy")
        return entry

    monkeypatch.setattr(approval, "append", overtaken)
    release = approve(manual, 1)
    assert isinstance(release, Entry)
    assert (release.kind, release.who, champion(manual)) == ("first", "Cy", 1)


def test_a_retired_candidate_waits_for_nobody(manual: Bench) -> None:
    cycle = manual.cycle(1)
    retire(manual.workspace, manual.store, TASK, 1, why="wrong prompt", who="Ada")
    assert awaited_approval(manual.workspace, cycle) is None
    with pytest.raises(UsageError, match="was retired by Ada"):
        approve(manual, 1)
    again = manual.cycle(1)
    assert again.verdict != "waiting", again.reasons


def test_the_same_cycle_is_not_refused_a_look_while_its_candidate_waits(
    manual: Bench, base_folder: Path
) -> None:
    manual.params(approval="manual", looks=1, min_rows=5)
    workspace = manual.workspace
    shutil.copytree(base_folder, workspace.root / "base" / "tiny")
    data = workspace.root / "data" / "tickets.jsonl"
    data.parent.mkdir()
    write_lines(data, [{"prompt": "late", "completion": "yes"}])
    manual.cycle(1, question=cycle_fingerprint(workspace, TASK, accepted=()))
    refuse_without_look(workspace, manual.store, TASK)
    write_lines(data, [{"prompt": "late", "completion": "no"}])
    with pytest.raises(DataError, match="has used its 1 looks"):
        refuse_without_look(workspace, manual.store, TASK)


def test_a_registered_candidate_that_waits_holds_up_no_cycle_of_new_data(
    manual: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashed(manual, monkeypatch)
    assert flush_outbox(manual.workspace, TASK, "of other data") is None


def test_what_was_overridden_before_it_was_approved_is_told_as_released(manual: Bench) -> None:
    cycle = manual.cycle(1)
    promote(manual.workspace, manual.store, TASK, 1, why="now", who="Ada", override=True)
    assert awaited_approval(manual.workspace, cycle) is None


@pytest.mark.parametrize("params", ["[]", '{"gate": {"approval": 5}}', "{}"])
def test_a_page_that_was_edited_is_approved_by_nobody(manual: Bench, params: str) -> None:
    cycle = manual.cycle(1)
    manual.store.client.set_model_version_tag(TASK, "1", "pawl.params", params)
    assert awaited_approval(manual.workspace, cycle) is None
    with pytest.raises(UsageError, match="is not what its signature was made over"):
        approve(manual, 1)
    with pytest.raises(UsageError):
        promote(manual.workspace, manual.store, TASK, 1, why="now", who="Ada")
    assert read_state(manual.store, TASK).approvals == ()
