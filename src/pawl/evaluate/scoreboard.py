"""The scoreboard: scores every contender's answers in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from pawl.core.records import Contender, Example, Score, SplitReport, Timing
from pawl.evaluate.fields import by_field
from pawl.evaluate.scorers import Scorer, score_all
from pawl.evaluate.summary import mean, summary

Split = Literal["dev", "gate"]


@dataclass(frozen=True)
class Reply:
    """A contender's answer to one row, and what is measured while it answers.

    Seconds, token counts and the reference's perplexity are None if the contender (a server, or a
    file of its answers) gives none.
    `whole` is False where the answer was given up, as it could no longer be right.
    """

    text: str
    seconds: float | None
    tokens: int | None
    prompt_tokens: int | None
    perplexity: float | None = None
    whole: bool = True


@dataclass
class Scoreboard:
    """All scores so far.

    `timed`: record `seconds` as a row's metric. Only if the gate judges it, because wall times
    differ from run to run and would make the evidence's bytes differ. `sealed`: the error of a
    scorer on a gate row shows neither the row nor the answer, and gate rows have no progress bar.
    """

    scorers: dict[str, Scorer]
    splits: SplitReport
    timed: bool
    sealed: bool = False
    contenders: list[Contender] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    cached: list[str] = field(default_factory=list)

    def add(
        self,
        name: str,
        split: Split,
        rows: Sequence[Example],
        replies: Sequence[Reply],
        *,
        adapter: str | None = None,
        elsewhere: str | None = None,
        base: str | None = None,
        judged_by: str | None = None,
        by_schema: bool = False,
        cached: bool = False,
    ) -> None:
        """Score one contender's replies to `rows`, one a row in the same order.

        Args:
            adapter: digest of the active adapter.
            elsewhere: what it ran on if that is not the task's base.
            base: digest of a champion's own base if that is not the task's.
            judged_by: the only metric (beside the perplexity) of answers that may have been given
                up; others would be those of answers that nobody gave.
            by_schema: its decoding was held to the task's schema.
            cached: its answers were decoded in an earlier run.

        Raises:
            DataError: a user's scorer failed.
        """
        values = score_all(
            {judged_by: self.scorers[judged_by]} if judged_by else self.scorers,
            [reply.text for reply in replies],
            rows,
            sealed=self.sealed and split == "gate",
        )
        scored = [
            self._score(name, split, row, reply, of_row, judged_by)
            for row, reply, of_row in zip(rows, replies, values, strict=True)
        ]
        self.scores += scored
        if (seconds := _mean([reply.seconds for reply in replies])) is not None:
            self.seconds[f"{split}/{name}"] = seconds
        self.cached += [f"{split}/{name}"] if cached else []
        self.contenders.append(
            Contender(
                name=name,
                split=split,
                rows=len(rows),
                scores=summary(s.values for s in scored),
                prompt_tokens=_mean([reply.prompt_tokens for reply in replies]),
                output_tokens=None if judged_by else _mean([reply.tokens for reply in replies]),
                adapter=adapter,
                fields={}
                if judged_by
                else by_field(
                    (reply.text, row.completion) for row, reply in zip(rows, replies, strict=True)
                ),
                elsewhere=elsewhere,
                base=base,
                by_schema=by_schema,
            )
        )

    def bar_label(self, name: str) -> str | None:
        """Label of the progress bar over a contender's gate rows; None: no bar."""
        return None if self.sealed else f"gate: {name}"

    @property
    def timing(self) -> Timing:
        return Timing(self.seconds, tuple(self.cached))

    def _score(
        self,
        name: str,
        split: Split,
        row: Example,
        reply: Reply,
        values: dict[str, float],
        judged_by: str | None,
    ) -> Score:
        if reply.tokens is not None and not judged_by:
            values["output_tokens"] = float(reply.tokens)
        if reply.perplexity is not None:
            values["perplexity"] = reply.perplexity
        if self.timed and reply.seconds is not None:
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
            whole=reply.whole,
        )


def _field(row: Example, name: str | None) -> str | None:
    return None if name is None else row.fields.get(name)


def _mean(counts: Sequence[float | None]) -> float | None:
    """Mean of the counts; None if any is missing."""
    present = [float(count) for count in counts if count is not None]
    return mean(present) if len(present) == len(counts) else None
