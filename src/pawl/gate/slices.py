"""Scores by slice: each contender's mean on the gate rows of one slice. Pure; decides nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pawl.core.metrics import judged
from pawl.core.records import Score


@dataclass(frozen=True)
class SliceScores:
    """The `rows` of one slice and each contender's mean of the deciding metric on them."""

    name: str
    rows: int
    scores: dict[str, float]


def slice_scores(scores: Iterable[Score], metric: str) -> tuple[SliceScores, ...]:
    """The gate rows by slice, in the order of names; empty where rows have no slices.

    A contender without the metric in one of a slice's rows is absent from that slice.
    """
    values: dict[str, dict[str, list[float | None]]] = {}
    for score in scores:
        if score.split == "gate" and score.slice is not None:
            of_slice = values.setdefault(score.slice, {})
            value = score.values.get(metric)
            of_slice.setdefault(score.contender, []).append(
                None if value is None else judged(metric, value)
            )
    return tuple(
        SliceScores(
            name,
            max(map(len, values[name].values())),
            {
                contender: sum(measured) / len(measured)
                for contender, found in values[name].items()
                if len(measured := [value for value in found if value is not None]) == len(found)
            },
        )
        for name in sorted(values)
    )
