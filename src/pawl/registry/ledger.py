"""The ledger: the append-only record of releases, looks and relabels, and what it folds to.

Entries are numbered versions of the registered model `<task>.ledger`, because making a version is
the one thing that MLflow numbers atomically. Who wins a race is not decided when writing but when
folding: in number order, a release counts only if it expected the champion of that moment.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter, ValidationError

from pawl.budget import Budget, Charge, Life
from pawl.errors import RegistryError
from pawl.files import digest_json
from pawl.records import Champion, to_json
from pawl.registry.store import Store, add_version, all_versions

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

Kind = Literal["first", "promote", "override", "rollback", "look", "relabel"]
TAG = "pawl.entry"


@dataclass(frozen=True)
class Entry:
    """One line of the ledger.

    `expected` is the champion that the writer saw, `new` the one that it asks for (None: a look or
    a relabel). `when` is UTC in ISO 8601. `evidence` is the sha256 of the verdict file, `previous`
    the digest of the last entry that the writer saw, '' if it saw none. A look's `details` hold
    `lineage`, `question`, `of`, what it costs (a `Charge`) and `known`: where the rows are `Kept`
    that it saw first; a relabel's `relabels`: where the changes are. `number` is the store's,
    from 1.
    """

    number: int
    op_id: str
    kind: Kind
    expected: Champion
    new: Champion | None
    who: str
    why: str
    when: str
    evidence: str | None = None
    previous: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """sha256 of all that the entry says, its number included."""
        return digest_json(to_json(self))


@dataclass(frozen=True)
class Kept:
    """Where rows are that an entry brings: a file of an MLflow run, and its sha256."""

    run: str
    name: str
    digest: str
    rows: int


@dataclass(frozen=True)
class State:
    """What the ledger comes to: the champion, the releases that counted, the looks a lineage.

    `budgets` says what a lineage's looks have come to, `life` what the looks of all lineages have.
    All `relabels` count, the later one over the earlier.
    """

    champion: Champion = field(default_factory=Champion)
    releases: tuple[Entry, ...] = ()
    looks: dict[str, tuple[Entry, ...]] = field(default_factory=dict)
    budgets: dict[str, Budget] = field(default_factory=dict)
    life: Life = field(default_factory=Life)
    relabels: tuple[Entry, ...] = ()

    @property
    def accepted(self) -> tuple[str, ...]:
        """The relabels by name: with them the answers change that a cycle is judged by."""
        return tuple(entry.op_id for entry in self.relabels)

    def counted(self, op_id: str) -> Entry | None:
        """The release with this `op_id` if it counted, None if it is void or absent."""
        return next((entry for entry in self.releases if entry.op_id == op_id), None)

    def before(self) -> Champion | None:
        """The champion that a rollback returns to, None if the present one is the first.

        A rollback takes back all releases after its target, so that the next one goes further
        back, never forth again.
        """
        line: list[Champion] = []
        for entry in self.releases:
            if entry.new is None:
                continue
            if entry.kind == "rollback" and entry.new in line:
                del line[line.index(entry.new) :]
            line.append(entry.new)
        return line[-2] if len(line) > 1 else None


def fold(entries: Iterable[Entry]) -> State:
    """Fold entries, in number order, to the state that all readers agree on. Pure.

    A release that expected another champion is void: its writer lost the race. A look is void if
    its question was asked before, if it would take the levels spent above its budget's share of the
    alpha that the budget's first look names (the task's k-th budget: alpha / (k (k + 1))), or if it
    opens a budget on fewer rows than the task's largest look judged. Of entries with the same
    `op_id` the first counts.
    """
    champion = Champion()
    releases: list[Entry] = []
    relabels: list[Entry] = []
    looks: dict[str, tuple[Entry, ...]] = {}
    budgets: dict[str, Budget] = {}
    life = Life()
    seen: set[str] = set()
    for entry in sorted(entries, key=lambda entry: entry.number):
        if entry.op_id in seen:
            continue
        seen.add(entry.op_id)
        if entry.kind == "look":
            lineage = str(entry.details["lineage"])
            asked = looks.get(lineage, ())
            if any(entry.details["question"] == look.details["question"] for look in asked):
                continue
            charge = _charge(entry)
            after = budgets.get(lineage, Budget()).take(charge, life)
            if after is not None:
                life = life.after(after, charge)
                looks[lineage], budgets[lineage] = (*asked, entry), after
        elif entry.kind == "relabel":
            relabels.append(entry)
        elif entry.new is not None and entry.expected == champion:
            champion = entry.new
            releases.append(entry)
    return State(champion, tuple(releases), looks, budgets, life, tuple(relabels))


def odd_numbers(entries: Iterable[Entry]) -> tuple[int, ...]:
    """Numbers that are missing, and those of entries whose `previous` is no earlier entry.

    Empty for a ledger that nobody tampered with: an entry that was edited no longer has the digest
    that its followers name, one that was deleted leaves a gap.
    """
    known = {""}
    odd: list[int] = []
    last = 0
    for entry in sorted(entries, key=lambda entry: entry.number):
        odd += range(last + 1, entry.number)
        if entry.previous not in known:
            odd.append(entry.number)
        known.add(entry.digest)
        last = entry.number
    return tuple(odd)


def entries(store: Store, task: str) -> tuple[Entry, ...]:
    """All entries of a task's ledger, oldest first.

    Raises:
        RegistryError: the store cannot be reached, or a version of the ledger is no entry.
    """
    return tuple(_parse(version, task) for version in all_versions(store, model(task)))


def append(
    store: Store,
    task: str,
    *,
    op_id: str,
    kind: Kind,
    expected: Champion,
    new: Champion | None,
    who: str,
    why: str,
    evidence: str | None = None,
    details: dict[str, Any] | None = None,
) -> Entry:
    """Write one entry, whole or not at all, and return it; the same `op_id` again writes none.

    Whether it counts is for `fold` to say: somebody else may have been first.

    Raises:
        RegistryError: the store cannot be reached.
    """
    seen = entries(store, task)
    for entry in seen:
        if entry.op_id == op_id:
            return entry
    when = datetime.now(UTC).isoformat(timespec="milliseconds")
    previous = seen[-1].digest if seen else ""
    entry = Entry(
        0, op_id, kind, expected, new, who, why, when, evidence, previous, dict(details or {})
    )
    added = add_version(
        store,
        model(task),
        op_id=op_id,
        source=f"pawl:/{task}/ledger",
        tags=_tags(entry),
        description=_description(entry),
    )
    return _parse(added, task)


def model(task: str) -> str:
    """The registered model that carries a task's ledger; no task's name has a dot."""
    return f"{task}.ledger"


def _tags(entry: Entry) -> dict[str, str]:
    """The entry in one tag for the machine, and in a few for eyes; all in one transaction."""
    body = to_json(entry)
    del body["number"]
    tags = {
        TAG: json.dumps(body, sort_keys=True, ensure_ascii=False),
        "pawl.kind": entry.kind,
        "pawl.who": entry.who,
    }
    if entry.new is not None:
        tags |= {"pawl.from": _name(entry.expected), "pawl.to": _name(entry.new)}
    return tags


def _description(entry: Entry) -> str:
    if entry.kind == "relabel":
        says = f"**relabel** of {entry.details['relabels']['rows']} held-out rows"
    elif entry.new is None:
        says = f"**look** at the gate split `{entry.details.get('lineage')}`"
    else:
        says = f"**{entry.kind}**: {_name(entry.expected)} → {_name(entry.new)}"
    evidence = f"\n\nevidence: `{entry.evidence}`" if entry.evidence else ""
    return f"{says}\n\n{entry.why}\n\n— {entry.who}, {entry.when}{evidence}"


def _charge(entry: Entry) -> Charge:
    said = entry.details
    return Charge(
        level=float(said["level"]),
        alpha=float(said["alpha"]),
        since=int(said["since"]),
        rows=int(said["rows"]),
    )


def _name(champion: Champion) -> str:
    return "none" if champion.version is None else f"version {champion.version}"


def _parse(version: ModelVersion, task: str) -> Entry:
    number = int(version.version)
    try:
        body = json.loads(version.tags[TAG])
        entry = TypeAdapter(Entry).validate_python({**body, "number": number})
    except (KeyError, ValueError, ValidationError) as error:
        raise RegistryError(
            f"version {number} of '{model(task)}' is no ledger entry: {error}",
            rule="the ledger is written by Pawl alone and never edited",
            remedy="restore the tracking store from its backup; every state after it is in doubt",
        ) from error
    return dataclasses.replace(entry, number=number)
