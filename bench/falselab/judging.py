"""Judgements by `pawl.gate.decide.decide`, and the screen that saves the hopeless ones from it.

`decide` takes milliseconds and a life of a gate split is played 20,000 times. So the screen asks
the gate's own tests first, once for equal counts, and leaves out what is far from passing; a random
sample of what it leaves out goes to `decide` all the same. Only `decide` promotes; wherever it says
something else than the screen expects, that is a disagreement, and the bench fails.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from falselab.world import Counts, World
from pawl.config.judging import Gate
from pawl.core.files import digest_json
from pawl.core.records import Champion, Contender, EvalReport, Look, Score, Verdict
from pawl.gate.decide import decide
from pawl.gate.evidence import Evidence
from pawl.gate.margins import not_worse
from pawl.gate.mcnemar import mcnemar_p, unconditional_p
from pawl.gate.stats import Units

# What the screen leaves out has a p of so many times the level, or more.
NEAR = 3.0
# The gate's own p, which is dear, is never so many times smaller than the conditional one.
FAR = 6.0
Values = NDArray[np.float64]


@dataclass
class Tally:
    """What became of a case's judgements: all, those by `decide`, and disagreements."""

    all: int = 0
    decided: int = 0
    wrong: int = 0


@dataclass(frozen=True)
class Rows:
    """One judgement's rows: values of champion and candidate a metric, and the rows' groups."""

    champion: dict[str, Values]
    candidate: dict[str, Values]
    groups: NDArray[np.int64] | None = None


@dataclass
class Judge:
    """Judges by one policy; `sample` is the share of hopeless judgements that `decide` sees too.

    `first`: there is no champion yet, a prompted baseline takes its place.
    """

    policy: Gate
    world: World
    rng: np.random.Generator
    sample: float
    first: bool = False
    tally: Tally = field(default_factory=Tally)

    def worth_judging(
        self,
        wins: Counts,
        losses: Counts,
        level: float,
        open_: NDArray[np.bool_],
        *,
        units: Counts | int,
    ) -> tuple[NDArray[np.int64], Values]:
        """Which of the open judgements go to `decide`, and the screen's p of all.

        `units` are those judged on, that do not differ included.
        """
        p = screen(self.world, wins, losses, units, level=level)
        drawn = self.rng.random(p.size) < self.sample
        self.tally.all += int(open_.sum())
        return np.flatnonzero(open_ & ((p < NEAR * level) | drawn)), p

    def verdict(self, rows: Rows, *, level: float, p: float) -> Verdict:
        """What `decide` says of these rows; `p` is the screen's."""
        verdict = decide(evidence(rows, level=level, first=self.first), self.policy)
        self.tally.decided += 1
        beaten = verdict.decision == "promote" or not verdict.failed[0].startswith("beats")
        # For single pass/fail rows the screen is the gate's test itself, else a part of it.
        expected = p < level if self.world.simple else beaten and p < level
        self.tally.wrong += beaten != expected or verdict.decision == "invalid"
        return verdict


def screen(
    world: World, wins: Counts, losses: Counts, units: Counts | int, *, level: float
) -> Values:
    """The least p that the gate can come to with these units won and lost; 1 without a gain.

    Far above the level, of single pass/fail rows, the conditional p.
    """
    of = np.broadcast_to(units, wins.shape)
    triples, where = np.unique(np.stack([wins, losses, of]), axis=1, return_inverse=True)
    found = [_least(world, int(w), int(lost), int(n), FAR * level) for w, lost, n in triples.T]
    return np.array(found)[where.reshape(-1)]


@lru_cache(maxsize=200_000)
def _least(world: World, wins: int, losses: int, units: int, far: float) -> float:
    gain = world.gain(np.array([wins]), np.array([losses]))[0]
    if gain <= 0:
        return 1.0
    if world.simple:
        given = mcnemar_p(wins, losses)
        return given if given > far else unconditional_p(wins, losses, units)
    sizes = np.repeat([float(world.small), float(world.large)], [wins, losses])
    steps = np.repeat([world.win, -world.loss], [wins, losses])
    # Units that do not differ change nothing but the size of the largest, which p falls with.
    return not_worse(Units(steps * sizes, sizes), 0.0, bounded=True)(1.0)


def placed(
    world: World, strong: int, units: int, wins: int, losses: int, rng: np.random.Generator
) -> Rows:
    """Rows of which the candidate won and lost so many units, in random order."""
    weak = units - strong
    kinds = np.repeat([0, 1, 2, 3], [wins, weak - wins, losses, strong - losses])
    kinds = rng.permutation(kinds)
    sizes = np.where(kinds < 2, world.small, world.large)
    rows = np.repeat(kinds, sizes)
    low = 1.0 - world.win
    champion = np.where(rows < 2, low, 1.0)
    candidate = np.select([rows == 0, rows == 1, rows == 2], [1.0, low, 1.0 - world.loss], 1.0)
    groups = None if world.small == world.large == 1 else np.repeat(np.arange(units), sizes)
    return Rows({world.metric: champion}, {world.metric: candidate}, groups)


def evidence(rows: Rows, *, level: float, first: bool = False) -> Evidence:
    """The evidence that an evaluation of these rows leaves; prompting alone gets none right."""
    other = "few-shot" if first else "champion"
    size = len(next(iter(rows.champion.values())))
    nothing = dict.fromkeys(rows.champion, np.zeros(size))
    answers = {"candidate": rows.candidate, other: rows.champion, "zero-shot": nothing}
    named = None if rows.groups is None else rows.groups.tolist()
    scores = []
    for name, values in answers.items():
        (metric, main), *rest = ((m, v.tolist()) for m, v in values.items())
        for i, value in enumerate(main):
            more = tuple((m, v[i]) for m, v in rest)
            group = None if named is None else named[i]
            scores.append(_score(i, name, ((metric, value), *more), group))
    champion = Champion() if first else Champion(1, "d")
    worn = {"candidate": "c", "champion": "d"}
    contenders = tuple(
        Contender(name, "gate", size, {}, None, None, adapter=worn.get(name)) for name in answers
    )
    look = Look(1, 20, "q", level)
    report = EvalReport("t", "b", "c", champion, look, _ids(size), 0, contenders, {}, "s")
    return Evidence(report, tuple(scores), {"gate": size}, "b")


@lru_cache(maxsize=100_000)
def _score(
    number: int, name: str, values: tuple[tuple[str, float], ...], group: int | None
) -> Score:
    key = f"{number:05}"
    unit = None if group is None else f"g{group}"
    return Score(key, key, name, "gate", "", dict(values), unit)


@lru_cache
def _ids(size: int) -> str:
    return digest_json([f"{i:05}" for i in range(size)])
