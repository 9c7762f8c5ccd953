"""`pawl status`: the champion, the last verdict, the looks left, and what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from pawl.config.judging import Gate
from pawl.core.records.commands import FreshRows, LooksLeft
from pawl.errors import AdapterError, DataError, RegistryError
from pawl.ledger.alias import project
from pawl.ledger.budget_status import BudgetStatus, budget_text, task_budget_status
from pawl.ledger.entries import State
from pawl.ledger.manual_changes import Alias, moved_by_hand
from pawl.ledger.state import read_ledger
from pawl.publish.publish import look
from pawl.release.judged_code import earlier_scorers
from pawl.release.local_copies import ensure_local_copies, stored_champion_problems
from pawl.report.status import ChampionStatus, LastCycle, TaskStatus
from pawl.store.client import Store
from pawl.store.cycle_runs import last_cycle
from pawl.store.versions import garbled_versions, get
from pawl.workspace.paths import Workspace

Value = TypeVar("Value")


def status(workspace: Workspace, store: Store, task: str, *, repair: bool = True) -> TaskStatus:
    """Return the state of a task; with `repair`, set an alias that was moved by hand back.

    Raises `RegistryError` if the store cannot be reached.
    """
    ledger = read_ledger(store, task)
    alias, state = ledger.alias, ledger.state
    # What cannot be read is a note; the rest of the status is what a person needs to mend it.
    unread: list[str] = []
    page = workspace.files(task).page
    last = _or_note(unread, lambda: last_cycle(store, task))
    budget = _or_note(unread, lambda: task_budget_status(workspace, store, state, task))
    served = _or_note(unread, lambda: look(workspace, store, task)) or ()
    return TaskStatus(
        task=task,
        champion=_champion(state),
        last=LastCycle(last[0].verdict, last[0].reasons, last[1]) if last else None,
        looks=looks_left(budget, workspace.task(task).gate) if budget else None,
        fresh_rows=fresh_rows(budget) if budget else None,
        page=str(page.relative_to(workspace.root)) if page.is_file() else None,
        notes=(
            *unread,
            *_alias_note(store, task, state, alias, repair=repair),
            *ledger.doubts,
            *(error.found for error in garbled_versions(store, task).values()),
            *stored_champion_problems(store, task, state),
            *_scorer_notes(workspace, store, task, state),
            *(ensure_local_copies(workspace, store, task, state) if repair else ()),
        ),
        served=served,
    )


def looks_left(budget: BudgetStatus, policy: Gate) -> LooksLeft:
    """The looks of a budget, and what the next look's budget may spend."""
    return LooksLeft(budget.used, budget.of, budget.nth, budget_text(budget, policy))


def fresh_rows(budget: BudgetStatus) -> FreshRows:
    """The gate rows that no look has scored, and how many a new budget needs."""
    return FreshRows(budget.fresh, budget.needed)


def _champion(state: State) -> ChampionStatus:
    champion, last = state.champion, state.releases[-1] if state.releases else None
    since, why, kind = (last.when, last.why, last.kind) if last else (None, None, None)
    unearned = state.unearned(champion)
    text = f"{unearned.kind}: {unearned.why}" if unearned else None
    return ChampionStatus(champion.version, champion.digest, since, why, kind, text)


def _scorer_notes(workspace: Workspace, store: Store, task: str, state: State) -> tuple[str, ...]:
    version = state.champion.version
    if version is None or not workspace.task(task).evaluate.scorers:
        return ()
    return _or_note([], lambda: earlier_scorers(workspace, store, get(store, task, version))) or ()


def _alias_note(
    store: Store, task: str, state: State, alias: Alias, *, repair: bool
) -> Iterator[str]:
    if not repair:
        if moved_by_hand(alias, state):
            now = "nothing" if alias.version is None else f"version {alias.version}"
            yield f"the alias `champion` points at {now}; the ledger says {state.champion.version}"
        return
    unread: list[str] = []
    projected = _or_note(unread, lambda: project(store, task))
    if projected and projected[1]:
        yield projected[1].message(task, state)
    yield from unread


def _or_note(notes: list[str], read: Callable[[], Value]) -> Value | None:
    try:
        return read()
    except (RegistryError, AdapterError, DataError) as error:
        notes.append(error.found)
        return None
