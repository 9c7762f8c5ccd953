"""SIGKILLs in the middle of releases; after each the record is checked, rerun and compared."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median

from faultlab.episodes import EPISODES, Episode, episodes
from faultlab.lab import attempt, clock, draw_crash


@dataclass
class Tally:
    """Faults by kind, and all that went wrong, in words."""

    kills: Counter[str] = field(default_factory=Counter)
    survived: int = 0
    violations: list[str] = field(default_factory=list)

    def tell(self, what: str, wrong: list[str]) -> None:
        """Add what is wrong, and say so at once."""
        for line in wrong:
            self.violations.append(f"{what}: {line}")
            print(self.violations[-1], flush=True)


def kill_releases(root: Path, *, kills: int, seed: int, seconds: float) -> Tally:
    """Kill cycles' conclusions, promotions and rollbacks until `kills` died or time is up."""
    end = clock() + seconds
    draw, tally = Random(seed), Tally()
    took: dict[str, list[float]] = {}
    for episode in episodes(root, draw):
        died = sum(tally.kills.values())
        if died >= kills or clock() >= end:
            break
        if episode.number % EPISODES == 0:
            print(f"{died} kills, {len(tally.violations)} violations", flush=True)
        _episode(episode, draw=draw, tally=tally, took=took)
    return tally


def _episode(episode: Episode, *, draw: Random, tally: Tally, took: dict[str, list[float]]) -> None:
    """One operation: killed twice at most, then run to its end; its sum must be the undisturbed."""
    kind, before, wrong = episode.kind, episode.sums(), []
    how: list[str] = []
    for _ in range(2):
        crash = draw_crash(draw, seconds=median(took.get(kind, [0.8])))
        start = clock()
        alive, _answer = attempt(episode.act, crash)
        if alive:
            took.setdefault(kind, []).append(clock() - start)
            tally.survived += 1
            break
        how.append(crash.says)
        tally.kills[f"{kind}, {'named point' if crash.point else 'random moment'}"] += 1
        wrong += episode.check()
    wrong += episode.settle(before)
    tally.tell(f"episode {episode.number}, {kind}, {how}", wrong)
