"""What a row can be measured by, which way is better, and how a value is written.

Of the metrics that RISE more is better and values lie in [0, 1]; of those that FALL less is better
and values are 0 or more. What each means: docs/params.md. A scorer of a task's own rises.
"""

from __future__ import annotations

RISE = (
    "exact_match", "json_valid", "schema_valid", "json_equal", "field_accuracy", "field_f1",
    "regex_match", "enum_valid",
)  # fmt: skip
FALL = ("char_error", "perplexity", "output_tokens", "seconds")
METRICS = (*RISE, *FALL)
# Answers that are wholly wrong count 1 in the gate, however long they run on: one endless answer
# must not outweigh a hundred good ones, and only what has a bound can be tested exactly.
CAPPED = ("char_error",)


def sign(metric: str) -> int:
    """+1 where more is better, -1 where less is: times a difference it is a gain."""
    return -1 if metric in FALL else 1


def bounded(metric: str) -> bool:
    """Whether the gate's values of it lie in [0, 1], so that a difference lies in [-1, 1]."""
    return metric not in FALL or metric in CAPPED


def judged(metric: str, value: float) -> float:
    """A row's value as the gate judges it."""
    return min(value, 1.0) if metric in CAPPED else value


def shown(metric: str, value: float) -> str:
    """A value as people write it: a share in percent, anything else as a number."""
    return f"{value:.3g}" if metric in FALL else f"{value:.1%}"
