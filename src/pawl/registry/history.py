"""Questions to the record: what was released, where things stand, how two versions differ."""

from __future__ import annotations

from typing import Any

from pawl.records import to_json
from pawl.registry.ledger import State, entries, fold, odd_numbers
from pawl.registry.looks import spends, standing_of
from pawl.registry.runs import last_cycle
from pawl.registry.snapshot import repair_alias
from pawl.registry.store import Store, get_alias
from pawl.registry.versions import AdapterVersion, get
from pawl.workspace import Workspace


def history(store: Store, task: str) -> list[dict[str, Any]]:
    """The releases that counted and the accepted relabels, oldest first, as plain JSON values.

    Each: `kind`, `version`, `digest`, `from` (version or None), `when`, `who`, `why`, `evidence`
    (sha256 of the verdict file or None), `entry` (its number in the ledger). A relabel moves no
    champion: its `version`, `digest` and `from` are None.

    Raises:
        RegistryError: the store cannot be reached.
    """
    state = fold(entries(store, task))
    return [
        {
            "entry": entry.number,
            "kind": entry.kind,
            "version": entry.new and entry.new.version,
            "digest": entry.new and entry.new.digest,
            "from": entry.expected.version if entry.new else None,
            "when": entry.when,
            "who": entry.who,
            "why": entry.why,
            "evidence": entry.evidence,
        }
        for entry in sorted((*state.releases, *state.relabels), key=lambda entry: entry.number)
    ]


def status(
    workspace: Workspace,
    store: Store,
    task: str,
    *,
    repair: bool = True,
) -> dict[str, Any]:
    """Where a task stands, as plain JSON values; sets a strayed alias right unless told not to.

    `champion` {version, digest, since, why}, `last` {verdict, reasons, when} or None, `looks`
    {used, of, budget, says: what the next look's budget may spend}, `fresh_rows` {there, needed}: gate rows of the last split that no look has scored
    and how many open a new budget once this one is spent, `notes`: a strayed alias, a ledger that
    was tampered with; empty if all is well.

    Raises:
        RegistryError: the store cannot be reached.
    """
    written = entries(store, task)
    state = fold(written)
    last = last_cycle(store, task)
    stands = standing_of(workspace, store, state, task)
    return {
        "task": task,
        "champion": _champion(state),
        "last": last
        and {"verdict": last[0].verdict, "reasons": list(last[0].reasons), "when": last[1]},
        "looks": {
            "used": stands.used,
            "of": stands.of,
            "budget": stands.nth,
            "says": spends(stands, workspace.task(task).gate),
        },
        "fresh_rows": {"there": stands.fresh, "needed": stands.needed},
        "notes": [
            *_alias_note(store, task, state, repair=repair),
            *(f"ledger entry {number} was removed or altered" for number in odd_numbers(written)),
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


def _champion(state: State) -> dict[str, Any]:
    last = state.releases[-1] if state.releases else None
    return {
        **to_json(state.champion),
        "since": last and last.when,
        "why": last and last.why,
    }


def _alias_note(store: Store, task: str, state: State, *, repair: bool) -> list[str]:
    if repair:
        note = repair_alias(store, task, state.champion)
        return [note] if note else []
    says = get_alias(store, task)
    if says == state.champion.version:
        return []
    return [f"the alias `champion` points at {says}; the ledger says {state.champion.version}"]


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
