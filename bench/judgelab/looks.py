"""Looks: some of their pairs are labelled, all are judged, and the gate's functions decide."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from judgelab.judges import Draw, Judge, Preferred, Votes
from pawl.config import judging
from pawl.config.judging import Gate
from pawl.core.files import digest_json
from pawl.core.pairs import candidate_is_left, digest_of, pairs_of
from pawl.core.records import (
    AskedJudge,
    Champion,
    Contender,
    EvalReport,
    Label,
    Look,
    Opinion,
    Pair,
    Review,
    Score,
    Verdict,
    Vote,
)
from pawl.gate.decide import decide
from pawl.gate.evidence import Evidence
from pawl.gate.mcnemar import mcnemar_p
from pawl.gate.predictions import agreement, corrected, dealt
from pawl.gate.preference import planned_pairs

VOTES: dict[int, Vote] = {1: "first", -1: "second", 0: "none"}
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Looks:
    """Looks at once: what people prefer in their pairs, of which they label the first `labels`."""

    people: Preferred
    votes: Votes
    labels: int

    @functools.cached_property
    def leans(self) -> Numbers:
        ahead, behind = self.votes
        return (ahead.astype(float) - behind) / 2

    @property
    def labelled(self) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        means, sizes = dealt(self.leans[:, self.labels :], self.labels)
        return (
            self.people[:, : self.labels].astype(float),
            self.leans[:, : self.labels],
            means,
            sizes,
        )


def drawn(
    rng: Draw, judge: Judge, *, looks: int, labels: int, pairs: int, ties: float, gain: float = 0.0
) -> Looks:
    """So many looks; the candidate is preferred in a share `gain` more of the pairs."""
    u = rng.random((looks, pairs), dtype=np.float32)
    wins = (1 - ties + gain) / 2
    people = np.where(u < wins, 1, np.where(u < 1 - ties, -1, 0)).astype(np.int8)
    return Looks(people, judge(rng, people), labels)


def labels_p(looks: Looks) -> Numbers:
    """The sign test of the labels alone."""
    labelled = looks.people[:, : looks.labels]
    table = _sign_tests(looks.labels)
    return table[(labelled > 0).sum(1), (labelled < 0).sum(1)]


def passed(looks: Looks, level: float, *, floor: float) -> tuple[NDArray[np.bool_], Numbers]:
    """Whether the gate promotes, as it combines both tests; and whether the judge takes part."""
    people, judge, means, sizes = looks.labelled
    part = agreement(people, judge)[1] > floor
    p = corrected(people, judge, means, sizes, level=level / 2)[0]
    either = np.minimum(labels_p(looks), np.where(part, p, 1.0))
    return (2 * either < level) & (people.sum(1) > 0), part


def student(looks: Looks, level: float) -> NDArray[np.bool_]:
    """What Student's t would pass, of the same differences at the best weight of all labels."""
    people, judge, means, sizes = looks.labelled
    off = judge - judge.mean(1, keepdims=True)
    together = (people * off).sum(1) / np.maximum((off**2).sum(1), 1e-9)
    weight = np.clip(together, 0, 1)[:, None] * sizes / (sizes + 1)
    found = people - weight * (judge - means)
    error = found.std(1, ddof=1) / np.sqrt(looks.labels)
    return t.sf(found.mean(1) / np.maximum(error, 1e-12), looks.labels - 1) < level


def through_decide(looks: Looks, number: int, level: float, *, floor: float) -> Verdict:
    """The gate's verdict on one of the looks."""
    pairs, rubric = (
        looks.people.shape[1],
        judging.Judge("http://j", "j", "r", repeats=1, floor=floor),
    )
    policy = Gate(metric="preference", pairs=looks.labels, judge=rubric)
    found = _evidence(pairs, level)
    order = sorted_pairs(found)
    said = dict(zip([one.id for one in order], range(pairs), strict=True))
    ahead, behind = (half[number] for half in looks.votes)
    opinions = tuple(
        Opinion(one.id, (VOTES[int(ahead[said[one.id]])],), (VOTES[int(behind[said[one.id]])],))
        for one in pairs_of(found.report, found.scores)
    )
    asked = order[: looks.labels]
    labels = tuple(_label(one.id, int(looks.people[number, said[one.id]])) for one in asked)
    review = Review("question", "champion", digest_of(asked), "seed", labels)
    whole = Evidence(found.report, found.scores, found.rows, found.base, review, opinions)
    return decide(whole, policy)


def sorted_pairs(found: Evidence) -> list[Pair]:
    """All pairs in the order in which people would be asked."""
    return [*planned_pairs(found, Gate(metric="preference"))]


def _label(pair: str, people: int) -> Label:
    left = candidate_is_left("seed", pair) == (people > 0)
    return Label(pair, "tie" if not people else "left" if left else "right", "a person", "")


@functools.cache
def _evidence(pairs: int, level: float) -> Evidence:
    names, worn = ("candidate", "champion", "zero-shot"), {"candidate": "c", "champion": "d"}
    ids = [f"row-{n:05}" for n in range(pairs)]
    scores = tuple(
        Score(row, row, name, "gate", f"{name} says {row}", {}) for name in names for row in ids
    )
    contenders = tuple(
        Contender(name, "gate", pairs, {"perplexity": 2.0}, None, None, adapter=worn.get(name))
        for name in names
    )
    report = EvalReport(
        "t", "base", "c", Champion(3, "d"), Look(1, 20, "question", level), digest_json(ids), 0,
        contenders, {}, "scores", judge=AskedJudge("j", "http://j", "r", 1, "answers"),
    )  # fmt: skip
    return Evidence(report, scores, {"gate": pairs}, "base")


@functools.cache
def _sign_tests(labels: int) -> Numbers:
    table = np.ones((labels + 1, labels + 1))
    for won in range(labels + 1):
        for lost in range(labels + 1 - won):
            table[won, lost] = mcnemar_p(won, lost)
    return table
