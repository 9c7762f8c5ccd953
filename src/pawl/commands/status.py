"""`pawl status`: the champion, the last verdict, the looks left, and what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from pawl.core.records import to_json
from pawl.errors import AdapterError, DataError, RegistryError
from pawl.ledger.alias import Alias, doubts, moved_by_hand, project, read_alias
from pawl.ledger.entries import State, replay_entries
from pawl.ledger.ledger import entries
from pawl.ledger.looks import budget_text, task_budget_status
from pawl.release.local_copies import keep_copies, stored_champion
from pawl.store.client import Store
from pawl.store.runs import last_cycle
from pawl.workspace.paths import Workspace

Answer = TypeVar("Answer")


def status(
    workspace: Workspace,
    store: Store,
    task: str,
    *,
    repair: bool = True,
) -> dict[str, Any]:
    """Where a task stands, as plain JSON values; sets a strayed alias right unless told not to.

    `champion` {version, digest, since, why, kind, unearned}, `last` {verdict, reasons, when} or
    None, `looks` {used, of, budget, says: what the next look's budget may spend}, `fresh_rows`
    {there, needed}: gate rows of the last split that no look has scored and how many open a new
    budget once this one is spent, `notes`: an alias moved by
    hand, a ledger that was tampered with, a champion whose bytes changed or that has no verified
    copy, what of the record cannot be read (it is None then); empty if all is well.

    Raises:
        RegistryError: the store cannot be reached.
    """
    # The alias first: what it was set from was in the ledger by then.
    alias, written = read_alias(store, task), entries(store, task, whole=True)
    state = replay_entries(written)
    # What cannot be read is a finding; the rest of the status is what a person needs to mend it.
    unread: list[str] = []
    last = _or_note(unread, lambda: last_cycle(store, task))
    stands = _or_note(unread, lambda: task_budget_status(workspace, store, state, task))
    return {
        "task": task,
        "champion": _champion(state),
        "last": last
        and {"verdict": last[0].verdict, "reasons": list(last[0].reasons), "when": last[1]},
        "looks": stands
        and {
            "used": stands.used,
            "of": stands.of,
            "budget": stands.nth,
            "says": budget_text(stands, workspace.task(task).gate),
        },
        "fresh_rows": stands and {"there": stands.fresh, "needed": stands.needed},
        "notes": [
            *unread,
            *_alias_note(store, task, state, alias, repair=repair),
            *doubts(written, state, alias),
            *stored_champion(store, task, state),
            *(keep_copies(workspace, store, task, state) if repair else ()),
        ],
    }


def _champion(state: State) -> dict[str, Any]:
    last = state.releases[-1] if state.releases else None
    unearned = state.unearned(state.champion)
    return {
        **to_json(state.champion),
        "since": last and last.when,
        "why": last and last.why,
        "kind": last and last.kind,
        "unearned": unearned and f"{unearned.kind}: {unearned.why}",
    }


def _alias_note(
    store: Store, task: str, state: State, alias: Alias, *, repair: bool
) -> Iterator[str]:
    if not repair:
        if moved_by_hand(alias, state):
            says = "nothing" if alias.version is None else f"version {alias.version}"
            yield (
                f"the alias `champion` points at {says}; the ledger says {state.champion.version}"
            )
        return
    unread: list[str] = []
    projected = _or_note(unread, lambda: project(store, task))
    if projected is not None and (strayed := projected[1]) is not None:
        yield strayed.says(task, state)
    yield from unread


def _or_note(notes: list[str], read: Callable[[], Answer]) -> Answer | None:
    try:
        return read()
    except (RegistryError, AdapterError, DataError) as error:
        notes.append(error.found)
        return None
