"""The next step towards an alias that follows the ledger, case by case, and that steps end."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_entries import CHAMPIONS, NONE, ledgers, release

from pawl.core.records import Champion
from pawl.ledger.alias import Step, next_step
from pawl.ledger.entries import Entry, replay_entries
from pawl.ledger.manual_changes import Alias, ManualMove, current_manual_move

ONE, TWO = CHAMPIONS[1:3]
FIRST, SECOND = release(1, NONE, ONE), release(2, ONE, TWO)
ADOPTED = release(3, TWO, ONE, kind="adopt")


def set_from(entry: Entry, version: int | None = None) -> Alias:
    """The alias as it was set from `entry`; at another `version` where somebody moved it."""
    number = version if version is not None or entry.new is None else entry.new.version
    return Alias(number, (entry.number, entry.digest))


@dataclass(frozen=True)
class Case:
    """What was read, and the step that follows."""

    name: str
    alias: Alias
    written: tuple[Entry, ...]
    expected: Step
    release: Entry | None = None
    listed: bool | None = None
    seen_before: Alias | None = None


AT_TWO, AT_NOTHING = set_from(FIRST, 2), Alias(None, (1, FIRST.digest))
GONE = dataclasses.replace(SECOND, why="another why")
CASES = [
    Case("nothing released", Alias(), (), Step("done")),
    Case("already right", set_from(SECOND), (FIRST, SECOND), Step("done")),
    Case("lags behind", set_from(FIRST), (FIRST, SECOND), Step("check listing")),
    Case(
        "lags behind, champion listed",
        set_from(FIRST),
        (FIRST, SECOND),
        Step("set alias", 2, projected=SECOND, marked=1),
        listed=True,
    ),
    Case(
        "follows the caller's own release without asking MLflow",
        set_from(FIRST),
        (FIRST, SECOND),
        Step("set alias", 2, projected=SECOND, marked=1),
        release=SECOND,
    ),
    Case(
        "the caller's own release lost a race",
        set_from(FIRST),
        (FIRST, SECOND),
        Step("check listing"),
        release=release(3, ONE, CHAMPIONS[3]),
    ),
    Case(
        "right version, set from an earlier release",
        set_from(FIRST, 2),
        (FIRST, SECOND),
        Step("set alias", 2, projected=SECOND, marked=1),
        listed=True,
    ),
    Case("first release", Alias(), (FIRST,), Step("set alias", 1, projected=FIRST), listed=True),
    Case("moved by hand", AT_TWO, (FIRST,), Step("look again"), listed=True),
    Case(
        "moved by hand, seen twice",
        AT_TWO,
        (FIRST,),
        Step("set alias", 1, note_move=True, projected=FIRST, marked=1),
        listed=True,
        seen_before=AT_TWO,
    ),
    Case(
        "moved by hand again in between",
        AT_TWO,
        (FIRST,),
        Step("look again"),
        listed=True,
        seen_before=AT_NOTHING,
    ),
    Case(
        "removed by hand, seen twice",
        AT_NOTHING,
        (FIRST,),
        Step("set alias", 1, note_move=True, projected=FIRST, marked=1),
        listed=True,
        seen_before=AT_NOTHING,
    ),
    Case(
        "set by hand before any release, seen twice",
        Alias(1),
        (),
        Step("set alias", None, note_move=True),
        seen_before=Alias(1),
    ),
    Case("entry missing", set_from(SECOND), (FIRST,), Step("leave in doubt")),
    Case("entry altered", set_from(SECOND), (FIRST, GONE), Step("leave in doubt")),
    Case(
        "entry altered, champion adopted by the caller",
        set_from(SECOND),
        (FIRST, GONE, ADOPTED),
        Step("set alias", 1, projected=ADOPTED, marked=2),
        release=ADOPTED,
    ),
    Case(
        "ledger begun anew, champion adopted by the caller",
        Alias(2, (4, "gone")),
        (adopted := release(1, NONE, TWO, kind="adopt"),),
        Step("set alias", 2, projected=adopted, marked=0),
        release=adopted,
    ),
    Case(
        "moved by hand and adopted by the caller: no move to note",
        set_from(SECOND, 1),
        (FIRST, SECOND, ADOPTED),
        Step("set alias", 1, projected=ADOPTED, marked=2),
        release=ADOPTED,
    ),
    Case(
        "champion not listed, alias at what took its number",
        set_from(FIRST, 2),
        (FIRST, SECOND),
        Step("set alias", None, marked=1),
        listed=False,
    ),
    Case("champion not listed, no alias", AT_NOTHING, (FIRST,), Step("done"), listed=False),
    Case(
        "first entry removed, so that none counts any more",
        Alias(None, (2, SECOND.digest)),
        (SECOND,),
        Step("done"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_next_step_follows_from_alias_and_ledger(case: Case) -> None:
    step = next_step(
        case.alias,
        case.written,
        release=case.release,
        listed=case.listed,
        seen_before=case.seen_before,
    )
    assert step == case.expected


def take(step: Step, alias: Alias, written: list[Entry]) -> Alias:
    """The alias after a step, where nobody else touches it."""
    move, projected = alias.manual_move, alias.projected
    if step.note_move:
        last = replay_entries(written).releases[-1:]
        move = ManualMove(alias.version, "now", last[0].number if last else 0)
    if step.projected is not None:
        projected = (step.projected.number, step.projected.digest)
    return Alias(step.version, projected, move)


@st.composite
def aliases(draw: st.DrawFn, written: list[Entry]) -> Alias:
    """An alias at any version, set from an entry of the ledger, from one that is gone, or never."""
    projected = [None, (3, "gone"), *((entry.number, entry.digest) for entry in written)]
    version = st.sampled_from([None, *(one.version for one in CHAMPIONS[1:])])
    return Alias(draw(version), draw(st.sampled_from(projected)))


@given(ledgers(), st.booleans(), st.data())
def test_a_few_steps_end_where_nobody_interferes(
    written: list[Entry], listed: bool, data: st.DataObject
) -> None:
    alias = data.draw(aliases(written))
    own = data.draw(st.sampled_from([None, *written]))
    seen_before, actions = None, []
    champion: Champion = replay_entries(written).champion
    # Whoever releases a version has seen it listed.
    listed = listed or (own is not None and own.new == champion)
    for _ in range(4):
        step = next_step(alias, written, release=own, seen_before=seen_before)
        if step.action == "check listing":
            step = next_step(alias, written, release=own, listed=listed, seen_before=seen_before)
        actions.append(step.action)
        if step.action in ("done", "leave in doubt"):
            break
        if step.action == "look again":
            seen_before = alias
        else:
            alias = take(step, alias, written)
    assert actions[-1] in ("done", "leave in doubt")
    if actions[-1] == "done":
        assert alias.version == (champion.version if listed else None) or (
            alias.version == champion.version
        )
        assert ("look again" in actions) == (
            current_manual_move(alias, replay_entries(written)) is not None
        )
