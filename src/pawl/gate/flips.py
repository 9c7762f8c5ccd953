"""Flips: rows won and lost against the champion, and what changed in the train data. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pawl.core.metrics import sign
from pawl.core.records import AdapterManifest, Example, HeldOutRow, Message, Score, Verdict
from pawl.errors import RESTORE_FILES, DataError

CANDIDATE, CHAMPION = "candidate", "champion"


@dataclass(frozen=True)
class Flip:
    """A gate row on which candidate and champion score differently, with both answers.

    `won`: the candidate scores better; `values`: candidate's, champion's. Where flips are against
    another contender, `champion` is that one's answer.
    """

    id: str
    won: bool
    prompt: str
    reference: str
    candidate: str
    champion: str
    values: tuple[float, float]


@dataclass(frozen=True)
class Changed:
    """Ids of the candidate's train rows that differ from the champion's.

    `relabelled` rows are in both, with different completions.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    relabelled: tuple[str, ...]


def compared_first(verdict: Verdict) -> str:
    """Whom the answers of a verdict's candidate are shown beside: the champion, or else the
    contender that the verdict compares first."""
    others = [one.against for one in verdict.comparisons]
    return CHAMPION if CHAMPION in others else others[0]


def flips(
    scores: Iterable[Score],
    rows: Sequence[Example],
    metric: str,
    *,
    against: str = CHAMPION,
    split: Literal["dev", "gate"] = "gate",
    known: Iterable[HeldOutRow] = (),
) -> list[Flip]:
    """The rows of a split in which candidate and `against` differ in `metric`, won ones first.

    Args:
        scores: the stored row scores of all contenders and splits.
        rows: the checked rows of the candidate's cycle.
        known: the register of then: its rows judge also where the cycle's data lacks them (ADR 38).

    Raises:
        DataError: a flipped row is in neither.
    """
    by_id = {(row.id, row.key): row for row in rows}
    registered = {row.key: row for row in known}
    by_row: dict[str, dict[str, Score]] = {}
    for score in scores:
        if score.split == split and score.contender in (CANDIDATE, against):
            by_row.setdefault(score.id, {})[score.contender] = score
    found = []
    for name, pair in by_row.items():
        # Evidence that was judged invalid may lack one of the two, or the metric.
        both = [one for one in pair.values() if metric in one.values]
        if len(both) < 2:
            continue
        mine, other = pair[CANDIDATE], pair[against]
        values = (mine.values[metric], other.values[metric])
        if values[0] != values[1]:
            row = by_id.get((name, mine.key)) or registered.get(mine.key)
            if row is None:
                raise DataError(
                    f"row '{name}' was judged and is not in the stored rows",
                    rule="a version's run stores the checked rows of its cycle",
                    remedy=RESTORE_FILES,
                )
            won = sign(metric) * (values[0] - values[1]) > 0
            text = _text(row.messages)
            found.append(Flip(name, won, text, row.completion, mine.shown, other.shown, values))
    return sorted(found, key=lambda flip: (not flip.won, flip.id))


def changed(
    candidate: AdapterManifest,
    rows: Sequence[Example],
    champion: AdapterManifest,
    earlier: Sequence[Example],
) -> Changed:
    """The differences between the candidate's train rows and the champion's.

    Args:
        rows, earlier: the checked rows of the candidate's and of the champion's cycle.
    """
    mine, other = _trained_on(candidate, rows), _trained_on(champion, earlier)
    return Changed(
        added=_ids(mine[key] for key in mine.keys() - other.keys()),
        removed=_ids(other[key] for key in other.keys() - mine.keys()),
        relabelled=_ids(
            mine[key]
            for key in mine.keys() & other.keys()
            if mine[key].completion != other[key].completion
        ),
    )


def _trained_on(manifest: AdapterManifest, rows: Sequence[Example]) -> Mapping[str, Example]:
    """The rows named by the manifest's `trained_on`, by key; the first row of each key."""
    keys = set(manifest.trained_on)
    found: dict[str, Example] = {}
    for row in rows:
        if row.key in keys:
            found.setdefault(row.key, row)
    return found


def _ids(rows: Iterable[Example]) -> tuple[str, ...]:
    return tuple(sorted(row.id for row in rows))


def _text(messages: Sequence[Message]) -> str:
    if len(messages) == 1:
        return messages[0].content
    return "\n".join(f"{message.role}: {message.content}" for message in messages)
