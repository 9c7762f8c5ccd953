"""`pawl review`: people compare answers of the candidate with its opponent's, and see not whose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pawl.core.pairs import sides
from pawl.core.records import Choice, Message, Pair, Review
from pawl.cycle.reviewed import AwaitedReview, awaited_review
from pawl.errors import UsageError
from pawl.ledger.provenance import author
from pawl.workspace.paths import Workspace

# What is typed for each choice.
KEYS: dict[str, Choice] = {"1": "left", "2": "right", "0": "tie"}


@dataclass(frozen=True)
class ReviewStatus:
    """How far a review is: `labelled` of `pairs`; `same` more need nobody, as both say the same.

    It never says who was preferred: that is for the gate to tell, once all pairs have a label.
    `judge` is what may be said of a judge meanwhile, '' without one.
    """

    task: str
    pairs: int
    labelled: int
    same: int
    judge: str = ""


@dataclass(frozen=True)
class Shown:
    """A pair as it is shown: the prompt's turns, and the answers on either side."""

    id: str
    messages: tuple[Message, ...]
    left: str
    right: str


class Reviewing:
    """A review in progress: the next pair, a label, a label taken back. Resumable at any moment."""

    def __init__(self, workspace: Workspace, task: str) -> None:
        """Raises `UsageError` where no candidate waits, and as `ReviewFile.begin`."""
        self.task, self._who = task, author(workspace)
        self._awaited = _awaited(workspace, task)
        self._labels = self._awaited.labels
        self._seed = self._labels.begin().seed

    @property
    def status(self) -> ReviewStatus:
        return _status(self.task, self._awaited)

    def next(self, skipped: Sequence[str] = ()) -> Shown | None:
        """The next pair without a label, skipped ones after all others; None if all have one."""
        review = self._review()
        done = {label.pair for label in review.labels}
        left = [one for one in _asked(self._awaited) if one.id not in done]
        left.sort(key=lambda one: skipped.index(one.id) if one.id in skipped else -1)
        if not left:
            return None
        messages = self._awaited.prompts.get(left[0].key, ())
        return Shown(left[0].id, messages, *sides(left[0], review.seed))

    def say(self, pair: str, choice: Choice) -> None:
        """Record what a person said of a pair; raises as `ReviewFile.say`."""
        self._review()
        self._labels.say(pair, choice, who=self._who)

    def undo(self) -> str | None:
        """Take the last label back; returns its pair, None if there was none."""
        self._review()
        return self._labels.undo(who=self._who)

    def _review(self) -> Review:
        """The labels so far, on the sides that this review began with."""
        review = self._labels.begin()
        if review.seed != self._seed:
            raise UsageError(
                "this review was begun anew meanwhile",
                rule="a label is of the sides on which the answers were shown",
                remedy=f"call `pawl review {self.task}` again",
            )
        return review


def review_status(workspace: Workspace, task: str) -> ReviewStatus:
    """How far the review of the waiting candidate is; raises `UsageError` where none waits."""
    return _status(task, _awaited(workspace, task))


def _awaited(workspace: Workspace, task: str) -> AwaitedReview:
    if (found := awaited_review(workspace, task)) is None:
        raise UsageError(
            f"no candidate of '{task}' waits for people to compare its answers",
            rule="pairs come from the rows of a look that was paid for, after the evaluation",
            remedy=f"`gate.metric: preference` asks for it; then `pawl run {task}`",
        )
    return found


def _asked(awaited: AwaitedReview) -> list[Pair]:
    return [pair for pair in awaited.labels.pairs if not pair.same]


def _status(task: str, awaited: AwaitedReview) -> ReviewStatus:
    review, asked = awaited.labels.read(), _asked(awaited)
    same = len(awaited.labels.pairs) - len(asked)
    labelled = len(review.labels) if review else 0
    return ReviewStatus(task, len(asked), labelled, same, awaited.judge)
