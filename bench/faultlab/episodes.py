"""One operation of a cycle's end or of a release, disturbed at will, then run to its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from workbench import TASK, Bench, make_bench

from faultlab.lab import Acks, attempt, check, counts
from pawl.cycle.conclude import conclude, deliver_outbox
from pawl.cycle.snapshots import snapshot_champion
from pawl.cycle.unjudged import find_cached_version
from pawl.ledger.alias import project
from pawl.ledger.ledger import entries
from pawl.ledger.looks import reserve_look
from pawl.ledger.state import read_state
from pawl.release.release import promote, rollback
from pawl.store.client import open_store
from pawl.store.versions import versions
from pawl.workspace.paths import Workspace

# Episodes that share one workspace: a look's budget is 200, and reading grows with the history.
EPISODES = 12
# The first of them are cycles that leave champions.
FIRST = 2
# What an operation adds, disturbed or not: versions, releases, looks.
ADDS = {"cycle": (1, 1, 1), "reject": (1, 0, 1), "promote": (0, 1, 0), "rollback": (0, 1, 0)}


@dataclass(frozen=True)
class Episode:
    """An operation by its kind and number, in a workspace that earlier ones have used."""

    folder: Path
    kind: str
    number: int
    acks: Acks

    def act(self) -> None:
        """Take the operation, or what is left of it. In a fork."""
        operate(open_bench(self.folder), self.kind, self.number, self.acks)

    def sums(self) -> list[int]:
        """Versions, releases and looks by now."""
        found: list[int] = attempt(lambda: _sums(open_bench(self.folder)))[1]
        return found

    def check(self) -> list[str]:
        """The checker's word right after a fault: the alias may lag."""
        found: list[str] = attempt(lambda: self._checked(settled=False))[1]
        return found

    def settle(self, before: list[int]) -> list[str]:
        """Run the operation to its end, undisturbed; what is wrong then, in words."""

        def end() -> Any:
            self.act()
            return _sums(open_bench(self.folder)), self._checked(settled=True)

        try:
            after, wrong = attempt(end)[1]
        except RuntimeError as error:
            # What a rerun cannot end, nobody's rerun would.
            return [f"I5: the rerun failed: {error}"]
        expected = [b + a for b, a in zip(before, ADDS[self.kind], strict=True)]
        if after != expected:
            wrong.append(
                f"I5: versions, releases, looks are {after}; undisturbed they are {expected}"
            )
        return list(wrong)

    def _checked(self, *, settled: bool) -> list[str]:
        return check(open_bench(self.folder).store.uri, TASK, self.acks, settled=settled)


def episodes(root: Path, draw: Random) -> Iterator[Episode]:
    """Operations without end, the first of each workspace cycles."""
    number = 0
    while True:
        folder = root / str(number)
        acks = Acks(root / f"{number}.jsonl")
        attempt(lambda made=folder: _make(made))
        for place in range(EPISODES):
            kind = "cycle" if place < FIRST else draw.choice(list(ADDS))
            yield Episode(folder, kind, number, acks)
            number += 1


def _make(folder: Path) -> None:
    make_bench(folder).params(looks=200)


def open_bench(folder: Path) -> Bench:
    workspace = Workspace(folder)
    return Bench(workspace, open_store(workspace))


def _sums(bench: Bench) -> list[int]:
    looks = sum(entry.kind == "look" for entry in entries(bench.store, TASK))
    state = read_state(bench.store, TASK)
    return [len(versions(bench.store, TASK)), len(state.releases), looks]


def operate(bench: Bench, kind: str, number: int, acks: Acks) -> None:
    """Do one operation, or what is left of it, as the flow or a person would after a crash."""
    why = f"{kind} {number}"
    workspace, store = bench.workspace, bench.store
    if kind in ("cycle", "reject"):
        _cycle(bench, kind, number, acks, why)
        return
    if counts(store, TASK, why):
        # The release stands, its alias may lag: `pawl status`, or any next command, sets it right.
        if project(store, TASK)[1] is not None:
            raise RuntimeError("a crash was taken for an alias that was moved by hand")
        return
    hand: dict[str, Any] = {"why": why, "who": "Bo"}
    acks.tell("asked", TASK, why)
    now = read_state(store, TASK)
    others = [v.version for v in versions(store, TASK) if v.champion != now.champion]
    if kind == "rollback" and now.previous_champion() is not None:
        entry = rollback(workspace, store, TASK, **hand)
    else:
        chosen = Random(number).choice(others)
        entry = promote(workspace, store, TASK, chosen, override=True, **hand)
    acks.tell("done", TASK, why, entry.new)


def _cycle(bench: Bench, kind: str, number: int, acks: Acks, why: str) -> None:
    workspace, store, question = bench.workspace, bench.store, f"question {number}"
    delivered = [asked for asked, _ in deliver_outbox(workspace, store, TASK)]
    if question in delivered or find_cached_version(store, TASK, question) is not None:
        return
    acks.tell("asked", TASK, why)
    bench.train(number)
    champion = snapshot_champion(workspace, store, TASK)
    look = reserve_look(workspace, store, TASK)
    bench.judge("promote" if kind == "cycle" else "reject", champion, look)
    cycle = conclude(workspace, store, TASK, question=question, who="Ada", why=why)
    if cycle.verdict == "promote":
        acks.tell("done", TASK, why, cycle.champion)
