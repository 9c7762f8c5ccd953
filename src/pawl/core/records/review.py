"""Records of a review: pairs of answers, and what people and a judge said of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Choice = Literal["left", "right", "tie"]
# Which of two answers a judge chose by place; `none`: what it said names no choice.
Vote = Literal["first", "second", "tie", "none"]


@dataclass(frozen=True)
class Pair:
    """Two answers to one judged row: the candidate's and that of the contender it is compared with.

    `id` digests the look, the row and both answers, so that a label of other answers is none of
    this pair. Pairs of one `group` are no independent evidence.
    """

    id: str
    row: str
    key: str
    candidate: str
    other: str
    group: str | None = None

    @property
    def same(self) -> bool:
        """Whether both say the same, so that nobody need be asked: it is a tie."""
        return self.candidate.strip() == self.other.strip()


@dataclass(frozen=True)
class Label:
    """What a person said of a pair: which side is better as it was shown. `when` is UTC (ISO 8601).

    `undo` takes the label before back.
    """

    pair: str
    choice: Choice | Literal["undo"]
    who: str
    when: str


@dataclass(frozen=True)
class Review:
    """A review and the labels that stand, in the order in which they were given.

    `question` is that of the look whose rows are reviewed, `against` the other contender, `pairs`
    digests the ids of the planned pairs; `seed` says of each which side the candidate is on.
    """

    question: str
    against: str
    pairs: str
    seed: str
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True)
class AskedJudge:
    """The judge whose opinions an evaluation has: `rubric` and `answers` are digests of their text.

    `answers` are the opinions, one a line.
    """

    model: str
    url: str
    rubric: str
    repeats: int
    answers: str


@dataclass(frozen=True)
class Opinion:
    """A judge's votes on a pair, one a repeat: with the candidate's answer first, and second."""

    pair: str
    ahead: tuple[Vote, ...]
    behind: tuple[Vote, ...]
