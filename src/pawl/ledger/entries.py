"""Ledger entries, and the state that replaying them in number order leads to. Pure.

Kinds. Releases change the champion and have `new`: `first` and `promote` (decided by the gate),
`override` and `rollback` (by a person), `adopt` (a person makes official what was changed by hand;
`new` may be the champion itself where the ledger was altered: `details.accepted` are the numbers of
the missing and altered entries). The others have no `new`: `look`, `relabel`, and `retire`, whose
`details` name the `version` and `digest` that is never released again, and the `run` that has its
files; `approve` names one in the same way that a person lets be released (`pawl.release.approval`).
A release's `details.signature` is the sha256 of its signature (`pawl.release.signing`).
`continue`, as the first entry, carries over what another task has judged (`pawl.ledger.carried`).

Who wins a race is decided here: a release counts only if it expected the champion of that moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from pawl.core.alpha_budget import AlphaBudget, BudgetHistory, LookCost
from pawl.core.files import digest_json
from pawl.core.records import Champion, Signature, to_json

Kind = Literal[
    "first", "promote", "override", "rollback", "adopt", "look", "relabel", "retire", "continue",
    "approve",
]  # fmt: skip
# Releases with a passing verdict, and those without: the latter are marked for ever.
EARNED: tuple[Kind, ...] = ("first", "promote")
UNEARNED: tuple[Kind, ...] = ("override", "adopt")


@dataclass(frozen=True)
class Entry:
    """One line of the ledger.

    `expected` is the champion that the writer saw, `new` the one that it releases (None: no
    release). `when` is UTC in ISO 8601. `evidence` is the sha256 of the verdict file, `previous`
    the digest of the last entry that the writer saw, '' if it saw none (see `hash_chain`). A look's
    `details` are `lineage` (the id of its gate split), `question` (the evaluation fingerprint),
    `of`, its `LookCost`, `known` (the `ArtifactRef` of the rows that it saw first) and `withdrawn`
    (the looks whose rows judge no longer, from this one on); a relabel's `relabels` or `removed` is
    the `ArtifactRef` of the changes, or of the rows that were let go. `number` is assigned by the
    store, from 1. `signature` is the writer's over `body`; None in ledgers of Pawl 0.1.
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
    signature: Signature | None = None

    @property
    def body(self) -> dict[str, Any]:
        """What its writer says, as JSON: all but the number, which the store adds."""
        return {k: v for k, v in to_json(self).items() if k not in ("number", "signature")}

    @cached_property
    def digest(self) -> str:
        """sha256 of body and number."""
        return digest_json({**self.body, "number": self.number})

    @property
    def mark(self) -> str:
        """Why, by whom and when, as the page of the version in MLflow shows it."""
        return f"{self.why} ({self.who}, {self.when[:10]}, ledger entry {self.number})"


@dataclass(frozen=True)
class State:
    """The state of a ledger: the champion, the releases that counted, the looks by gate split.

    `budgets` is what the looks at each gate split have spent, `life` those at all of them. All
    `relabels` count, a later one over an earlier; `retired` are the retirements that counted,
    `approvals` those of candidates over the champion of their time.
    `vouched` is the number of the last release in the record that this one goes on from.
    """

    champion: Champion = field(default_factory=Champion)
    releases: tuple[Entry, ...] = ()
    looks: dict[str, tuple[Entry, ...]] = field(default_factory=dict)
    budgets: dict[str, AlphaBudget] = field(default_factory=dict)
    life: BudgetHistory = field(default_factory=BudgetHistory)
    relabels: tuple[Entry, ...] = ()
    retired: tuple[Entry, ...] = ()
    approvals: tuple[Entry, ...] = ()
    vouched: int | None = None

    @property
    def released(self) -> int | None:
        """The number of the last release with a reason of its own, None before any."""
        kinds = (*EARNED, "override")
        return max((e.number for e in self.releases if e.kind in kinds), default=self.vouched)

    @property
    def accepted(self) -> tuple[str, ...]:
        """The ids of the relabels: they change the answers that a cycle is judged by."""
        return tuple(entry.op_id for entry in self.relabels)

    def counted(self, op_id: str) -> Entry | None:
        """The release with this `op_id` if it counted, None if it is void or absent."""
        return next((entry for entry in self.releases if entry.op_id == op_id), None)

    def previous_champion(self) -> Champion | None:
        """The champion that a rollback returns to, None if the present one is the first."""
        line = self.rollback_line()
        return line[-2] if len(line) > 1 else None

    def rollback_line(self) -> tuple[Champion, ...]:
        """The champions that rollbacks return to, oldest first, the present one last.

        A rollback undoes all releases after its target, so that the next one goes further back and
        never forward again. Retired versions are left out.
        """
        line: list[Champion] = []
        for entry in self.releases:
            if entry.new is None or (line and entry.new == line[-1]):
                continue
            if entry.kind == "rollback" and entry.new in line:
                del line[line.index(entry.new) :]
            line.append(entry.new)
        gone = {retired_champion(entry) for entry in self.retired}
        return tuple(champion for champion in line if champion not in gone)

    def rollback_champions(self, count: int) -> tuple[Champion, ...]:
        """The champion, the `count` last released before it, and those that rollbacks return to."""
        latest = dict.fromkeys(entry.new for entry in reversed(self.releases) if entry.new)
        gone = {retired_champion(entry) for entry in self.retired}
        recent = [champion for champion in latest if champion not in gone][: count + 1]
        return tuple(dict.fromkeys([*recent, *reversed(self.rollback_line()[-count - 1 :])]))

    def signature(self, champion: Champion) -> str | None:
        """sha256 of the signature that a version was last released with, None if with none."""
        digests = (e.details.get("signature") for e in reversed(self.releases) if e.new == champion)
        return next((str(digest) for digest in digests if digest), None)

    def evidence(self, champion: Champion) -> str | None:
        """sha256 of the verdict that a version was last released on, None if on none."""
        digests = (e.evidence for e in reversed(self.releases) if e.new == champion)
        return next((digest for digest in digests if digest), None)

    def retirement(self, champion: Champion) -> Entry | None:
        """The entry that retired a version, None if it may be released."""
        return next((entry for entry in self.retired if retired_champion(entry) == champion), None)

    def unearned(self, champion: Champion) -> Entry | None:
        """The override or adoption that released `champion`, None if there was none."""
        return next((e for e in self.releases if e.new == champion and e.kind in UNEARNED), None)


