"""The board on which every contender's answers are scored, in the same way for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from pawl.core.records import Contender, Example, Score, SplitReport, Timing
from pawl.evaluate.fields import by_field
from pawl.evaluate.scorers import Scorer, score
from pawl.evaluate.summary import mean, summary

Split = Literal["dev", "gate"]


@dataclass(frozen=True)
class Reply:
    """A contender's answer to one row, and what only the answering could measure.

    Token counts and the reference's perplexity are None where the contender cannot tell (a server).
    """

    text: str
    seconds: float
    tokens: int | None
    prompt_tokens: int | None
    perplexity: float | None = None


@dataclass
class Board:
    """What has been scored so far.

    `timed`: `seconds` is a row's metric. It is one only where the gate asks for it, because wall
    times differ from run to run and would make the evidence's bytes differ with them. `sealed`:
    a scorer that fails on a gate row tells neither the row nor what it was given, and no progress
    bar tells the pace of the gate's answers.
    """

    scorers: dict[str, Scorer]
    splits: SplitReport
    timed: bool
    sealed: bool = False
    contenders: list[Contender] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)

    def add(
        self,
        name: str,
        split: Split,
        rows: Sequence[Example],
        replies: Sequence[Reply],
        *,
        adapter: str | None = None,
        elsewhere: str | None = None,
        kept: bool = False,
    ) -> None:
        """Score one contender's replies to `rows`, a reply a row in the same order.

        Args:
            adapter: the digest of the adapter that it wore.
            elsewhere: what it ran on where that is not the task's base.
            kept: its answers were decoded in an earlier run.

        Raises:
            DataError: a scorer of the task's own failed.
        """
        scored = [
            self._score(name, split, row, reply) for row, reply in zip(rows, replies, strict=True)
        ]
        self.scores += scored
        self.seconds[f"{split}/{name}"] = mean([reply.seconds for reply in replies])
        self.kept += [f"{split}/{name}"] if kept else []
        self.contenders.append(
            Contender(
                name=name,
                split=split,
                rows=len(rows),
                scores=summary(s.values for s in scored),
                prompt_tokens=_mean([reply.prompt_tokens for reply in replies]),
                output_tokens=_mean([reply.tokens for reply in replies]),
                adapter=adapter,
                fields=by_field(
                    (reply.text, row.completion) for row, reply in zip(rows, replies, strict=True)
                ),
                elsewhere=elsewhere,
            )
        )

    def bar(self, name: str) -> str | None:
        """What the progress bar of a contender's gate answers says; None: there is none."""
        return None if self.sealed else f"gate: {name}"

    @property
    def timing(self) -> Timing:
        return Timing(self.seconds, tuple(self.kept))

    def _score(self, name: str, split: Split, row: Example, reply: Reply) -> Score:
        shown = None if self.sealed and split == "gate" else row.id
        values = score(self.scorers, reply.text, row.completion, row=shown)
        if reply.tokens is not None:
            values["output_tokens"] = float(reply.tokens)
        if reply.perplexity is not None:
            values["perplexity"] = reply.perplexity
        if self.timed:
            values["seconds"] = reply.seconds
        return Score(
            row.id,
            row.key,
            name,
            split,
            reply.text,
            values,
            group=_field(row, self.splits.group_by),
            slice=_field(row, self.splits.slice_by),
        )


def _field(row: Example, name: str | None) -> str | None:
    return None if name is None else row.fields.get(name)


def _mean(counts: Sequence[int | None]) -> float | None:
    """Mean of the counts, None unless all are known."""
    known = [float(count) for count in counts if count is not None]
    return mean(known) if len(known) == len(counts) else None
