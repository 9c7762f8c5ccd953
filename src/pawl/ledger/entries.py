"""What the ledger comes to: entries folded, in number order, to the state that all agree on. Pure.

Kinds. Releases change the champion and have `new`: `first` and `promote` (the gate said so),
`override` and `rollback` (a person did), `adopt` (a person makes official what was changed by hand;
`new` may be the champion itself where the ledger was altered: `details.accepted` are the numbers
found odd). The others have no `new`: `look`, `relabel`, and `retire`, whose `details` name the
`version` and `digest` that is never released again, and the `run` that carries its files. A
release's `details.signature` is the sha256 of its signature (`pawl.release.signing`).

Who wins a race is decided here: a release counts only if it expected the champion of that moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from pawl.core.alpha_budget import AlphaBudget, BudgetHistory, LookCost
from pawl.core.files import digest_json
from pawl.core.records import Champion, to_json

Kind = Literal["first", "promote", "override", "rollback", "adopt", "look", "relabel", "retire"]
# Releases that a passing verdict stands behind, and those that none does: marked for ever.
EARNED: tuple[Kind, ...] = ("first", "promote")
UNEARNED: tuple[Kind, ...] = ("override", "adopt")


@dataclass(frozen=True)
class Entry:
    """One line of the ledger.

    `expected` is the champion that the writer saw, `new` the one that it asks for (None: no
    release). `when` is UTC in ISO 8601. `evidence` is the sha256 of the verdict file, `previous`
    the digest of the last entry that the writer saw, '' if it saw none (see `chain`). A look's
    `details` hold `lineage`, `question`, `of`, what it costs (a `Charge`) and `known`: where the
    rows are `Kept` that it saw first; a relabel's `relabels`: where the changes are. `number` is
    the store's, from 1.
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
class State:
    """What the ledger comes to: the champion, the releases that counted, the looks a lineage.

    `budgets` says what a lineage's looks have come to, `life` what the looks of all lineages have.
    All `relabels` count, the later one over the earlier; of the retirements `retired` did.
    """

    champion: Champion = field(default_factory=Champion)
    releases: tuple[Entry, ...] = ()
    looks: dict[str, tuple[Entry, ...]] = field(default_factory=dict)
    budgets: dict[str, AlphaBudget] = field(default_factory=dict)
    life: BudgetHistory = field(default_factory=BudgetHistory)
    relabels: tuple[Entry, ...] = ()
    retired: tuple[Entry, ...] = ()

    @property
    def accepted(self) -> tuple[str, ...]:
        """The relabels by name: with them the answers change that a cycle is judged by."""
        return tuple(entry.op_id for entry in self.relabels)

    def counted(self, op_id: str) -> Entry | None:
        """The release with this `op_id` if it counted, None if it is void or absent."""
        return next((entry for entry in self.releases if entry.op_id == op_id), None)

    def previous_champion(self) -> Champion | None:
        """The champion that a rollback returns to, None if the present one is the first."""
        line = self.rollback_line()
        return line[-2] if len(line) > 1 else None

    def rollback_line(self) -> tuple[Champion, ...]:
        """The champions that rollbacks go back along, oldest first, the present one last.

        A rollback takes back all releases after its target, so that the next one goes further
        back, never forth again. Retired versions are left out.
        """
        line: list[Champion] = []
        for entry in self.releases:
            if entry.new is None or (line and entry.new == line[-1]):
                continue
            if entry.kind == "rollback" and entry.new in line:
                del line[line.index(entry.new) :]
            line.append(entry.new)
        gone = {champion_of(entry) for entry in self.retired}
        return tuple(champion for champion in line if champion not in gone)

    def rollback_champions(self, count: int) -> tuple[Champion, ...]:
        """The champion and what rollbacks may need: the `count` champions before it.

        Both those most recently released and those that rollbacks would come to, one after the
        other. The present champion first.
        """
        latest = dict.fromkeys(entry.new for entry in reversed(self.releases) if entry.new)
        gone = {champion_of(entry) for entry in self.retired}
        recent = [champion for champion in latest if champion not in gone][: count + 1]
        return tuple(dict.fromkeys([*recent, *reversed(self.rollback_line()[-count - 1 :])]))

    def signature(self, champion: Champion) -> str | None:
        """sha256 of the signature that a version was last released with, None if with none."""
        named = (e.details.get("signature") for e in reversed(self.releases) if e.new == champion)
        return next((str(digest) for digest in named if digest), None)

    def evidence(self, champion: Champion) -> str | None:
        """sha256 of the verdict that a version was last released on, None if on none."""
        named = (e.evidence for e in reversed(self.releases) if e.new == champion)
        return next((digest for digest in named if digest), None)

    def retirement(self, champion: Champion) -> Entry | None:
        """The entry that retired a version, None if it may be released."""
        return next((entry for entry in self.retired if champion_of(entry) == champion), None)

    def unearned(self, champion: Champion) -> Entry | None:
        """The release of `champion` that a person made without the gate, None if there is none."""
        marked = (e for e in self.releases if e.new == champion and e.kind in UNEARNED)
        return next(marked, None)


def replay_entries(entries: Iterable[Entry]) -> State:
    """Fold entries, in number order, to the state that all readers agree on. Pure.

    A release or retirement that expected another champion is void: its writer lost the race. So is
    a release of a retired version, and the retirement of the champion. A look is void if
    its question was asked before, if it would take the levels spent above its budget's share of the
    alpha that the budget's first look names (the task's k-th budget: alpha / (k (k + 1))), or if it
    opens a budget on fewer rows than the task's largest look judged. Of entries with the same
    `op_id` the first counts.
    """
    champion = Champion()
    releases: list[Entry] = []
    relabels: list[Entry] = []
    looks: dict[str, tuple[Entry, ...]] = {}
    budgets: dict[str, AlphaBudget] = {}
    life = BudgetHistory()
    retired: dict[Champion, Entry] = {}
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
            after = budgets.get(lineage, AlphaBudget()).take(charge, life)
            if after is not None:
                life = life.after(after, charge)
                looks[lineage], budgets[lineage] = (*asked, entry), after
        elif entry.kind == "relabel":
            relabels.append(entry)
        elif entry.expected != champion:
            continue
        elif entry.kind == "retire":
            if champion_of(entry) != champion:
                retired.setdefault(champion_of(entry), entry)
        elif entry.new is not None and entry.new not in retired:
            champion = entry.new
            releases.append(entry)
    return State(
        champion, tuple(releases), looks, budgets, life, tuple(relabels), tuple(retired.values())
    )


def champion_of(entry: Entry) -> Champion:
    """The version that a retirement is about."""
    return Champion(int(entry.details["version"]), str(entry.details["digest"]))


def read_details(entry: Entry) -> None:
    """Read what `fold` and others will read of an entry's `details`.

    Raises:
        KeyError, TypeError, ValueError: the entry's kind says more than its `details` do.
    """
    said = entry.details
    [*map(str, said.get("beside", ()))]
    if entry.kind == "look":
        _charge(entry)
        str(said["lineage"]), str(said["question"]), int(said["of"])
    elif entry.kind == "retire":
        champion_of(entry)
        str(said["run"])
    elif entry.kind == "adopt":
        [*map(int, said["accepted"]), int(said["after"])]


def _charge(entry: Entry) -> LookCost:
    said = entry.details
    return LookCost(
        level=float(said["level"]),
        alpha=float(said["alpha"]),
        since=int(said["since"]),
        rows=int(said["rows"]),
    )