def replay_entries(entries: Iterable[Entry], carried: State | None = None) -> State:
    """Replay entries, in number order, to the state that all readers agree on. Pure.

    A release, retirement or approval that expected another champion is void: its writer lost the
    race. So is
    a release of a retired version, and the retirement of the champion. A look is void if its gate
    split had one with the same evaluation fingerprint, if it would take the levels spent above its
    budget's share of the alpha that the budget's first look names (the task's k-th budget:
    alpha / (k (k + 1))), or if it opens a budget on fewer rows than the task's largest look judged.
    Of entries with the same `op_id` the first counts. What another task has judged goes before
    them (`carried`): its looks and relabels, not its champion.
    """
    carried = carried or State()
    champion = Champion()
    releases: list[Entry] = []
    relabels = [*carried.relabels]
    looks, budgets, life = {**carried.looks}, {**carried.budgets}, carried.life
    retired: dict[Champion, Entry] = {}
    approvals: list[Entry] = []
    seen: set[str] = set()
    for entry in sorted(entries, key=lambda entry: entry.number):
        if entry.op_id in seen:
            continue
        seen.add(entry.op_id)
        if entry.kind == "look":
            split = str(entry.details["lineage"])
            earlier = looks.get(split, ())
            if any(entry.details["question"] == look.details["question"] for look in earlier):
                continue
            cost = _look_cost(entry)
            budget = budgets.get(split, AlphaBudget()).take(cost, life)
            if budget is not None:
                life = life.after(budget, cost)
                looks[split], budgets[split] = (*earlier, entry), budget
        elif entry.kind == "relabel":
            relabels.append(entry)
        elif entry.expected != champion:
            continue
        elif entry.kind == "approve":
            approvals.append(entry)
        elif entry.kind == "retire":
            if retired_champion(entry) != champion:
                retired.setdefault(retired_champion(entry), entry)
        elif entry.new is not None and entry.new not in retired:
            champion = entry.new
            releases.append(entry)
    return State(
        champion, tuple(releases), looks, budgets, life, tuple(relabels), tuple(retired.values()),
        approvals=tuple(approvals), vouched=carried.released,
    )  # fmt: skip


def retired_champion(entry: Entry) -> Champion:
    """The version that a retirement retires, or an approval approves."""
    return Champion(int(entry.details["version"]), str(entry.details["digest"]))


def check_details(entry: Entry) -> None:
    """Read once what `replay_entries` and others read of an entry's `details`.

    Raises:
        KeyError, TypeError, ValueError: `details` lack or garble what the entry's kind needs.
    """
    details = entry.details
    if datetime.fromisoformat(entry.when).tzinfo is None:
        raise ValueError(f"{entry.when!r} has no time zone")
    [*map(str, details.get("beside", ()))]
    if entry.kind == "look":
        _look_cost(entry)
        str(details["lineage"]), str(details["question"]), int(details["of"])
        [*map(int, details.get("withdrawn", ()))]
    elif entry.kind in ("retire", "approve"):
        retired_champion(entry)
        str(details["run"])
    elif entry.kind == "continue":
        str(details["task"]), int(details["entry"]), str(details["digest"])
    elif entry.kind == "adopt":
        [*map(int, details["accepted"]), int(details["after"])]


def _look_cost(entry: Entry) -> LookCost:
    of = entry.details
    level, alpha, since, rows = of["level"], of["alpha"], of["since"], of["rows"]
    return LookCost(level=float(level), alpha=float(alpha), since=int(since), rows=int(rows))
