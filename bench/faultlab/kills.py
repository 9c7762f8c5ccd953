"""SIGKILLs in the middle of releases; after each the record is checked, rerun and compared."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from conftest import TASK, Bench, make_bench

from faultlab.lab import Acks, attempt, check, clock, counts, draw_crash
from pawl.registry.alias import project
from pawl.registry.cycles import answered, catch_up, conclude
from pawl.registry.ledger import entries
from pawl.registry.looks import reserve_look
from pawl.registry.release import promote, rollback
from pawl.registry.snapshot import read_state, snapshot_champion
from pawl.registry.store import open_store
from pawl.registry.versions import versions
from pawl.workspace import Workspace

# Episodes that share one workspace: a look's budget is 200, and reading grows with the history.
EPISODES = 12
ADDS = {"cycle": (1, 1, 1), "reject": (1, 0, 1), "promote": (0, 1, 0), "rollback": (0, 1, 0)}


@dataclass
class Tally:
    """Kills by kind, and all that went wrong, in words."""

    kills: Counter[str] = field(default_factory=Counter)
    survived: int = 0
    violations: list[str] = field(default_factory=list)


def kill_releases(root: Path, *, kills: int, seed: int, seconds: float) -> Tally:
    """Kill cycles' conclusions, promotions and rollbacks until `kills` died or time is up."""
    end = clock() + seconds
    draw, tally = Random(seed), Tally()
    took: dict[str, list[float]] = {}
    episode = 0
    folder, acks = root, Acks(root)
    while sum(tally.kills.values()) < kills and clock() < end:
        if episode % EPISODES == 0:
            folder = root / str(episode)
            acks = Acks(root / f"{episode}.jsonl")
            attempt(lambda made=folder: _made(made))
        kind = "cycle" if episode % EPISODES < 2 else draw.choice(list(ADDS))
        _episode(folder, kind, episode, acks=acks, draw=draw, tally=tally, took=took)
        episode += 1
        if episode % EPISODES == 0:
            died = sum(tally.kills.values())
            print(f"{died} kills, {len(tally.violations)} violations", flush=True)
    return tally


def _made(folder: Path) -> None:
    make_bench(folder).params(looks=200)


def _episode(
    folder: Path,
    kind: str,
    number: int,
    *,
    acks: Acks,
    draw: Random,
    tally: Tally,
    took: dict[str, list[float]],
) -> None:
    """One operation: killed twice at most, then run to its end; its sum must be the undisturbed."""

    def act() -> Any:
        return operate(open_bench(folder), kind, number, acks)

    def look() -> Any:
        bench = open_bench(folder)
        return _sums(bench)

    (before, wrong) = attempt(lambda: (_sums(open_bench(folder)), []))[1]
    how: list[str] = []
    for _ in range(2):
        usual = median(took.get(kind, [0.8]))
        crash = draw_crash(draw, seconds=usual)
        start = clock()
        alive, _answer = attempt(act, crash)
        if alive:
            took.setdefault(kind, []).append(clock() - start)
            tally.survived += 1
            break
        how.append(crash.point or f"at {crash.seconds:.2f} s")
        how[-1] += f" ({'after' if crash.after else 'before'} {crash.nth})" if crash.point else ""
        tally.kills[f"{kind}, {'named point' if crash.point else 'random moment'}"] += 1
        wrong += attempt(lambda: check(open_bench(folder).store.uri, TASK, acks, settled=False))[1]

    def settle() -> Any:
        bench = open_bench(folder)
        operate(bench, kind, number, acks)
        return _sums(bench), check(bench.store.uri, TASK, acks, settled=True)

    after, found = attempt(settle)[1]
    wrong += found
    expected = [b + a for b, a in zip(before, ADDS[kind], strict=True)]
    if after != expected:
        wrong.append(f"I5: versions, releases, looks are {after}; undisturbed they are {expected}")
    for line in wrong:
        tally.violations.append(f"episode {number}, {kind}, {how}: {line}")
        print(tally.violations[-1], flush=True)


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
    if kind == "rollback" and now.before() is not None:
        entry = rollback(workspace, store, TASK, **hand)
    else:
        chosen = Random(number).choice(others)
        entry = promote(workspace, store, TASK, chosen, override=True, **hand)
    acks.tell("done", TASK, why, entry.new)


def _cycle(bench: Bench, kind: str, number: int, acks: Acks, why: str) -> None:
    workspace, store, question = bench.workspace, bench.store, f"question {number}"
    delivered = [asked for asked, _ in catch_up(workspace, store, TASK)]
    if question in delivered or answered(store, TASK, question) is not None:
        return
    acks.tell("asked", TASK, why)
    bench.train(number)
    champion = snapshot_champion(workspace, store, TASK)
    look = reserve_look(workspace, store, TASK)
    bench.judge("promote" if kind == "cycle" else "reject", champion, look)
    cycle = conclude(workspace, store, TASK, question=question, who="Ada", why=why)
    if cycle.verdict == "promote":
        acks.tell("done", TASK, why, cycle.champion)
