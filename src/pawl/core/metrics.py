"""The metrics of a row: their direction, bounds and display.

Of RISE metrics more is better and values lie in [0, 1]; of FALL metrics less is better and values
are 0 or more. docs/params.md defines each. A task's own scorer counts as RISE.
"""

from __future__ import annotations

RISE = (
    "exact_match", "json_valid", "schema_valid", "json_equal", "field_accuracy", "field_f1",
    "regex_match", "enum_valid", "calls_match",
)  # fmt: skip
FALL = ("char_error", "perplexity", "output_tokens", "seconds")
METRICS = (*RISE, *FALL)
# What people say of two answers: no value of a row, and the share of pairs in which a contender was
# preferred, a tie as half.
PREFERENCE = "preference"
# These count tokens, which contenders on two bases do not share.
OF_TOKENS = ("perplexity", "output_tokens")
# The gate counts at most 1, for a wholly wrong answer of any length: one endless answer must not
# outweigh a hundred good ones, and only bounded values can be tested exactly.
CAPPED = ("char_error",)


def sign(metric: str) -> int:
    """+1 if more is better, -1 if less is: times a difference it is a gain."""
    return -1 if metric in FALL else 1


def bounded(metric: str) -> bool:
    """Whether the gate's values lie in [0, 1], so that differences lie in [-1, 1]."""
    return metric not in FALL or metric in CAPPED


def judged(metric: str, value: float) -> float:
    """A row's value as the gate judges it: capped where the metric is."""
    return min(value, 1.0) if metric in CAPPED else value


def shown(metric: str, value: float) -> str:
    """A value for display: a share in percent, anything else as a number."""
    return f"{value:.3g}" if metric in FALL else f"{value:.1%}"
