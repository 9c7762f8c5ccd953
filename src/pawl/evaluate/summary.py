"""A contender's summary: means of its row values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pawl.errors import DataError


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean.

    Raises:
        DataError: the sequence is empty.
    """
    if not values:
        raise DataError("the mean of no values was asked for", rule="empty input has no mean")
    return sum(values) / len(values)


def summary(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each metric over the rows that have it; a metric that no row has is absent."""
    columns: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    return {name: mean(values) for name, values in sorted(columns.items())}
