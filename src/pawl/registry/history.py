"""Questions to the record: what was released, where things stand, how two versions differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from pawl.errors import AdapterError, DataError, RegistryError
from pawl.records import to_json
from pawl.registry.alias import Alias, doubts, moved_by_hand, project, read_alias
from pawl.registry.copies import keep_copies, stored_champion
from pawl.registry.fold import champion_of
from pawl.registry.ledger import Entry, State, entries, fold
from pawl.registry.looks import spends, standing_of
from pawl.registry.runs import last_cycle
from pawl.registry.store import Store
from pawl.registry.versions import AdapterVersion, get
from pawl.workspace import Workspace

Answer = TypeVar("Answer")


def history(store: Store, task: str) -> list[dict[str, Any]]:
    """Releases that counted, accepted relabels and retirements, oldest first, as JSON values.

    Each: `kind`, `version`, `digest`, `from` (version or None), `when`, `who`, `why`, `evidence`
    (sha256 of the verdict file or None), `entry` (its number in the ledger), `unearned` (the kind
    of the release that a person once made of that version without the gate, or None). Relabels and
    retirements move no champion: their `from` is None, and a relabel has no version.

    Raises:
        RegistryError: the store cannot be reached.
    """
    state = fold(entries(store, task))
    told = (*state.releases, *state.relabels, *state.retired)
    return [_told(state, entry) for entry in sorted(told, key=lambda entry: entry.number)]


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
    state = fold(written)
    # What cannot be read is a finding; the rest of the status is what a person needs to mend it.
    unread: list[str] = []
    last = _or_note(unread, lambda: last_cycle(store, task))
    stands = _or_note(unread, lambda: standing_of(workspace, store, state, task))
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
            "says": spends(stands, workspace.task(task).gate),
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


def compare(store: Store, task: str, a: int, b: int) -> dict[str, Any]:
    """Two versions side by side, as plain JSON values; what is the same in `params` is left out.

    `scores` maps contender to metric to [a, b], None where not measured. They come from two
    judgements, perhaps on other rows: they inform, the gate never compares them.

    Raises:
        UsageError: there is no such version.
        RegistryError: the store cannot be reached.
    """
    one, other = get(store, task, a), get(store, task, b)
    left, right = _flatten(one.params), _flatten(other.params)
    return {
        "task": task,
        "versions": [a, b],
        "verdict": [one.verdict, other.verdict],
        "scores": _scores(one, other),
        "params": {
            key: [left.get(key), right.get(key)]
            for key in sorted(left.keys() | right.keys())
            if left.get(key) != right.get(key)
        },
        **{key: [getattr(one, key), getattr(other, key)] for key in ("data", "base", "commit")},
        "when": [one.when, other.when],
    }


def _told(state: State, entry: Entry) -> dict[str, Any]:
    of = entry.new or (champion_of(entry) if entry.kind == "retire" else None)
    unearned = of and state.unearned(of)
    if unearned and unearned.number > entry.number:
        unearned = None
    return {
        "entry": entry.number,
        "kind": entry.kind,
        "version": of and of.version,
        "digest": of and of.digest,
        "from": entry.expected.version if entry.new else None,
        "when": entry.when,
        "who": entry.who,
        "why": entry.why,
        "evidence": entry.evidence,
        "unearned": unearned and unearned.kind,
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


def _scores(a: AdapterVersion, b: AdapterVersion) -> dict[str, dict[str, list[float | None]]]:
    return {
        name: {
            metric: [a.scores.get(name, {}).get(metric), b.scores.get(name, {}).get(metric)]
            for metric in sorted({*a.scores.get(name, {}), *b.scores.get(name, {})})
        }
        for name in sorted({*a.scores, *b.scores})
    }


def _flatten(params: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
