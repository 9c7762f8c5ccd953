"""A comparison's figures in words: part of the verdict's reasons, which `pawl replay` compares."""

from __future__ import annotations

import math

from pawl.core.metrics import FALL, shown
from pawl.core.records import Comparison


def interval_text(c: Comparison) -> str:
    if c.interval is None:
        return ""
    low, high = c.interval
    if high < 0:
        text = f"worse by {_size(c.metric, -high)} to {_size(c.metric, -low)}"
    else:
        text = f"better by {_size(c.metric, low)} to {_size(c.metric, high)}"
    unit = "" if c.metric in FALL else " points"
    return f" ({text}{unit} with 95 % confidence)"


def shrunken_text(c: Comparison) -> str:
    if not c.shrunken:
        return ""
    unit = "" if c.metric in FALL else " points"
    return f"; expect {_size(c.metric, c.shrunken)}{unit}: a gain that passes is partly luck"


def elsewhere_text(c: Comparison, where: str) -> str:
    low, high = c.interval or (-math.inf, math.inf)
    verb = "is ahead of" if low > 0 else "falls behind" if high < 0 else "cannot be told from"
    return (
        f"{verb} {c.against} ({where}), which need not be beaten: {c.metric} "
        f"{shown(c.metric, c.candidate)} against {shown(c.metric, c.other)}{interval_text(c)}, "
        f"{c.wins} rows won, {c.losses} lost"
    )


def _size(metric: str, gain: float) -> str:
    return f"{gain:.3g}" if metric in FALL else f"{100 * gain:.1f}"
